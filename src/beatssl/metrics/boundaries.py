"""Wave boundaries and beat times scored against reference marks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from beatssl.signals.matching import match_times

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


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
