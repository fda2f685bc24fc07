"""From a reader to a prepared store, and from the store to splits and batches."""
