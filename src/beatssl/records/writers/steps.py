"""Samples as whole numbers: the step that a record was digitised with, found again, so that nothing is rounded."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

_USUAL_UNITS_PER_MV = (200.0, 1000.0, 400.0, 500.0, 2000.0, 204.8, 250.0, 100.0, 4880.0, 10_000.0, 100_000.0)
_SHOWN = 4096  # samples that a step is tried on before it is tried on all


@dataclass(frozen=True, slots=True)
class Digital:
    """One lead: value in mV = sample / `units_per_mv`; `exact` where that gives every value back to the bit."""

    samples: Int64[np.ndarray, " time"]
    units_per_mv: float
    exact: bool
    missing: int  # the sample that stands for what was not measured


def digitised(lead_mv: Float32[np.ndarray, " time"], bits: int) -> Digital:
    """The lead in whole numbers of `bits` bits, the lowest of which means not measured.

    The step is the one that the values are whole multiples of, where there is one that fits; else the finest that the
    bits allow, and the error is at most half of it.
    """
    missing = -(2 ** (bits - 1))
    measured = np.isfinite(lead_mv)
    values = lead_mv[measured].astype(np.float64)
    limit = float(2 ** (bits - 1) - 1)
    largest = float(np.abs(values).max()) if len(values) else 0.0
    found = next((gain for gain in _candidates(values) if largest * gain <= limit and _is_exact(values, gain)), None)
    gain = found or (limit / largest if largest else 1000.0)
    samples = np.full(len(lead_mv), missing, np.int64)
    samples[measured] = np.round(values * gain).astype(np.int64)
    return Digital(samples, gain, found is not None, missing)


def _is_exact(values: Float[np.ndarray, " value"], gain: float) -> bool:
    for part in (values[:_SHOWN], values):
        if not np.array_equal((np.round(part * gain) / gain).astype(np.float32), part.astype(np.float32)):
            return False
    return True


def _candidates(values: Float[np.ndarray, " value"]) -> list[float]:
    """Units per mV that may be right: usual ones, and those that the smallest difference between two values gives."""
    out = list(_USUAL_UNITS_PER_MV)
    unlike = np.unique(values[:_SHOWN])
    if len(unlike) < 2:
        return out
    gaps = np.diff(unlike)
    step = float(gaps[gaps > 0.2 * np.median(gaps)].min())
    for _ in range(3):  # counted over the whole range, the step is known to many digits
        counts = np.round((unlike - unlike[0]) / step)
        if counts[-1] < 1:
            return out
        step = float((unlike[-1] - unlike[0]) / counts[-1])
    for digits in range(2, 10):
        out += [float(f"{1 / step:.{digits}g}"), 1 / float(f"{step:.{digits}g}")]
    return list(dict.fromkeys(out))
