"""A batch of beats made ready for measuring: levelled at the QRS onset, and on a finer grid around the QRS."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32
from scipy.interpolate import CubicSpline

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats
from beatssl.signals.leads import LEADS

FINE_HZ = 400.0
"""Rate of the grid on which the QRS is measured: a Q wave of 30 ms is three samples at 100 Hz and twelve here."""

FLAT_MV = 0.005
"""A lead whose whole QRS spans less than this measures no heart."""

_FINE_SPAN_S = (-0.16, 0.24)
_LEVEL_SPAN_S = (-0.024, -0.004)


@dataclass(frozen=True, slots=True)
class Waves:
    """Beats (single ones, or the median beat of each record) with their boundaries, levelled at the QRS onset."""

    mv: Float32[np.ndarray, "beat lead time"]  # 0 where missing
    at_s: Float32[np.ndarray, " time"]  # seconds from R
    qrs_mv: Float32[np.ndarray, "beat lead fine"]
    qrs_at_s: Float32[np.ndarray, " fine"]
    in_qrs: Bool[np.ndarray, "beat fine"]
    present: Bool[np.ndarray, "beat lead"]
    marks: Fiducials

    @property
    def has_qrs(self) -> Bool[np.ndarray, " beat"]:
        """Beats whose QRS has both boundaries: without them nothing of the beat can be measured."""
        return np.asarray(self.in_qrs.any(axis=1))

    def between(
        self, start_s: Float32[np.ndarray, " beat"], end_s: Float32[np.ndarray, " beat"]
    ) -> Bool[np.ndarray, "beat time"]:
        """Samples of `mv` from start to end; none where either is NaN."""
        return between(self.at_s, start_s, end_s)

    def value_at(self, time_s: Float32[np.ndarray, " beat"]) -> Float32[np.ndarray, "beat lead"]:
        """The signal at one time a beat, linearly interpolated; NaN where the time is NaN or outside the window."""
        return interpolated(self.mv, self.at_s, time_s)


def waves_of(window_mv: Float32[np.ndarray, "beat lead time"], marks: Fiducials, fs_hz: float, r_index: int) -> Waves:
    """Level each lead at its mean from 24 to 4 ms before the QRS onset, and lay the QRS on the fine grid.

    A lead is missing from a beat where any sample of the QRS's span is NaN, or where it is flat there (its electrode is
    off); its values are 0 in the arrays.
    """
    at_s = ((np.arange(window_mv.shape[2]) - r_index) / fs_hz).astype(np.float32)
    span = (at_s >= _FINE_SPAN_S[0]) & (at_s <= _FINE_SPAN_S[1])
    around = window_mv[:, :, span]
    present = np.asarray(np.max(around, axis=2) - np.min(around, axis=2) > FLAT_MV)  # not for NaN
    mv = np.nan_to_num(window_mv)
    fine_s = np.arange(_FINE_SPAN_S[0], _FINE_SPAN_S[1], 1 / FINE_HZ).astype(np.float32)
    onset, offset = marks.qrs_onset_s, marks.qrs_offset_s
    fine = mv @ _spline_matrix(at_s.tobytes(), fine_s.tobytes())
    level_at = between(fine_s, onset + np.float32(_LEVEL_SPAN_S[0]), onset + np.float32(_LEVEL_SPAN_S[1]))
    weight = level_at / np.maximum(level_at.sum(axis=1, keepdims=True), 1).astype(np.float32)
    level = np.matmul(fine, weight[:, :, None].astype(np.float32))
    mv, fine = mv - level, fine - level
    mv[~present], fine[~present] = 0, 0
    return Waves(mv, at_s, fine, fine_s, between(fine_s, onset, offset), present, marks)


def as_twelve(mv: Float32[np.ndarray, "item lead time"]) -> Float32[np.ndarray, "item 12 time"]:
    """The signals as they are where they have twelve leads; else nothing that has a place among the twelve: NaN."""
    if mv.shape[1] == len(LEADS):
        return mv
    return np.full((len(mv), len(LEADS), mv.shape[2]), np.nan, np.float32)


def of_twelve(beats: Beats) -> Beats:
    """Beats with `as_twelve` windows."""
    return replace(beats, window_mv=as_twelve(beats.window_mv))


def between(
    at_s: Float32[np.ndarray, " time"], start_s: Float32[np.ndarray, " beat"], end_s: Float32[np.ndarray, " beat"]
) -> Bool[np.ndarray, "beat time"]:
    """Which of the times `at_s` lie from start to end of each beat; none where either is NaN."""
    return (at_s >= start_s[:, None]) & (at_s <= end_s[:, None])


def interpolated(
    mv: Float32[np.ndarray, "beat lead time"], at_s: Float32[np.ndarray, " time"], time_s: Float32[np.ndarray, " beat"]
) -> Float32[np.ndarray, "beat lead"]:
    """Each beat's signal at one time of its own, linear between samples; NaN where that is NaN or outside."""
    position = (time_s - at_s[0]) / (at_s[1] - at_s[0])
    inside = (position >= 0) & (position <= len(at_s) - 1)
    low = np.clip(np.where(inside, position, 0), 0, len(at_s) - 2).astype(np.int64)
    share = (np.where(inside, position, np.nan) - low).astype(np.float32)[:, None]
    beat = np.arange(len(low))
    return mv[beat, :, low] * (1 - share) + mv[beat, :, low + 1] * share


@lru_cache(maxsize=8)
def _spline_matrix(at_s: bytes, fine_s: bytes) -> Float32[np.ndarray, "time fine"]:
    """The linear map from samples at `at_s` to the cubic spline through them at `fine_s` (both as float32 bytes)."""
    knots = np.frombuffer(at_s, np.float32).astype(np.float64)
    spline = CubicSpline(knots, np.eye(len(knots)), axis=0)
    return spline(np.frombuffer(fine_s, np.float32).astype(np.float64)).T.astype(np.float32)
