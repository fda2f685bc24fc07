"""The beats of a record from the marks of all its leads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

SAME_WAVE_S = 0.075
"""Marks of two leads that follow each other within this time are marks of the same wave."""


@dataclass(frozen=True, slots=True)
class GlobalBeats:
    """Reference beats of a record: medians over leads, in seconds of record time, NaN where no lead has the mark.

    P is the last P wave between the beat before and this one; T is all T marks between this one and the next.
    """

    p_onset_s: Float64[np.ndarray, " beat"]
    p_peak_s: Float64[np.ndarray, " beat"]
    p_offset_s: Float64[np.ndarray, " beat"]
    qrs_onset_s: Float64[np.ndarray, " beat"]
    r_peak_s: Float64[np.ndarray, " beat"]
    qrs_offset_s: Float64[np.ndarray, " beat"]
    t_onset_s: Float64[np.ndarray, " beat"]
    t_peak_s: Float64[np.ndarray, " beat"]
    t_offset_s: Float64[np.ndarray, " beat"]

    def __len__(self) -> int:
        return len(self.r_peak_s)


def global_beats(
    wave: Sequence[str],
    onset_s: Float64[np.ndarray, " wave"],
    peak_s: Float64[np.ndarray, " wave"],
    offset_s: Float64[np.ndarray, " wave"],
    same_wave_s: float = SAME_WAVE_S,
) -> GlobalBeats:
    """The beats of one record from the marks of all its leads.

    Args:
        wave: "P", "QRS" or "T" of each mark; every lead's marks in one list, in any order.
        onset_s: onset of each wave in record time; NaN where not marked.
        peak_s: peak of each wave.
        offset_s: end of each wave; NaN where not marked.
        same_wave_s: peaks of one kind that follow each other within this time are one wave.

    Returns:
        One entry a QRS, in order of time; each boundary the median over the leads that mark it.

    Raises:
        ValueError: a peak is not finite.
    """
    if not np.isfinite(peak_s).all():
        raise ValueError(f"wave {int(np.flatnonzero(~np.isfinite(peak_s))[0])} has no peak; leave such waves out")
    names = np.asarray(wave, dtype=str)
    marks = np.stack([onset_s, peak_s, offset_s], axis=1)
    qrs = _median_waves(marks[names == "QRS"], same_wave_s)
    r = qrs[:, 1]
    # The T marks of one beat may be far apart (biphasic T), but no second T comes before the next R.
    of_beat = np.searchsorted(r, marks[:, 1]) - 1
    is_t = (names == "T") & (of_beat >= 0)
    t = np.stack([_group_median(marks[is_t, k], of_beat[is_t], len(r)) for k in range(3)], axis=1)
    # Several P waves may come before a QRS (atrioventricular block): the last one is the beat's.
    p = np.concatenate([_median_waves(marks[names == "P"], same_wave_s), np.full((1, 3), np.nan)])
    p = p[np.searchsorted(p[:-1, 1], r) - 1]
    p[~(p[:, 1] > np.concatenate([[-np.inf], r])[:-1])] = np.nan
    return GlobalBeats(*np.concatenate([p, qrs, t], axis=1).T)


def _median_waves(marks: Float64[np.ndarray, "wave 3"], same_wave_s: float) -> Float64[np.ndarray, "group 3"]:
    """Onset, peak and offset of each group of marks: medians that leave NaN out, groups in order of time."""
    marks = marks[np.argsort(marks[:, 1], kind="stable")]
    group = np.cumsum(np.diff(marks[:, 1], prepend=marks[:1, 1]) > same_wave_s)
    groups = int(group[-1]) + 1 if len(marks) else 0
    return np.stack([_group_median(marks[:, k], group, groups) for k in range(3)], axis=1)


def _group_median(
    values: Float64[np.ndarray, " wave"], group: Int64[np.ndarray, " wave"], groups: int
) -> Float64[np.ndarray, " group"]:
    """Median of the finite values of each group, NaN for a group with none."""
    finite = np.isfinite(values)
    values, group = values[finite], group[finite]
    order = np.lexsort((values, group))
    values, count = values[order], np.bincount(group, minlength=groups)
    start = np.cumsum(count) - count
    out = np.full(groups, np.nan)
    some = count > 0
    low, high = start[some] + (count[some] - 1) // 2, start[some] + count[some] // 2
    out[some] = (values[low] + values[high]) / 2
    return out
