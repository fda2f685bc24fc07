"""Zero-phase filtering and polyphase resampling of signals in mV; NaN (not measured) stays NaN.

scipy.signal takes a second to import, and a model that is given prepared signals filters nothing: it is imported where
it is used.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

_PAD_S = 2.0
"""Length of the mirrored extension at each end: one period of the slowest frequency that the default filter passes."""


def bandpass(
    ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float, low_hz: float = 0.5, high_hz: float = 40.0
) -> Float32[np.ndarray, "lead time"]:
    """Second-order Butterworth band-pass, run forwards and backwards so that no wave is shifted in time.

    A `high_hz` at or above the Nyquist rate asks for nothing that sampling has not done: the high-pass alone runs.
    0.5 Hz is within the AHA's limit for zero-phase filters (0.67 Hz, Kligfield et al. 2007), so that ST is kept.

    Raises ValueError where the band is empty.
    """
    if not 0 < low_hz < high_hz:
        raise ValueError(f"band {low_hz}–{high_hz} Hz is empty; pass 0 < low_hz < high_hz")
    filled, measured = without_gaps(ecg_mv)
    pad = min(round(_PAD_S * fs_hz), ecg_mv.shape[1] - 1)
    out = zero_phase(filled, _design(fs_hz, low_hz, high_hz), pad)
    return np.where(measured, out, np.nan).astype(np.float32)


def resample(
    ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float, to_hz: float
) -> Float32[np.ndarray, "lead new_time"]:
    """Polyphase resampling by the exact ratio of the two rates, with the anti-alias filter that comes with it.

    Sample n of the result lies at n / `to_hz` seconds, as sample n of the input lies at n / `fs_hz`.
    """
    if fs_hz == to_hz:
        return ecg_mv
    ratio = Fraction(to_hz).limit_denominator(10_000) / Fraction(fs_hz).limit_denominator(10_000)
    ratio = ratio.limit_denominator(10_000)
    from scipy import signal

    filled, measured = without_gaps(ecg_mv)
    out = signal.resample_poly(filled, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    if measured.all():
        return out.astype(np.float32)
    nearest = np.minimum(np.round(np.arange(out.shape[1]) / float(ratio)).astype(np.int64), ecg_mv.shape[1] - 1)
    return np.where(measured[:, nearest], out, np.nan).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Filter:
    """Second-order sections and the state in which they start on a constant 1."""

    sos: Float64[np.ndarray, "section 6"]
    start: Float64[np.ndarray, "section 2"]

    @classmethod
    def butterworth(
        cls, order: int, edges_hz: float | tuple[float, float], kind: Literal["bandpass", "highpass"], fs_hz: float
    ) -> "Filter":
        """A Butterworth filter as `scipy.signal.butter` designs it."""
        from scipy import signal

        sos = signal.butter(order, edges_hz, kind, fs=fs_hz, output="sos")
        return cls(sos, signal.sosfilt_zi(sos))


def zero_phase(x: Float[np.ndarray, "lead time"], design: Filter, pad: int) -> Float64[np.ndarray, "lead time"]:
    """`scipy.signal.sosfiltfilt` with `padlen=pad`, without working out the filter's start anew for every signal."""
    from scipy.signal import sosfilt

    start = design.start[:, None, :]
    first, last = x[:, :1], x[:, -1:]
    extended = np.concatenate([2 * first - x[:, pad:0:-1], x, 2 * last - x[:, -2 : -pad - 2 : -1]], axis=1)
    forward, _ = sosfilt(design.sos, extended, axis=1, zi=start * extended[:, :1])
    backward, _ = sosfilt(design.sos, forward[:, ::-1], axis=1, zi=start * forward[:, -1:])
    return backward[:, ::-1][:, pad : pad + x.shape[1]]


@lru_cache(maxsize=64)
def _design(fs_hz: float, low_hz: float, high_hz: float) -> Filter:
    if high_hz >= fs_hz / 2:
        return Filter.butterworth(2, low_hz, "highpass", fs_hz)
    return Filter.butterworth(2, (low_hz, high_hz), "bandpass", fs_hz)


def without_gaps(
    ecg_mv: Float32[np.ndarray, "lead time"],
) -> tuple[Float64[np.ndarray, "lead time"], Bool[np.ndarray, "lead time"]]:
    """The signal with gaps bridged by straight lines (a missing lead by zeros), and where it was measured."""
    measured = np.isfinite(ecg_mv)
    filled = ecg_mv.astype(np.float64)
    for lead in np.flatnonzero(~measured.all(axis=1)):
        known = np.flatnonzero(measured[lead])
        filled[lead] = np.interp(np.arange(filled.shape[1]), known, filled[lead, known]) if known.size else 0.0
    return filled, measured
