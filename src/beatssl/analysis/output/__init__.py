"""What becomes of an analysis: report, JSON, tables, picture, annotations."""
