"""Rows of the table of figures, by what was measured."""
