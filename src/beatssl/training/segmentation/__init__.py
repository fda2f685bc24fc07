"""Training of segmenters from marks and pseudo-labels."""
