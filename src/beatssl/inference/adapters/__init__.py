"""Encoders that others published: their networks, weights by name, and their own preprocessing; one file each."""
