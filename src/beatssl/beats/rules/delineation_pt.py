"""P and T: all leads projected on one axis, the wave's ends where the trapezium area is largest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from beatssl.beats.rules.delineation import (
    SLOPE_SPAN_S,
    Grid,
    first_axis,
    held,
    mean_inside,
    time_of_largest,
    to_bump,
    to_fine,
    to_rise,
    value_at,
    value_near,
)

T_AFTER_QRS_S = 0.04
"""The T stretch begins so long after J."""
T_END_S, T_END_PER_RR, T_END_LATEST_S = 0.25, 0.25, 0.60
"""It ends at the first plus the second times the RR interval, but no later than the third."""
T_BEFORE_NEXT_R_S = 0.12
"""It ends at least this long before the next R."""
T_PEAK_AFTER_QRS_S = 0.08
"""The earliest T peak, after J."""
T_PEAK_S, T_PEAK_PER_RR, T_PEAK_LATEST_S = 0.15, 0.25, 0.45
"""The latest T peak, as the end of the stretch."""
T_SPANS_S = (0.135, 0.12)
"""Widths of the trapezium at the onset and the offset of T."""
T_REACH_S = (-0.10, T_END_LATEST_S)
"""All that the T stretch of any beat can cover."""

P_EARLIEST_S = -0.36
"""The P stretch begins here at slow rates, else at the likely end of the T before."""
LAST_T_END_S, LAST_T_END_PER_RR = 0.18, 0.25
"""The T of the beat before has ended so long after its R, plus that times the RR interval."""
P_PEAK_AFTER_START_S, P_PEAK_BEFORE_QRS_S = 0.03, 0.03
"""The earliest and the latest P peak, from the ends of the stretch."""
P_CORE_S, P_SIDES_S = 0.02, (0.06, 0.10)
"""A P wave is one hump: its core stands out from both sides at these distances."""
P_SPANS_S = (0.075, 0.045)
"""Widths of the trapezium at the onset and the offset of P."""
P_HALF_S = 0.12
"""P begins and ends within this time of its middle."""
P_REACH_S = (P_EARLIEST_S, 0.10)
"""All that the P stretch of any beat can cover."""

P_MIN_HEIGHT_MV = 0.02
"""A P wave stands at least so high over its ends, root mean square over leads."""
P_LENGTH_S = (0.05, 0.17)
"""A P wave's shortest and longest duration."""
P_MIN_CONTRAST = 1.45
"""The mean spatial speed within P over that of the quiet stretches around it; fibrillation is as quick everywhere."""
P_FAR_S, P_FAR_CONTRAST_PER_S = 0.10, 12.0
"""A P that ends farther from QRS than this must stand out more, by so much a second."""
P_TOUCHING_S, P_TOUCHING_CONTRAST = 0.008, 0.6
"""Likewise one that runs into QRS."""
P_FARTHEST_S = 0.24
"""The longest stretch between the end of P and QRS."""
QUIET_BEFORE_QRS_S, QUIET_AFTER_T_S, QUIET_BEFORE_NEXT_R_S = 0.01, 0.03, 0.28
"""The quiet stretches reach to so long before QRS, and from so long after T to so long before the next R (its P)."""

