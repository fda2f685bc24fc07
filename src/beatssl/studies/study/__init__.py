"""Many pretraining runs from one file: base config and changes, frozen, resumable, in one table."""
