"""Labels of records: linear probe and fine-tuning."""
