"""What codes of statements mean: those of PTB-XL, and SNOMED CT in terms of them."""
