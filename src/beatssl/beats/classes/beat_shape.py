"""Beats laid on one another: centred, on one time grid, beside the dominant beat of their record; any leads."""

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, Int64

from beatssl.beats.windows import Beats
from beatssl.signals.leads import INDEPENDENT, LEADS

GRID_HZ = 100.0
"""Rate of the common time grid; signals are band-limited to 40 Hz, so linear interpolation onto it is enough."""

BEFORE, AFTER = 32, 48
"""Samples of the grid before and after a beat's centre."""

QRST = slice(BEFORE - 10, BEFORE + 36)
"""The part of a centred beat from 100 ms before its centre to 360 ms after."""

_ROWS_TOGETHER = 30
_SEARCH, _MOST_SHIFT = 12, 8  # samples: where the QRS is looked for around R, and how far its middle may lie from R
_GUARD = 12  # samples kept clear of the neighbouring R peaks
_EARLY = 0.85  # of the median interval
_ALIKE, _SAME_FAMILY = 0.7, 0.85  # correlations


def contexts(beats: Beats) -> Int32[np.ndarray, " beat"]:
    """Which beats are compared with one another: those of a row, or of up to 30 consecutive rows of a long record.

    Two consecutive rows are of one record where the last beat of the one knows its next interval and the first beat of
    the other its previous one. Five minutes hold more of a patient's usual rhythm than ten seconds.
    """
    if not len(beats):
        return np.zeros(0, np.int32)
    first = np.flatnonzero(np.diff(beats.row, prepend=beats.row[0] - 1))
    last = np.append(first[1:], len(beats)) - 1
    linked = np.zeros(len(first), bool)
    linked[1:] = np.isfinite(beats.rr_next_s[last[:-1]]) & np.isfinite(beats.rr_prev_s[first[1:]])
    order = np.arange(len(first))
    within = order - np.maximum.accumulate(np.where(linked, 0, order))
    starts = ~linked | (within % _ROWS_TOGETHER == 0)
    context = np.cumsum(starts) - 1
    return np.repeat(context, last - first + 1).astype(np.int32)


def centred(
    beats: Beats,
) -> tuple[Float32[np.ndarray, "beat some_lead 80"], Bool[np.ndarray, "beat 80"]]:
    """Windows of −320 ms to +480 ms around the middle of each QRS, zero where unmeasured or beyond the neighbours.

    The middle of a QRS is the centroid of the squared slope, summed over leads, within 120 ms of the R peak: it moves
    by a sample or two where a peak detector, seeing another lead, jumps between R and S. Of twelve leads the eight
    independent ones are returned. The second array says which samples are measured and clear of the neighbours.
    """
    window = _on_grid(_independent_leads(beats.window_mv), beats.fs_hz, beats.r_index)
    missing = np.isnan(window)
    measured = ~missing.all(axis=1)
    window = np.where(missing, np.float32(0), window)
    shift = _middle(window)
    from_r = np.arange(-BEFORE, AFTER) + shift[:, None]
    before = np.nan_to_num(beats.rr_prev_s, nan=np.inf)[:, None] * GRID_HZ - _GUARD
    after = np.nan_to_num(beats.rr_next_s, nan=np.inf)[:, None] * GRID_HZ - _GUARD
    clear = (from_r > -before) & (from_r < after)
    clear &= np.take_along_axis(measured, from_r + BEFORE + _MOST_SHIFT, axis=1)
    starts = np.lib.stride_tricks.sliding_window_view(window, BEFORE + AFTER, axis=2)
    return starts[np.arange(len(window)), :, shift + _MOST_SHIFT] * clear[:, None].astype(np.float32), clear


def _middle(window: Float32[np.ndarray, "beat lead 96"]) -> Int64[np.ndarray, " beat"]:
    """Samples from the R peak to the centroid of the squared slope."""
    r = BEFORE + _MOST_SHIFT
    slope = np.diff(window[:, :, r - _SEARCH : r + _SEARCH + 1], axis=2)
    energy = np.einsum("blt,blt->bt", slope, slope)
    offset = np.arange(-_SEARCH, _SEARCH) + 0.5
    centroid = energy @ offset / np.maximum(energy.sum(axis=1), 1e-12)
    return np.clip(np.round(centroid), -_MOST_SHIFT, _MOST_SHIFT).astype(np.int64)