PEAK_NEIGHBOURHOOD_S = 0.03
"""A wave's peak is the largest value of its curve this near to its middle."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of every beat, in seconds from R; NaN where its stretch holds no sample."""

    onset_s: Float32[np.ndarray, " beat"]
    peak_s: Float32[np.ndarray, " beat"]
    offset_s: Float32[np.ndarray, " beat"]
    height_mv: Float32[np.ndarray, " beat"]  # of the peak over onset and offset, along the first axis over leads


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Where a wave is looked for, and where its peak may be; seconds from R."""

    start_s: Float32[np.ndarray, " beat"]
    end_s: Float32[np.ndarray, " beat"]
    peak_from_s: Float32[np.ndarray, " beat"]
    peak_to_s: Float32[np.ndarray, " beat"]

    def inside(self, t_s: Float32[np.ndarray, " time"]) -> Bool[np.ndarray, "beat time"]:
        return (t_s >= self.start_s[:, None]) & (t_s <= self.end_s[:, None])

    def may_peak(self, t_s: Float32[np.ndarray, " time"]) -> Bool[np.ndarray, "beat time"]:
        return (t_s >= self.peak_from_s[:, None]) & (t_s <= self.peak_to_s[:, None])


def find_t(
    x_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
    qrs_offset_s: Float32[np.ndarray, " beat"],
) -> Wave:
    """T in the stretch after J that a wave at this rate can fill.

    Its middle is where the leads, on the first principal axis of the stretch, are farthest from the line between the
    stretch's ends.
    """
    rr = np.sqrt(rr_prev_s * rr_next_s)  # one interval alone misleads at an ectopic beat
    end = np.minimum(np.float32(T_END_S) + np.float32(T_END_PER_RR) * rr, np.float32(T_END_LATEST_S))
    end = np.minimum(end, rr_next_s - np.float32(T_BEFORE_NEXT_R_S))
    peak_to = np.minimum(np.float32(T_PEAK_S) + np.float32(T_PEAK_PER_RR) * rr, np.float32(T_PEAK_LATEST_S))
    start, peak_from = (qrs_offset_s + np.float32(after) for after in (T_AFTER_QRS_S, T_PEAK_AFTER_QRS_S))
    stretch = _Stretch(start, end, peak_from, peak_to)
    columns = grid.columns(*T_REACH_S)
    part = grid.part(columns)
    x = x_mv[:, :, columns]
    t = part.t_s
    curve = _projected(x, first_axis(x, stretch.inside(t), centred=True))
    at_start, at_end = (value_near(curve, t, time)[:, None] for time in (start, end))
    along = (t - start[:, None]) / np.maximum(end - start, np.float32(1 / grid.fs_hz))[:, None]
    return _bounded(curve, curve - at_start - (at_end - at_start) * along, part, stretch, T_SPANS_S, np.inf)


def find_p(
    x_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    rr_prev_s: Float32[np.ndarray, " beat"],
    qrs_onset_s: Float32[np.ndarray, " beat"],
) -> Wave:
    """The likeliest P in the stretch between the T before and QRS, whether or not it is a P wave (see `is_p`).

    Its middle is where the leads, on the axis along which they bulge most, stand out most from what is on both sides.
    """
    start = _p_start(rr_prev_s)
    peak_from = start + np.float32(P_PEAK_AFTER_START_S)
    stretch = _Stretch(start, qrs_onset_s, peak_from, qrs_onset_s - np.float32(P_PEAK_BEFORE_QRS_S))
    columns = grid.columns(*P_REACH_S)
    part = grid.part(columns)
    x = held(x_mv[:, :, columns], part, start, qrs_onset_s)
    bump = (x.reshape(-1, part.time) @ to_bump(part, P_CORE_S, P_SIDES_S)).reshape(x.shape)
    axis = first_axis(bump, stretch.may_peak(part.t_s), centred=False)
    return _bounded(_projected(x, axis), _projected(bump, axis), part, stretch, P_SPANS_S, P_HALF_S)


def is_p(
    x_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    p: Wave,
    t_offset_s: Float32[np.ndarray, " beat"],
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
    qrs_onset_s: Float32[np.ndarray, " beat"],
    leads: Int64[np.ndarray, " beat"],
) -> Bool[np.ndarray, " beat"]:
    """Whether what was found before QRS is a P wave: high, quick, of fit length and near enough; `leads` measured."""
    length, segment = p.offset_s - p.onset_s, qrs_onset_s - p.offset_s
    needed = P_MIN_CONTRAST + P_FAR_CONTRAST_PER_S * np.maximum(segment - P_FAR_S, 0)
    needed += P_TOUCHING_CONTRAST * (segment < P_TOUCHING_S)
    contrast = _contrast(x_mv, grid, p, t_offset_s, _p_start(rr_prev_s), rr_next_s, qrs_onset_s)
    fit = (length >= P_LENGTH_S[0]) & (length <= P_LENGTH_S[1]) & (segment <= P_FARTHEST_S)
    return fit & (contrast >= needed) & (p.height_mv >= P_MIN_HEIGHT_MV * np.sqrt(leads))


def _p_start(rr_prev_s: Float32[np.ndarray, " beat"]) -> Float32[np.ndarray, " beat"]:
    """Where the stretch begins that can hold P."""
    last_t_end = np.float32(LAST_T_END_S) - np.float32(1 - LAST_T_END_PER_RR) * rr_prev_s
    return np.maximum(np.float32(P_EARLIEST_S), last_t_end)


def _contrast(
    x_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    p: Wave,
    t_offset_s: Float32[np.ndarray, " beat"],
    start_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
    qrs_onset_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, " beat"]:
    """Mean spatial speed within P over the mean speed in what else lies between waves; NaN where nothing else does."""
    step = max(1, round(SLOPE_SPAN_S * grid.fs_hz))
    slope = x_mv[:, :, step:] - x_mv[:, :, :-step]
    speed = np.sqrt(np.einsum("blt,blt->bt", slope, slope))
    t = grid.t_s[step:] - np.float32(0.5 * step / grid.fs_hz)
    within = (t >= p.onset_s[:, None]) & (t <= p.offset_s[:, None])
    before_qrs = (t >= start_s[:, None]) & (t < qrs_onset_s[:, None] - np.float32(QUIET_BEFORE_QRS_S)) & ~within
    after_t = (t > t_offset_s[:, None] + np.float32(QUIET_AFTER_T_S)) & (
        t < rr_next_s[:, None] - np.float32(QUIET_BEFORE_NEXT_R_S)
    )
    return mean_inside(speed, within) / np.maximum(mean_inside(speed, before_qrs | after_t), np.float32(1e-9))


def _projected(
    x: Float32[np.ndarray, "beat lead time"], axis: Float32[np.ndarray, "beat lead"]
) -> Float32[np.ndarray, "beat time"]:
    """The leads along each beat's axis."""
    return (axis[:, None] @ x)[:, 0]


def _bounded(
    curve: Float32[np.ndarray, "beat time"],
    standing_out: Float32[np.ndarray, "beat time"],
    grid: Grid,
    stretch: _Stretch,
    spans_s: tuple[float, float],
    half_s: float,
) -> Wave:
    """The wave of `curve` around the place where `standing_out` is largest, up or down."""
    standing_out = np.where(stretch.may_peak(grid.t_s), standing_out, 0)
    middle = np.abs(standing_out).argmax(axis=1)
    upright = np.where(value_at(standing_out, middle) < 0, np.float32(-1), np.float32(1))
    centre = grid.t_s[middle][:, None]
    curve = curve * upright[:, None]
    t = grid.fine_s
    y = curve @ to_fine(grid)
    inside = stretch.inside(t)
    near = stretch.may_peak(t) & (np.abs(t - centre) <= PEAK_NEIGHBOURHOOD_S)
    peak = time_of_largest(y, near, t)
    before = inside & (t < centre) & (t >= centre - half_s)
    onset = time_of_largest(curve @ to_rise(grid, spans_s[0], after=True), before, t)
    after = inside & (t > centre) & (t <= centre + half_s)
    offset = time_of_largest(curve @ to_rise(grid, spans_s[1], after=False), after, t)
    ends = 0.5 * (value_near(y, t, onset) + value_near(y, t, offset))
    return Wave(onset, peak, offset, value_near(y, t, peak) - ends)
