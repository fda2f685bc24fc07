"""Encoders, projectors, the projection of heartbeats from the feature map, heads."""
