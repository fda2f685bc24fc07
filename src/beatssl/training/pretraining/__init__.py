"""Pretraining: presets, columns, batches and the loop's task."""
