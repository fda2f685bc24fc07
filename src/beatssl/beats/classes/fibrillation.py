"""Atrial fibrillation over stretches of about ten seconds: intervals without order, P waves that are not alike.

In fibrillation every interval surprises, and no beat is supraventricular ectopic (S). The two records of DS1 that hold
it are too few to learn it from: the networks learn it from PTB-XL's statements (`release/fibrillation.py`).
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int64

from beatssl.beats.classes.beat_shape import group_quantile
from beatssl.beats.classes.networks import Networks
from beatssl.beats.classes.second_pass import ShapedBeats

FIBRILLATION = "fibrillation"
"""Name of the probability among the features of a beat."""

_STRETCH_S = 10.0
_SMOOTHED = 2  # stretches before and after that share their log odds with one
_QUARTERS, _SIDES = (0.25, 0.5, 0.75), (0.1, 0.25, 0.75, 0.9)
_P_WAVES = (
    "p_like_before", "p_like_after", "p_like", "p_energy", "p_coherence", "dominant_p_energy", "late_p_energy",
    "late_p_like_dominant",
)  # fmt: skip
_STEADY, _SAME = 0.04, 0.03  # of the logarithm of an interval, against the one before and against the median
_LEAST = 1e-3


def fibrillation(
    beats: ShapedBeats, features: Mapping[str, np.ndarray], networks: Networks
) -> Float32[np.ndarray, " beat"]:
    """The probability of atrial fibrillation around each beat: the mean log odds of up to five stretches of a context.

    `features` are those of the first pass.
    """
    stretch = stretches(beats)
    if not len(stretch):
        return np.zeros(0, np.float32)
    likely = np.clip(networks.probabilities(fibrillation_features(beats, features, stretch))[:, 1], _LEAST, 1 - _LEAST)
    odds = np.log(likely / (1 - likely))
    context = beats.context[np.flatnonzero(np.diff(stretch, prepend=-1))]
    total, count = np.zeros(len(odds)), np.zeros(len(odds))
    for by in range(-_SMOOTHED, _SMOOTHED + 1):
        near = np.arange(len(odds)) + by
        there = (near >= 0) & (near < len(odds))
        there[there] = context[near[there]] == context[there]
        total[there] += odds[near[there]]
        count += there
    return (1 / (1 + np.exp(-total / count)))[stretch].astype(np.float32)


def without_s_in_fibrillation(
    probability: Float32[np.ndarray, "beat 4"], fibrillation: Float32[np.ndarray, " beat"]
) -> Float32[np.ndarray, "beat 4"]:
    """Class probabilities where that of S is multiplied by the probability that there is no fibrillation."""
    out = probability.copy()
    out[:, 1] *= 1 - fibrillation
    return out / out.sum(axis=1, keepdims=True)


def stretches(beats: ShapedBeats) -> Int64[np.ndarray, " beat"]:
    """Which stretch each beat is in: contexts cut into equal parts of about ten seconds, numbered without gaps."""
    first = np.flatnonzero(np.diff(beats.context, prepend=-1))
    if not len(first):
        return np.zeros(0, np.int64)
    interval = np.nan_to_num(beats.rr_prev_s.astype(np.float64))
    interval[first] = 0
    time_s = np.cumsum(interval)
    time_s -= time_s[first][beats.context]
    span_s = time_s[np.append(first[1:], len(time_s)) - 1][beats.context]
    parts = np.maximum(np.round(span_s / _STRETCH_S), 1)
    part = np.minimum(np.floor(time_s / np.maximum(span_s, _LEAST) * parts), parts - 1).astype(np.int64)
    new = (np.diff(part, prepend=-1) != 0) | (np.diff(beats.context, prepend=-1) != 0)
    return np.cumsum(new) - 1


def fibrillation_features(
    beats: ShapedBeats, features: Mapping[str, np.ndarray], stretch: Int64[np.ndarray, " beat"]
) -> dict[str, Float32[np.ndarray, " stretch"]]:
    """Features of each stretch by name, from those of the first pass; NaN where there is no interval or P wave.

    Intervals are taken within the stretch: their logarithms against its median, and against the one before.
    """
    first = np.flatnonzero(np.diff(stretch, prepend=-1))
    rr_s = beats.rr_prev_s.astype(np.float32)
    rr_s[first] = np.nan
    median_s = group_quantile(rr_s, stretch, 0.5)
    off = np.log(rr_s / median_s)
    change = off - _before(off, first)

    def quantiles(name: str, value: np.ndarray, shares: tuple[float, ...]) -> dict[str, np.ndarray]:
        value = value.astype(np.float32)
        return {f"{name}_{share}": group_quantile(value, stretch, share)[first] for share in shares}

    def share(of: np.ndarray, below: float) -> Float64[np.ndarray, " stretch"]:
        return _mean(np.where(np.isfinite(of), np.abs(of) < below, np.nan), stretch)

    out = {
        "rr_median": np.log(median_s[first]),
        "rr_steady": share(change, _STEADY),
        "rr_same": share(off, _SAME),
        "rr_order": _mean(off * _before(off, first), stretch) / (_mean(off**2, stretch) + _LEAST),
        "rr_change_order": _mean(change * _before(change, first), stretch) / (_mean(change**2, stretch) + _LEAST),
    }
    out |= quantiles("rr", off, _SIDES)
    out |= quantiles("rr_off", np.abs(off), _QUARTERS)
    out |= quantiles("rr_change", np.abs(change), (*_QUARTERS, 0.9))
    for name in _P_WAVES:
        out |= quantiles(name, features[name], _QUARTERS)
    return {name: column.astype(np.float32) for name, column in out.items()}


def _before(value: Float32[np.ndarray, " beat"], first: Int64[np.ndarray, " stretch"]) -> Float32[np.ndarray, " beat"]:
    """The value of the beat before, NaN for the first of a stretch."""
    out = np.concatenate([value[:1], value[:-1]])
    out[first] = np.nan
    return out


def _mean(value: np.ndarray, stretch: Int64[np.ndarray, " beat"]) -> Float64[np.ndarray, " stretch"]:
    """The mean of each stretch's finite values; 0 where there are none."""
    known = np.isfinite(value)
    size = int(stretch[-1]) + 1
    total = np.bincount(stretch[known], weights=value[known], minlength=size)
    return total / np.maximum(np.bincount(stretch[known], minlength=size), 1)
