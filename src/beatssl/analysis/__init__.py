"""From a file, an array or a store to waves, intervals and classes."""
