"""Heartbeats: R peaks from all leads, wave boundaries, beat windows, beat classes."""
