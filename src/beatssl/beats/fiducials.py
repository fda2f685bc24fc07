"""Onset, peak and offset of P, QRS and T of many beats at once, from all leads together.

QRS: the spatial speed, the root of the summed squared slopes of all leads, rises out of the quiet PQ stretch and falls
back after J. T and P: all leads are projected on the first principal axis of the stretch that holds the wave; the peak
is where that curve is farthest from the line between the stretch's ends, and the wave begins and ends where the
trapezium area of Zhang et al. (2005) is largest.

Any set of leads will do. Constants were chosen on the odd-numbered records of LUDB.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy.ndimage import uniform_filter1d

from beatssl.beats.delineation import (
    Grid,
    derivative,
    first_axis,
    interpolation,
    measured_part,
    quiet_before,
    rise_over_neighbours,
    time_of_largest,
    value_at,
    without_gaps,
)

WORK_HZ = 200.0
"""Windows are interpolated to at least this rate; times are then interpolated between its samples."""

CHUNK_BEATS = 256
"""Beats worked on at a time, so that the working arrays stay in the processor's cache."""

TYPICAL_RR_S = 0.9
"""Interval assumed where there is no neighbour (first and last beat of a record)."""

QRS_REACH_S = 0.10
"""The QRS's steepest slope lies within this time of the R sample."""
QRS_EARLIEST_S, QRS_LATEST_S = -0.16, 0.20
"""Limits of QRS onset and offset."""
QRS_MIN_SPEED_MV_PER_S = 1.0
"""Where the steepest slope is no more there is no QRS, only a line; a QRS of 0.1 mV reaches ten times that."""
QRS_CORE_FRACTION = 0.25
"""From the first to the last slope of at least this share of the steepest, the QRS is certain."""
QRS_ONSET_FRACTION, QRS_OFFSET_FRACTION = 0.065, 0.09
"""Shares of the steepest slope at which the QRS begins and ends."""
QRS_QUIET_S = 0.020
"""The slope must stay below for so long: a notch is no end."""
NOISE_FROM_S, NOISE_TO_S, NOISE_SPAN_S = -0.30, -0.03, 0.030
"""Noise is the mean speed of the quietest stretch of this length before the QRS."""
NOISE_FACTOR = 2.0
"""The QRS stands out by at least this factor."""

T_AFTER_QRS_S = 0.04
"""The T stretch begins so long after J."""
T_END_S, T_END_PER_RR, T_END_LATEST_S = 0.25, 0.25, 0.60
"""The T stretch ends at the first plus the second times the RR interval, but no later than the third."""
T_BEFORE_NEXT_R_S = 0.12
"""It ends at least this long before the next R."""
T_PEAK_S, T_PEAK_PER_RR, T_PEAK_LATEST_S = 0.15, 0.25, 0.45
"""Likewise the latest T peak."""
T_PEAK_AFTER_QRS_S = 0.08
"""The earliest T peak, after J."""
T_ONSET_SPAN_S, T_OFFSET_SPAN_S = 0.135, 0.12
"""Widths of the trapezium."""

P_EARLIEST_S = -0.34
"""The P stretch begins here at slow rates, else at the likely end of the T before."""
LAST_T_END_S, LAST_T_END_PER_RR = 0.30, 0.15
"""The T wave of the beat before has ended so long after its R, plus that times the RR interval."""
P_PEAK_BEFORE_QRS_S = 0.03
"""The latest P peak, before QRS onset."""
P_PEAK_AFTER_START_S = 0.03
"""The earliest P peak, after the stretch begins."""
P_ONSET_SPAN_S, P_OFFSET_SPAN_S = 0.075, 0.045
"""Widths of the trapezium."""
P_MIN_HEIGHT_MV = 0.02
"""A P wave stands at least so high over its ends, root mean square over leads."""
P_MIN_CONTRAST = 1.45
"""The mean spatial speed within P over that of the quiet stretches around it; fibrillation is as quick everywhere."""
P_LENGTH_S = (0.05, 0.17)
"""A P wave's shortest and longest duration."""
P_LONGEST_SEGMENT_S = 0.13
"""The longest stretch between the end of P and QRS."""
QUIET_BEFORE_QRS_S, QUIET_AFTER_T_S, QUIET_BEFORE_NEXT_R_S = 0.01, 0.03, 0.28
"""The quiet stretches reach to so long before QRS, and from so long after T to so long before the next R (its P)."""
P_REACH_S, T_REACH_S = (P_EARLIEST_S, QRS_REACH_S), (-QRS_REACH_S, T_END_LATEST_S)
"""All that the stretches of any beat can cover."""
PEAK_NEIGHBOURHOOD_S = 0.03
"""A wave's peak is the largest value of its curve this near to where it is farthest from the line."""


