"""Objectives, the training loop, checkpoints, probes."""
