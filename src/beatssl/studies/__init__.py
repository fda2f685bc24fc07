"""Encoders compared, classifiers taken to other sites."""
