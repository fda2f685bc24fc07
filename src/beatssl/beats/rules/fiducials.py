"""Onset, peak and offset of P, QRS and T of many beats at once, from all leads together.

QRS: the spatial speed, the root of the summed squared slopes of all leads, rises out of the quiet PQ stretch and falls
back after J. P and T: all leads are projected on one axis, the peak is where they stand out most, and the wave begins
and ends where the trapezium area of Zhang et al. (2006) is largest.

Any set of leads will do. Constants were chosen on the odd-numbered records of LUDB; what tells P from fibrillation also
on PTB-XL's rhythm statements.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32

from beatssl.beats.rules.delineation import Grid, measured_part, without_gaps
from beatssl.beats.rules.delineation_pt import find_p, find_t, is_p
from beatssl.beats.rules.delineation_qrs import EARLIEST_S, LATEST_S, find_qrs, find_r_peak

WORK_HZ = 200.0
"""Windows are interpolated to at least this rate; times are then interpolated between its samples."""

CHUNK_BEATS = 256
"""Beats worked on at a time, so that the working arrays stay in the processor's cache."""

TYPICAL_RR_S = 0.9
"""Interval assumed where there is no neighbour (first and last beat of a record)."""


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
    if r_index < -EARLIEST_S * fs_hz or time - r_index < LATEST_S * fs_hz:
        raise ValueError(
            f"windows of {time} samples at {fs_hz} Hz with R at {r_index} do not reach from {EARLIEST_S} "
            f"to {LATEST_S} s; cut them with windows.gather_windows"
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
    measured = measured_part(window_mv, grid)
    x = without_gaps(window_mv)
    rr_prev = np.where(np.isfinite(rr_prev_s), rr_prev_s, np.float32(TYPICAL_RR_S))
    rr_next = np.where(np.isfinite(rr_next_s), rr_next_s, np.float32(TYPICAL_RR_S))
    qrs_onset, qrs_offset = find_qrs(x, grid)
    r_peak = find_r_peak(x, grid, qrs_onset, qrs_offset)
    t = find_t(x, grid, rr_prev, rr_next, qrs_offset)
    p = find_p(x, grid, rr_prev, qrs_onset)
    p_seen = is_p(x, grid, p, t.offset_s, rr_prev, rr_next, qrs_onset, measured.leads) & (p.onset_s > measured.begin_s)
    t_seen = t.offset_s < measured.end_s
    return np.stack(
        [
            *(np.where(p_seen, time, np.nan) for time in (p.onset_s, p.peak_s, p.offset_s)),
            np.where(qrs_onset > measured.begin_s, qrs_onset, np.nan),
            r_peak,
            np.where(qrs_offset < measured.end_s, qrs_offset, np.nan),
            *(np.where(t_seen, time, np.nan) for time in (t.onset_s, t.peak_s, t.offset_s)),
        ]
    ).astype(np.float32)
