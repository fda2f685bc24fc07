"""Smoothing of P and T boundaries towards their median over the lead's beats."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from beatssl.beats.decoding.viterbi import LEAST_S, P_GAP_S, QRS_GAP_S, Segments

PULL = 2.0
"""A boundary moves this times its uncertainty (1 − confidence) of the way to the median of the beats around, at most
all of it: one that is sure stays. This and the farthest move were set on the 80 LUDB records of folds 1 and 2, by
networks that had not seen them; the rule itself was found by looking at the errors on all five folds."""

FARTHEST_S = 0.1
"""A boundary farther from the median than this is a change of the heart's and no noise of ours: it stays."""

BEATS = 15
"""Beats whose median is taken, half of them before and half after."""

_Boundaries = tuple[Float64[np.ndarray, " wave"], Float64[np.ndarray, " wave"]]
_LEAST_BEATS = 3
_P, _QRS, _T = 1, 2, 3


def smoothed(
    waves: Segments,
    onset: Float64[np.ndarray, " wave"],
    offset: Float64[np.ndarray, " wave"],
    sure_onset: Float64[np.ndarray, " wave"],
    sure_offset: Float64[np.ndarray, " wave"],
    fs_hz: float,
) -> tuple[Float64[np.ndarray, " wave"], Float64[np.ndarray, " wave"]]:
    """Onsets and offsets of P and T waves, in samples, moved towards where the lead's other beats have them.

    Each is measured from the onset of its own beat's QRS, which networks find best, and moves the farther the less sure
    it is (`sure_…`, from 0 to 1). A wave stays as it is where it has no QRS of its own, where fewer than three beats of
    its lead can be compared, and where moving it would make it too narrow or bring it out of order.
    """
    moved = onset.copy(), offset.copy()
    for kind, step in ((_P, 1), (_T, -1)):
        own = np.flatnonzero(waves.kind == kind)
        beside = np.clip(own + step, 0, len(waves.kind) - 1)
        own, beside = (i[(waves.line[own] == waves.line[beside]) & (waves.kind[beside] == _QRS)] for i in (own, beside))
        for new, old, sure in zip(moved, (onset, offset), (sure_onset, sure_offset), strict=True):
            away = old[own] - onset[beside]
            rest = median_around(away, waves.line[own]) - away
            new[own] += np.where(np.abs(rest) <= FARTHEST_S * fs_hz, np.clip(PULL * (1 - sure[own]), 0, 1) * rest, 0)
    while (wrong := _spoilt(waves, *moved, fs_hz) & _differ(moved, (onset, offset))).any():
        for new, old in zip(moved, (onset, offset), strict=True):
            new[wrong] = old[wrong]
    return moved


def median_around(
    values: Float64[np.ndarray, " wave"], line: Int64[np.ndarray, " wave"]
) -> Float64[np.ndarray, " wave"]:
    """Median of up to `BEATS` values of the same line around each; NaN where there are too few."""
    if not len(values):
        return values
    begin = np.searchsorted(line, line)
    place, half = np.arange(len(line)) - begin, BEATS // 2
    row = np.unique(line, return_inverse=True)[1]
    table = np.full((row[-1] + 1, place.max() + 1 + 2 * half), np.inf)
    table[row, place + half] = np.where(np.isnan(values), np.inf, values)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(table, BEATS, axis=1)[row, place], axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    low, high = (np.clip(middle, 0, BEATS - 1) for middle in ((count - 1) // 2, count // 2))
    wave = np.arange(len(line))
    with np.errstate(invalid="ignore"):
        median = (ordered[wave, low] + ordered[wave, high]) / 2
    return np.where(count >= _LEAST_BEATS, median, np.nan)


def _differ(new: _Boundaries, old: _Boundaries) -> Bool[np.ndarray, " wave"]:
    """Waves either of whose boundaries moved; one beyond the record's end (NaN) cannot."""
    return (np.abs(new[0] - old[0]) > 0) | (np.abs(new[1] - old[1]) > 0)


def _spoilt(
    waves: Segments, onset: Float64[np.ndarray, " wave"], offset: Float64[np.ndarray, " wave"], fs_hz: float
) -> Bool[np.ndarray, " wave"]:
    """Waves that are narrower than `viterbi` allows, or too near to the one before or after."""
    wrong = offset - onset < np.array([0, *LEAST_S.values()])[waves.kind] * fs_hz
    before, after = waves.kind[:-1], waves.kind[1:]
    least = np.where((before == _P) & (after == _P), P_GAP_S, 0) + np.where(
        (before == _QRS) & (after != _T), QRS_GAP_S, 0
    )
    meets = (waves.line[1:] == waves.line[:-1]) & (onset[1:] - offset[:-1] < least * fs_hz)
    wrong[1:] |= meets
    wrong[:-1] |= meets
    return wrong
