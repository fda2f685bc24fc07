"""Pure signal functions on NumPy arrays: leads, filtering, resampling, quality, the vectorcardiogram."""
