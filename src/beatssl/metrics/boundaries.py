"""Wave boundaries and beat times against reference marks: one-to-one matching, scores, and a record's global beats."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

SAME_WAVE_S = 0.075
"""Marks of two leads that follow each other within this time are marks of the same wave."""

UNMARKED_REACH_S = 0.25
"""A prediction this near the peak of a wave whose boundary was not marked is taken to be that boundary."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one-to-one matching. Rates are NaN where nothing could be counted."""

    matched: int
    missed: int
    false: int

    @property
    def sensitivity(self) -> float:
        """Matched / all reference marks."""
        return _ratio(self.matched, self.matched + self.missed)

    @property
    def ppv(self) -> float:
        """Matched / all predictions that count."""
        return _ratio(self.matched, self.matched + self.false)

    @property
    def f1(self) -> float:
        """2 matched / (2 matched + missed + false)."""
        return _ratio(2 * self.matched, 2 * self.matched + self.missed + self.false)

    def __add__(self, other: "Score") -> "Score":
        """Counts pooled, so that rates are over all records and leads and not means of their rates."""
        return Score(self.matched + other.matched, self.missed + other.missed, self.false + other.false)


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


def match_times(
    reference_s: Float64[np.ndarray, " reference"], found_s: Float64[np.ndarray, " found"], tolerance_s: float
) -> tuple[Int64[np.ndarray, " match"], Int64[np.ndarray, " match"]]:
    """Pairs (index into `reference_s`, index into `found_s`) at most `tolerance_s` apart, nearest pairs first.

    One to one: of all possible pairs the nearest is taken, then the nearest among what is left, and so on. Done in
    passes, each of which takes every pair whose two ends are one another's nearest. NaN matches nothing.
    """
    ref = np.flatnonzero(np.isfinite(reference_s))
    ref = ref[np.argsort(reference_s[ref], kind="stable")]
    found = np.flatnonzero(np.isfinite(found_s))
    found = found[np.argsort(found_s[found], kind="stable")]
    pairs_ref, pairs_found = [ref[:0]], [found[:0]]
    while ref.size and found.size:
        near = _nearest(reference_s[ref], found_s[found])
        back = _nearest(found_s[found], reference_s[ref])
        mutual = (back[near] == np.arange(ref.size)) & (np.abs(reference_s[ref] - found_s[found][near]) <= tolerance_s)
        if not mutual.any():
            break
        pairs_ref.append(ref[mutual])
        pairs_found.append(found[near[mutual]])
        ref, found = ref[~mutual], np.delete(found, near[mutual])
    reference_index, found_index = np.concatenate(pairs_ref), np.concatenate(pairs_found)
    order = np.argsort(reference_s[reference_index], kind="stable")
    return reference_index[order], found_index[order]


def score_times(
    reference_s: Float64[np.ndarray, " reference"],
    found_s: Float64[np.ndarray, " found"],
    tolerance_s: float,
    span_s: tuple[float, float] = (-np.inf, np.inf),
    unmarked_peak_s: Float64[np.ndarray, " unmarked"] | None = None,
) -> Score:
    """Score of predicted times against all reference marks.

    Args:
        reference_s: marked times; NaN is left out.
        found_s: predicted times; NaN is left out.
        tolerance_s: largest distance of a match.
        span_s: first and last mark of the lead (any wave). A prediction left unmatched is false only if it lies
            strictly inside.
        unmarked_peak_s: peaks of waves whose boundary was not marked. Such a wave does not count, and the prediction
            left unmatched that lies nearest to it, within `UNMARKED_REACH_S`, is not false.
    """
    matched, found_index = match_times(reference_s, found_s, tolerance_s)
    left = np.delete(found_s, found_index)
    left = left[np.isfinite(left)]
    if unmarked_peak_s is not None:
        left = np.delete(left, match_times(unmarked_peak_s, left, UNMARKED_REACH_S)[1])
    false = np.count_nonzero((left > span_s[0]) & (left < span_s[1]))
    return Score(len(matched), int(np.count_nonzero(np.isfinite(reference_s))) - len(matched), int(false))


def matched_errors(
    reference_s: Float64[np.ndarray, " reference"], found_s: Float64[np.ndarray, " found"], tolerance_s: float
) -> Float64[np.ndarray, " match"]:
    """Signed errors found − reference, in seconds, of the one-to-one matches."""
    reference_index, found_index = match_times(reference_s, found_s, tolerance_s)
    return found_s[found_index] - reference_s[reference_index]


def mark_span(*marks_s: Float64[np.ndarray, " _"]) -> tuple[float, float]:
    """First and last of all marks given, the span inside which a prediction can be false; empty where there is none."""
    marks = np.concatenate([np.zeros(0), *marks_s])
    marks = marks[np.isfinite(marks)]
    return (float(marks.min()), float(marks.max())) if marks.size else (np.inf, -np.inf)


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


def _nearest(of_s: Float64[np.ndarray, " of"], among_s: Float64[np.ndarray, " among"]) -> Int64[np.ndarray, " of"]:
    """Index of the nearest of the sorted `among_s` for each of `of_s`; the earlier one where two are as near."""
    right = np.clip(np.searchsorted(among_s, of_s), 1, max(among_s.size - 1, 1))
    right = np.minimum(right, among_s.size - 1)
    left = np.maximum(right - 1, 0)
    return np.where(of_s - among_s[left] <= among_s[right] - of_s, left, right)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
