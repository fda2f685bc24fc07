"""How alike each beat is to its row's median beat."""

import numpy as np
from jaxtyping import Float32

from beatssl.beats.windows import Beats
from beatssl.signals.leads import INDEPENDENT

_SPAN_S = (-0.10, 0.40)


def with_median(beats: Beats, median_mv: Float32[np.ndarray, "row lead time"]) -> Float32[np.ndarray, " beat"]:
    """Correlation of each beat with its row's median beat, over the independent leads from R − 0.1 to R + 0.4 s.

    Both are centred lead by lead; NaN samples count in neither. NaN where nothing is left.
    """
    start, stop = (beats.r_index + round(s * beats.fs_hz) for s in _SPAN_S)
    own = beats.window_mv[:, INDEPENDENT, start:stop]
    usual = median_mv[:, INDEPENDENT, start:stop][beats.row]
    seen = np.isfinite(own) & np.isfinite(usual)
    own, usual = (_centred(np.where(seen, x, 0), seen) for x in (own, usual))
    product = np.einsum("blt,blt->b", own, usual)
    size = np.sqrt(np.einsum("blt,blt->b", own, own) * np.einsum("blt,blt->b", usual, usual))
    return (product / np.where(size > 0, size, np.nan)).astype(np.float32)


def _centred(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    mean = values.sum(axis=2, keepdims=True) / np.maximum(seen.sum(axis=2, keepdims=True), 1)
    return np.where(seen, values - mean.astype(np.float32), 0)
