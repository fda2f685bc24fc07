"""Tables of what things cost."""