@dataclass(frozen=True, slots=True)
class Fiducials:
    """Wave boundaries of beats, in seconds from the window's R sample; NaN where not measurable."""

    p_onset_s: Float32[np.ndarray, " beat"]
    p_peak_s: Float32[np.ndarray, " beat"]
    p_offset_s: Float32[np.ndarray, " beat"]
    qrs_onset_s: Float32[np.ndarray, " beat"]
    r_peak_s: Float32[np.ndarray, " beat"]
    qrs_offset_s: Float32[np.ndarray, " beat"]
    t_onset_s: Float32[np.ndarray, " beat"]
    t_peak_s: Float32[np.ndarray, " beat"]
    t_offset_s: Float32[np.ndarray, " beat"]


@dataclass(frozen=True, slots=True)
class _Wave:
    """One wave of every beat; NaN where its stretch holds no sample."""

    onset_s: Float32[np.ndarray, " beat"]
    peak_s: Float32[np.ndarray, " beat"]
    offset_s: Float32[np.ndarray, " beat"]
    height_mv: Float32[np.ndarray, " beat"]  # of the peak over onset and offset, on the first axis over leads


def find_fiducials(
    window_mv: Float32[np.ndarray, "beat lead time"],
    fs_hz: float,
    r_index: int,
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
) -> Fiducials:
    """P, QRS and T of every beat; the same for single beats and for median beats (with the record's median RR).

    Args:
        window_mv: beat windows of 1 to 12 leads; NaN in missing leads and outside the record.
        fs_hz: sampling rate of the windows.
        r_index: the sample of the windows that holds the R peak.
        rr_prev_s: interval to the R peak before; NaN for the first beat.
        rr_next_s: interval to the next R peak; NaN for the last beat.

    Returns:
        Times relative to sample `r_index`. NaN: the wave is not there (P), or lies beyond the record's ends.

    Raises:
        ValueError: the windows are too short to hold a QRS.
    """
    beats, _, time = window_mv.shape
    if r_index < -QRS_EARLIEST_S * fs_hz or time - r_index < QRS_LATEST_S * fs_hz:
        raise ValueError(
            f"windows of {time} samples at {fs_hz} Hz with R at {r_index} do not reach from {QRS_EARLIEST_S} "
            f"to {QRS_LATEST_S} s; cut them with windows.gather_windows"
        )
    grid = Grid(time, fs_hz, r_index, max(1, int(np.ceil(WORK_HZ / fs_hz))))
    out = np.full((len(fields(Fiducials)), beats), np.nan, np.float32)
    for start in range(0, beats, CHUNK_BEATS):
        part = slice(start, start + CHUNK_BEATS)
        out[:, part] = _of_chunk(window_mv[part], grid, rr_prev_s[part], rr_next_s[part])
    return Fiducials(*out)


def _of_chunk(
    window_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, "9 beat"]:
    """The nine times of a few beats, in the order of `Fiducials`."""
    part = measured_part(window_mv, grid)
    x = without_gaps(window_mv)
    rr_prev = np.where(np.isfinite(rr_prev_s), rr_prev_s, np.float32(TYPICAL_RR_S))
    rr_next = np.where(np.isfinite(rr_next_s), rr_next_s, np.float32(TYPICAL_RR_S))
    qrs_onset, qrs_offset = _qrs(x, grid)
    r_peak = _r_peak(x, grid, qrs_onset, qrs_offset)
    p = _p_wave(x, grid, rr_prev, qrs_onset)
    t = _t_wave(x, grid, rr_prev, rr_next, qrs_offset)
    contrast = _p_contrast(x, grid, p, t, _p_start(rr_prev), qrs_onset, rr_next)
    p_seen = _is_p(p, qrs_onset, contrast, part.leads) & (p.onset_s > part.begin_s)
    t_seen = t.offset_s < part.end_s
    return np.stack(
        [
            *(np.where(p_seen, time, np.nan) for time in (p.onset_s, p.peak_s, p.offset_s)),
            np.where(qrs_onset > part.begin_s, qrs_onset, np.nan),
            r_peak,
            np.where(qrs_offset < part.end_s, qrs_offset, np.nan),
            *(np.where(t_seen, time, np.nan) for time in (t.onset_s, t.peak_s, t.offset_s)),
        ]
    ).astype(np.float32)


