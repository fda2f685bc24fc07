"""Times and memory of each stage."""
