"""The scorecard of encoders as files: JSON, a table, a page."""
