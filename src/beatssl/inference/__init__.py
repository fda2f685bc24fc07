"""Everything that uses weights: model folders, encoder, classifier, segmenter, embeddings."""
