"""Statistics of each row over its beats, from flat arrays of beats sorted by row; NaN values are left out."""

import numpy as np
from jaxtyping import Float32, Float64, Int32


def padded(
    values: Float32[np.ndarray, " beat"], beat_row: Int32[np.ndarray, " beat"], rows: int
) -> Float32[np.ndarray, "row slot"]:
    """Beats of each row side by side, NaN beyond the row's last."""
    counts = np.bincount(beat_row, minlength=rows)
    slot = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = np.full((rows, max(int(counts.max(initial=0)), 1)), np.nan, np.float32)
    out[beat_row, slot] = values
    return out


def row_count(
    values: Float32[np.ndarray, " beat"], beat_row: Int32[np.ndarray, " beat"], rows: int
) -> Float64[np.ndarray, " row"]:
    """How many values of each row are measured."""
    return np.bincount(beat_row, np.isfinite(values), minlength=rows).astype(np.float64)


def row_mean(
    values: Float32[np.ndarray, " beat"], beat_row: Int32[np.ndarray, " beat"], rows: int
) -> Float64[np.ndarray, " row"]:
    """Mean of each row, NaN for a row with no value."""
    count = row_count(values, beat_row, rows)
    total = np.bincount(beat_row, np.nan_to_num(values), minlength=rows).astype(np.float64)
    return total / np.where(count > 0, count, np.nan)


def row_sd(
    values: Float32[np.ndarray, " beat"], beat_row: Int32[np.ndarray, " beat"], rows: int
) -> Float64[np.ndarray, " row"]:
    """Standard deviation of each row (n − 1), NaN for a row with fewer than two values."""
    mean = row_mean(values, beat_row, rows)
    squares = row_mean(((values - mean[beat_row]) ** 2).astype(np.float32), beat_row, rows)
    count = row_count(values, beat_row, rows)
    return np.sqrt(squares * count / np.where(count > 1, count - 1, np.nan))


def row_median(
    values: Float32[np.ndarray, " beat"], beat_row: Int32[np.ndarray, " beat"], rows: int
) -> Float32[np.ndarray, " row"]:
    """Median of each row, NaN for a row with no value."""
    ordered = np.sort(padded(values, beat_row, rows), axis=1)  # NaN sorts last
    count = np.isfinite(ordered).sum(axis=1)
    row = np.arange(rows)
    return (
        ordered[row, np.maximum((count - 1) // 2, 0)] + ordered[row, np.minimum(count // 2, ordered.shape[1] - 1)]
    ) / 2
