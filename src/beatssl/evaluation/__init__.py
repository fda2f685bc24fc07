"""Checks of a store against reference marks, benchmarks, pictures."""
