"""What only maintainers run: weights made ready to bundle with the package."""
