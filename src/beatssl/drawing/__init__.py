"""ECG paper and figures as SVG."""
