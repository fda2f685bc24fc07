"""Beat classes N, S, V and F, and clusters of beat shape."""
