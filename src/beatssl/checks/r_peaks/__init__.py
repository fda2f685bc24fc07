"""R peaks against reference beats: those of a store, and beside other detectors on published records and in noise."""
