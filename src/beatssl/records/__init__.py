"""The record, and the readers that make it from files."""
