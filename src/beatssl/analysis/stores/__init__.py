"""Many records at once: embeddings of stores and files, log odds of stores."""
