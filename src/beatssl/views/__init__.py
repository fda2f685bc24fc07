"""Seeded augmentations of ECG batches; beat marks move with the signal."""
