"""Record and beat features, each measured from the ECG, with name, unit and definition."""
