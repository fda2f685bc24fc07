"""What users bring to a store: tables of labels, of records, and of the side that each stands on."""
