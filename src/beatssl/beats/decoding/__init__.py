"""From probabilities of waves to waves."""
