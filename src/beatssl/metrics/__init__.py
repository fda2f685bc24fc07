"""Measures of agreement: pure functions on arrays."""
