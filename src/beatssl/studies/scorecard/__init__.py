"""The scorecard: encoders with frozen weights on everything that they are used for."""
