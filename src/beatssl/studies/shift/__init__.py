"""What a classifier loses on other databases: one property of the recordings changed at a time, and what is left."""
