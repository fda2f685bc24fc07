"""Pages, their sections and pictures, and the tables of figures."""
