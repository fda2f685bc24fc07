"""P, QRS and T boundaries by rules."""
