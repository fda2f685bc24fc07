"""A store or a model measured against reference marks or labels."""
