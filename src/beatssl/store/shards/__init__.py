"""From records to one shard of a store: read, conditioned, cut into rows, measured, written."""
