"""Checks of an encoder on a store: what its embeddings hold."""
