"""What speaks for a rhythm in a stretch of a record: RR intervals, P waves, beat classes, statements."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from beatssl.analysis.result import Beats, Diagnosis
from beatssl.analysis.rhythm import row_features

STATEMENTS = (
    "SR", "STACH", "SBRAD", "SARRH", "AFIB", "AFLT", "PACE", "SVTAC", "PSVT", "SVARR", "BIGU", "TRIGU", "PAC", "PVC",
)  # fmt: skip
"""Labels of the classifier that speak for or against a rhythm."""

OF_BEATS = (
    "rr_irregularity", "rr_cv", "rr_entropy", "rr_pnn50", "rr_alternation", "rr_turning_share", "early_beat_share",
    "pause_share", "class_s_share", "class_v_share", "normal_irregularity", "rate_ratio", "p_share", "p_beats",
    "pr_spread_ms", "qrs_ms", "leads",
)  # fmt: skip
"""Features of the beats."""

LEAST_BEATS = 4
"""Fewer say nothing of a rhythm."""

_MOST_ODDS = 10.0
_HALF = 0.5


def beat_evidence(beats: Beats, start_s: float, stop_s: float, leads: int) -> Float64[np.ndarray, " feature"] | None:
    """`OF_BEATS` of the beats from `start_s` to before `stop_s`, NaN where one is not known; None for too few beats.

    The first eight and the class shares are the features' own (`features.rhythm`). normal_irregularity: the median
    absolute difference of successive RR intervals over their median, of intervals between normal beats alone.
    rate_ratio: log2 of the rate over 70/min. p_share: mean over beats of the leads that show a P. p_beats: share of
    beats with a P in half of the leads. pr_spread_ms: interquartile range of PR. leads: log2 of their number.
    """
    some = beats.between(start_s, stop_s)
    if len(some) < LEAST_BEATS:
        return None
    rr_s, marks = some.rr_s, some.marks
    found = row_features(some.time_s, rr_s, some.class_probability)
    normal = np.array(some.labels) == "N"
    between = rr_s.copy()
    between[1:][~(normal[1:] & normal[:-1])] = np.nan
    pr_ms = 1000 * (marks.qrs_onset_s - marks.p_onset_s)
    qrs_ms = 1000 * (marks.qrs_offset_s - marks.qrs_onset_s)
    known = {
        **found,
        "normal_irregularity": _irregularity(between),
        "rate_ratio": np.log2(found["rate_bpm"] / 70),
        "p_share": float(some.p_share.mean()),
        "p_beats": float((some.p_share >= _HALF).mean()),
        "pr_spread_ms": _spread(pr_ms),
        "qrs_ms": float(np.nanmedian(qrs_ms)) if np.isfinite(qrs_ms).any() else np.nan,
        "leads": np.log2(max(leads, 1)),
    }
    return np.array([known[name] for name in OF_BEATS], np.float64)


def statement_evidence(statements: Sequence[Diagnosis]) -> Float64[np.ndarray, " statement"] | None:
    """Log odds of `STATEMENTS`, within ±10; None where the classifier does not know them all."""
    return log_odds_of({one.name: one.probability for one in statements})


def log_odds_of(probability: Mapping[str, float]) -> Float64[np.ndarray, " statement"] | None:
    """As `statement_evidence`, of calibrated probabilities by label."""
    if any(name not in probability for name in STATEMENTS):
        return None
    p = np.array([probability[name] for name in STATEMENTS], np.float64)
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.clip(np.log(p / (1 - p)), -_MOST_ODDS, _MOST_ODDS)


def _irregularity(rr_s: Float64[np.ndarray, " beat"]) -> float:
    step = np.abs(np.diff(rr_s))
    if np.isfinite(step).sum() < 2:
        return np.nan
    return float(np.nanmedian(step) / np.nanmedian(rr_s))


def _spread(values: Float64[np.ndarray, " beat"]) -> float:
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return np.nan
    low, high = np.percentile(known, (25, 75))
    return float(high - low)
