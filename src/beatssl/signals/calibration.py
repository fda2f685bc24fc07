"""The calibration pulse that some recorders print at an end of every lead: a square of about 1 mV, no ECG."""

import numpy as np
from jaxtyping import Float, Float32

_ALIKE_MV = 0.0005  # between leads: rounding; an ECG's own leads agree nowhere for so long while one of them moves
_LOW_MV, _HIGH_MV = 0.4, 2.5  # of the pulse: half to double gain
_SHORTEST_S, _LONGEST_S = 0.2, 3.0  # of the pulse with the level lines beside it
_LEVEL_S = 0.05  # at least at each of its two levels
_ON_LEVELS = 0.9  # share of the samples within a tenth of the height of one of the levels


def without_calibration(
    ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float
) -> tuple[Float32[np.ndarray, "lead kept"], float, float]:
    """The signal without a calibration pulse at its start and end, and the seconds cut off at each.

    A pulse is a stretch at an end in which three leads or more hold the very same square, which breaks the identities
    of the limb leads (1 mV − 1 mV ≠ 1 mV). A record that is alike in all leads throughout is no pulse.
    """
    if len(ecg_mv) < 3 or ecg_mv.shape[1] < 2:
        return ecg_mv, 0.0, 0.0
    spread = np.fmax.reduce(ecg_mv, axis=0) - np.fmin.reduce(ecg_mv, axis=0)
    apart = np.flatnonzero(~(spread <= _ALIKE_MV))
    if not len(apart):
        return ecg_mv, 0.0, 0.0
    start, stop = int(apart[0]), int(apart[-1]) + 1
    start = start if _is_pulse(ecg_mv[0, :start], fs_hz) else 0
    stop = stop if _is_pulse(ecg_mv[0, stop:], fs_hz) else ecg_mv.shape[1]
    if start == 0 and stop == ecg_mv.shape[1]:
        return ecg_mv, 0.0, 0.0
    return np.ascontiguousarray(ecg_mv[:, start:stop]), start / fs_hz, (ecg_mv.shape[1] - stop) / fs_hz


def _is_pulse(lead_mv: Float[np.ndarray, " time"], fs_hz: float) -> bool:
    if not _SHORTEST_S <= len(lead_mv) / fs_hz <= _LONGEST_S:
        return False
    low, high = float(np.min(lead_mv)), float(np.max(lead_mv))
    if not _LOW_MV <= high - low <= _HIGH_MV:
        return False
    at_low, at_high = (np.abs(lead_mv - level) <= 0.1 * (high - low) for level in (low, high))
    least = _LEVEL_S * fs_hz
    return bool(at_low.sum() >= least and at_high.sum() >= least and (at_low | at_high).mean() >= _ON_LEVELS)