def _qrs(
    x: Float32[np.ndarray, "beat lead time"], grid: Grid
) -> tuple[Float32[np.ndarray, " beat"], Float32[np.ndarray, " beat"]]:
    """Onset and offset of QRS from the spatial speed."""
    columns = grid.fine_columns(NOISE_FROM_S - NOISE_SPAN_S, QRS_LATEST_S)
    t = grid.fine_s[columns]
    slope = x.reshape(-1, grid.time) @ derivative(grid)[columns].T.astype(np.float32)
    slope = slope.reshape(*x.shape[:2], -1)
    speed = np.sqrt(np.einsum("blu,blu->bu", slope, slope))
    near = np.abs(t) <= QRS_REACH_S
    top = np.where(near, speed, 0).max(axis=1)
    span = max(1, round(NOISE_SPAN_S * grid.fine_hz))
    quiet = uniform_filter1d(speed, span, axis=1)
    noise = quiet[:, (t > NOISE_FROM_S) & (t < NOISE_TO_S)].min(axis=1)
    core = near & (speed >= QRS_CORE_FRACTION * top[:, None])
    stay = max(1, round(QRS_QUIET_S * grid.fine_hz))
    level = [np.maximum(part * top, NOISE_FACTOR * noise) for part in (QRS_ONSET_FRACTION, QRS_OFFSET_FRACTION)]
    onset = quiet_before(speed, level[0], core.argmax(axis=1), int(np.searchsorted(t, QRS_EARLIEST_S)), stay)
    # The offset is an onset in reversed time.
    offset = quiet_before(speed[:, ::-1], level[1], core[:, ::-1].argmax(axis=1), 0, stay)
    blank = np.where(top > QRS_MIN_SPEED_MV_PER_S, 0, np.nan)
    onset_s, offset_s = t[0] + onset / grid.fine_hz + blank, t[-1] - offset / grid.fine_hz + blank
    return onset_s.astype(np.float32), offset_s.astype(np.float32)


def _r_peak(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    onset_s: Float32[np.ndarray, " beat"],
    offset_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, " beat"]:
    """Where all leads together are farthest from their level at QRS onset."""
    columns = grid.columns(QRS_EARLIEST_S, QRS_LATEST_S)
    t = grid.t_s[columns]
    before = np.clip(np.round(np.nan_to_num(onset_s) * grid.fs_hz).astype(np.int64) + grid.r_index, 0, grid.time - 1)
    rise = x[:, :, columns] - x[np.arange(len(x)), :, before][:, :, None]
    inside = (t >= onset_s[:, None]) & (t <= offset_s[:, None])
    return time_of_largest(np.sqrt(np.einsum("blt,blt->bt", rise, rise)), inside, t)


def _t_wave(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
    qrs_offset_s: Float32[np.ndarray, " beat"],
) -> _Wave:
    """T in the stretch after J that a wave at this rate can fill."""
    rr = np.sqrt(rr_prev_s * rr_next_s)  # one interval alone misleads at an ectopic beat
    end = np.minimum(np.float32(T_END_S) + np.float32(T_END_PER_RR) * rr, np.float32(T_END_LATEST_S))
    end = np.minimum(end, rr_next_s - np.float32(T_BEFORE_NEXT_R_S))
    peak_to = np.minimum(np.float32(T_PEAK_S) + np.float32(T_PEAK_PER_RR) * rr, np.float32(T_PEAK_LATEST_S))
    start, peak_from = (qrs_offset_s + np.float32(after) for after in (T_AFTER_QRS_S, T_PEAK_AFTER_QRS_S))
    return _wave(x, grid, (start, end), (peak_from, peak_to), (T_ONSET_SPAN_S, T_OFFSET_SPAN_S), T_REACH_S)


def _p_start(rr_prev_s: Float32[np.ndarray, " beat"]) -> Float32[np.ndarray, " beat"]:
    """Where the stretch begins that can hold P."""
    last_t_end = np.float32(LAST_T_END_S) - np.float32(1 - LAST_T_END_PER_RR) * rr_prev_s
    return np.maximum(np.float32(P_EARLIEST_S), last_t_end)


def _p_wave(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    rr_prev_s: Float32[np.ndarray, " beat"],
    qrs_onset_s: Float32[np.ndarray, " beat"],
) -> _Wave:
    """P in the stretch between the T before and QRS."""
    start = _p_start(rr_prev_s)
    peak_from = start + np.float32(P_PEAK_AFTER_START_S)
    peak_to = qrs_onset_s - np.float32(P_PEAK_BEFORE_QRS_S)
    return _wave(x, grid, (start, qrs_onset_s), (peak_from, peak_to), (P_ONSET_SPAN_S, P_OFFSET_SPAN_S), P_REACH_S)


