"""One loop for every task that is learnt by gradient."""
