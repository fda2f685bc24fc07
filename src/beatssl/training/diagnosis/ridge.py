"""Ridge regression of many numbers at once, for a row of penalties."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64

from beatssl.training.diagnosis.linear import Linear


def ridge_path(
    values: Float32[np.ndarray, "row feature"],
    numbers: Float64[np.ndarray, "row label"],
    inverse_penalties: Sequence[float],
    known: Bool[np.ndarray, "row label"],
) -> Iterator[Linear]:
    """One regression a number, for each of `inverse_penalties` (1 / alpha of scikit-learn's Ridge), small to large.

    Minimises ½‖w‖² + ½ C Σ_i (y_i − x_i·w − b)² of every number, the bias free of penalty. Columns of `values` and
    numbers should be on one scale. Each number is fitted to the rows of which it is `known`; numbers known of the same
    rows share one decomposition.
    """
    patterns, of_number = np.unique(known.T, axis=0, return_inverse=True)
    alike = [np.flatnonzero(of_number == pattern) for pattern in range(len(patterns))]
    solved = [
        _solved(values[rows].astype(np.float64), numbers[np.ix_(rows, some)])
        for rows, some in zip(patterns, alike, strict=True)
    ]
    for inverse_penalty in sorted(inverse_penalties):
        weight = np.zeros((values.shape[1], numbers.shape[1]))
        bias = np.zeros(numbers.shape[1])
        for some, (centre, mean, size, vectors, along) in zip(alike, solved, strict=True):
            weight[:, some] = vectors @ (along / (size + 1 / inverse_penalty)[:, None])
            bias[some] = mean - centre @ weight[:, some]
        yield Linear(weight.astype(np.float32), bias.astype(np.float32), inverse_penalty)


def _solved(
    x: Float64[np.ndarray, "row feature"], y: Float64[np.ndarray, "row label"]
) -> tuple[
    Float64[np.ndarray, " feature"],
    Float64[np.ndarray, " label"],
    Float64[np.ndarray, " axis"],
    Float64[np.ndarray, "feature axis"],
    Float64[np.ndarray, "axis label"],
]:
    """Means of x and y, and the principal axes of x, with x's squared size and its product with y along each."""
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    x = x - centre
    size, vectors = np.linalg.eigh(x.T @ x)
    return centre, mean, size.clip(min=0), vectors, vectors.T @ (x.T @ (y - mean))