def _p_contrast(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    p: _Wave,
    t_wave: _Wave,
    start_s: Float32[np.ndarray, " beat"],
    qrs_onset_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, " beat"]:
    """Mean spatial speed within P over the mean speed in what else lies between waves."""
    slope = np.diff(x, axis=2)
    speed = np.sqrt(np.einsum("blt,blt->bt", slope, slope))
    t = grid.t_s[1:] - np.float32(0.5 / grid.fs_hz)
    onset, offset, t_end = (np.nan_to_num(time)[:, None] for time in (p.onset_s, p.offset_s, t_wave.offset_s))
    within = (t >= onset) & (t <= offset)
    before_qrs = (t >= start_s[:, None]) & (t < qrs_onset_s[:, None] - np.float32(QUIET_BEFORE_QRS_S)) & ~within
    after_t = (t > t_end + np.float32(QUIET_AFTER_T_S)) & (t < rr_next_s[:, None] - np.float32(QUIET_BEFORE_NEXT_R_S))
    around = _mean_inside(speed, before_qrs | after_t)
    return _mean_inside(speed, within) / np.maximum(around, np.float32(1e-9))


def _mean_inside(
    y: Float32[np.ndarray, "beat time"], inside: Bool[np.ndarray, "beat time"]
) -> Float32[np.ndarray, " beat"]:
    """Mean over the samples inside, 0 where there are none."""
    return np.einsum("bt,bt->b", y, inside.astype(np.float32)) / np.maximum(inside.sum(axis=1), 1).astype(np.float32)


def _is_p(
    p: _Wave,
    qrs_onset_s: Float32[np.ndarray, " beat"],
    contrast: Float32[np.ndarray, " beat"],
    leads: Int64[np.ndarray, " beat"],
) -> Bool[np.ndarray, " beat"]:
    """Whether what was found before QRS is a P wave: high, quick, long and near enough."""
    length, segment = p.offset_s - p.onset_s, qrs_onset_s - p.offset_s
    return (
        (p.height_mv >= P_MIN_HEIGHT_MV * np.sqrt(leads))
        & (contrast >= P_MIN_CONTRAST)
        & (length >= P_LENGTH_S[0])
        & (length <= P_LENGTH_S[1])
        & (segment <= P_LONGEST_SEGMENT_S)
    )


def _wave(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    stretch_s: tuple[Float32[np.ndarray, " beat"], Float32[np.ndarray, " beat"]],
    peak_s: tuple[Float32[np.ndarray, " beat"], Float32[np.ndarray, " beat"]],
    spans_s: tuple[float, float],
    reach_s: tuple[float, float],
) -> _Wave:
    """The one wave that each beat has in its stretch, its peak within `peak_s`; every stretch is within `reach_s`."""
    start, end = (time[:, None] for time in stretch_s)
    columns = grid.columns(*reach_s)
    t = grid.t_s[columns]
    axis = first_axis(x[:, :, columns], (t >= start) & (t <= end))
    projected = (axis[:, None] @ x)[:, 0]
    fine = grid.fine_columns(*reach_s)
    t = grid.fine_s[fine]
    y, to_onset, to_offset = (
        (projected @ matrix[fine].T.astype(np.float32))
        for matrix in (
            interpolation(grid),
            rise_over_neighbours(grid, spans_s[0], after=True),
            rise_over_neighbours(grid, spans_s[1], after=False),
        )
    )
    at_start, at_end = (_value_near(y, t, time)[:, None] for time in stretch_s)
    line = at_start + (at_end - at_start) * (t - start) / np.maximum(end - start, np.float32(1 / grid.fs_hz))
    may_peak = (t >= peak_s[0][:, None]) & (t <= peak_s[1][:, None])
    farthest = np.where(may_peak, np.abs(y - line), np.float32(-1)).argmax(axis=1)
    upright = np.where(value_at(y - line, farthest) < 0, np.float32(-1), np.float32(1))[:, None]
    centre = t[farthest][:, None]
    y = y * upright
    peak = time_of_largest(y, may_peak & (np.abs(t - centre) <= PEAK_NEIGHBOURHOOD_S), t)
    onset = time_of_largest(to_onset * upright, (t < centre) & (t >= start), t)
    offset = time_of_largest(to_offset * upright, (t > centre) & (t <= end), t)
    ends = 0.5 * (_value_near(y, t, onset) + _value_near(y, t, offset))
    return _Wave(onset, peak, offset, _value_near(y, t, peak) - ends)


def _value_near(
    y: Float32[np.ndarray, "beat time"], t_s: Float32[np.ndarray, " time"], time_s: Float32[np.ndarray, " beat"]
) -> Float32[np.ndarray, " beat"]:
    """Each beat's value at its own time, to the next sample; a NaN time counts as the first."""
    return value_at(y, np.clip(np.searchsorted(t_s, np.nan_to_num(time_s, nan=-np.inf)), 0, len(t_s) - 1))
