"""A study as pictures and as tables."""
