"""Self-supervised representation learning for 12-lead ECG, from whole records and single heartbeats."""

__version__ = "0.1.0"
