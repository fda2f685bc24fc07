"""An analysis as one HTML file that needs nothing else, and as a PDF."""
