"""Records prepared and stored: the store, its tables, labels and splits."""
