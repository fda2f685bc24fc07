"""Principal axes of rows of numbers, no more of them than are asked for."""

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh


def principal_axes(
    values: Float64[np.ndarray, "row feature"], components: int
) -> tuple[Float64[np.ndarray, " component"], Float64[np.ndarray, "component feature"]]:
    """Variances and axes of the leading components of at least two rows of mean 0, the largest variance first.

    Fewer rows than features are decomposed themselves, else their covariance. The sign of an axis is arbitrary: its
    largest entry is made positive, so that equal data give equal axes.
    """
    rows, features = values.shape
    if rows <= features:
        _, singular, axes = np.linalg.svd(values, full_matrices=False)
        variance, axes = (singular**2 / (rows - 1))[:components], axes[:components]
    else:
        first = max(features - components, 0)
        ascending, vectors = eigh(values.T @ values / (rows - 1), subset_by_index=[first, features - 1])
        variance, axes = ascending[::-1], vectors[:, ::-1].T
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return np.ascontiguousarray(variance), np.ascontiguousarray(axes * signs[:, None])
