"""Similarity of measured features, and the soft targets made of it."""
