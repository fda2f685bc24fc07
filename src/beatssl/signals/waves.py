"""The waves of a heartbeat, by name."""

WAVE_CLASSES = ("none", "P", "QRS", "T")
"""What a sample of a lead may show, in the order in which networks give their probabilities."""