def _independent_leads(window_mv: Float32[np.ndarray, "beat lead time"]) -> Float32[np.ndarray, "beat some_lead time"]:
    """Of twelve leads the eight independent ones; a beat measured in III, aVR, aVL or aVF alone lends that one."""
    if window_mv.shape[1] != len(LEADS):
        return window_mv
    chosen = window_mv[:, INDEPENDENT]
    lone = np.isnan(chosen[:, :, window_mv.shape[2] // 2]).all(axis=1)
    if lone.any():
        chosen[lone, :4] = window_mv[lone, 2:6]
    return chosen


def _on_grid(
    window: Float32[np.ndarray, "beat lead time"], fs_hz: float, r_index: int
) -> Float32[np.ndarray, "beat lead 96"]:
    """Windows on the grid, cut to what a shift may reach; the last measured sample is held beyond a window's end."""
    time = np.arange(-BEFORE - _MOST_SHIFT, AFTER + _MOST_SHIFT)
    if fs_hz == GRID_HZ and r_index + time[0] >= 0 and r_index + time[-1] < window.shape[2]:
        return window[:, :, r_index + time[0] : r_index + time[-1] + 1]
    at = np.clip(r_index + time * fs_hz / GRID_HZ, 0, window.shape[2] - 1)
    low = np.minimum(at.astype(np.int64), window.shape[2] - 2)
    part = (at - low).astype(np.float32)
    return window[:, :, low] * (1 - part) + window[:, :, low + 1] * part


def dominant(
    beat_mv: Float32[np.ndarray, "beat lead time"],
    clear: Bool[np.ndarray, "beat time"],
    rr_prev_s: Float32[np.ndarray, " beat"],
    context: Int32[np.ndarray, " beat"],
) -> Float32[np.ndarray, "beat lead time"]:
    """For each centred beat the mean of its context's largest family of like beats that do not come early.

    The family's head is the beat whose QRST correlates best with the others' (sum of correlations above 0.7). An early
    beat (under 85 % of the median interval) cannot be the head, so that in bigeminy the sinus beats are the reference.
    """
    in_time = ~(rr_prev_s < _EARLY * group_quantile(rr_prev_s, context, 0.5))
    out = np.empty_like(beat_mv)
    counts = np.bincount(context)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 0]):
        at = starts[counts == count][:, None] + np.arange(count)
        step = max(1, 4096 // count)
        for first in range(0, len(at), step):
            some = at[first : first + step]
            out[some] = _family_mean(beat_mv[some], clear[some], in_time[some])[:, None]
    return out


def _family_mean(
    beat_mv: Float32[np.ndarray, "group beat lead time"],
    clear: Bool[np.ndarray, "group beat time"],
    in_time: Bool[np.ndarray, "group beat"],
) -> Float32[np.ndarray, "group lead time"]:
    groups, count, leads, samples = beat_mv.shape
    core = beat_mv[..., QRST].reshape(groups, count, -1)
    core = core / np.maximum(np.linalg.norm(core, axis=2, keepdims=True), 1e-6)
    alike = core @ core.transpose(0, 2, 1)
    score = np.maximum(alike - _ALIKE, 0).sum(axis=2) * np.where(in_time, 1.0, 1e-3)
    head = score.argmax(axis=1)
    near = np.take_along_axis(alike, head[:, None, None], axis=1)[:, 0]
    weight = ((near > _SAME_FAMILY) & in_time).astype(np.float32)
    weight[np.arange(groups), head] = 1
    total = (weight[:, None] @ beat_mv.reshape(groups, count, -1)).reshape(groups, leads, samples)
    return total / np.maximum(weight[:, None] @ clear.astype(np.float32), 1)


def group_quantile(
    value: Float32[np.ndarray, " beat"], group: Int[np.ndarray, " beat"], share: float
) -> Float32[np.ndarray, " beat"]:
    """For each beat the quantile of its group's finite values, interpolated; NaN where a group has none.

    Groups are numbered upwards and each stands in one piece.
    """
    ordered = value[np.lexsort((value, group))]  # NaN sorts last within a group
    count = np.bincount(group)
    start = (np.cumsum(count) - count)[group]
    finite = np.bincount(group, weights=np.isfinite(value)).astype(np.int64)[group]
    at = np.maximum(finite - 1, 0) * share
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(finite - 1, 0))
    part = at - low
    return (ordered[start + low] * (1 - part) + ordered[start + high] * part).astype(np.float32)
