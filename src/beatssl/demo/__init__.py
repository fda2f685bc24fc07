"""The demo: the whole way on a synthetic cohort, as one page."""
