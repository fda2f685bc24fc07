"""Further published databases, each as PhysioNet lays it out and as a flat folder of records."""
