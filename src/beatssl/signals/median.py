"""The median of many short rows, to the bit that of `numpy.median` and many times as fast."""

from typing import Any

import numpy as np


def row_medians(x: np.ndarray) -> Any:
    """The median over the last axis of an array without NaN; of an even number, the mean of the middle two.

    `numpy.median` itself looks for NaN, and moves axes about, for longer than it takes to find a median of ten numbers.
    """
    middle = x.shape[-1] // 2
    if x.shape[-1] % 2:
        return np.partition(x, middle, axis=-1)[..., middle]
    parts = np.partition(x, (middle - 1, middle), axis=-1)
    return (parts[..., middle - 1] + parts[..., middle]) / 2
