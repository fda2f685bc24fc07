"""What `analyze` finds against recording machines, PTB-XL's and MIT-BIH's rhythms, and the challenges of CinC."""
