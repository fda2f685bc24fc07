"""Losses: embeddings and targets in, a number out."""
