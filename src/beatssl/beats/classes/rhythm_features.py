"""Features of a beat's place in the rhythm: its RR intervals against those of its neighbourhood and of its context.

In a record where most beats are ectopic the median interval is that of the ectopic beats; the upper quantiles are then
those of the sinus beats. Both are given.
"""

import numpy as np
from jaxtyping import Float, Float32, Int32

from beatssl.beats.classes.beat_shape import group_quantile

Column = Float[np.ndarray, " beat"]

AROUND = 10
"""Beats before and after a beat that are its neighbourhood."""

_EARLY = -0.12  # log of RR over its median
_SLOW = 0.8  # the quantile that stands for the sinus interval where many beats come early
_FAR = 3  # neighbours whose intervals are features of a beat


def rhythm_features(
    prev: Float32[np.ndarray, " beat"], following: Float32[np.ndarray, " beat"], context: Int32[np.ndarray, " beat"]
) -> dict[str, Column]:
    """Logarithms of ratios of intervals (s), by name; NaN where an interval is unknown."""
    median, slow = usual(prev, context), group_quantile(prev, context, _SLOW)
    log_prev, log_next = np.log(prev / median), np.log(following / median)
    before = moved(log_prev, context, 1)
    after = moved(log_next, context, -1)
    spread = usual(np.abs(log_prev), context)
    count = np.maximum(np.bincount(context), 1)
    early = np.bincount(context, weights=log_prev < _EARLY) / count
    known = np.maximum(np.bincount(context, weights=np.isfinite(prev)), 1)
    mean = (np.bincount(context, weights=np.nan_to_num(prev)) / known)[context]
    return {
        "rr_prev": log_prev,
        "rr_next": log_next,
        "rr_before": before,
        "rr_after": after,
        "rr_prev_to_before": log_prev - before,
        "rr_next_to_prev": log_next - log_prev,
        "rr_to_mean": np.log(prev / np.maximum(mean, 0.1)),
        "rr_to_slow": np.log(prev / slow),
        "rr_next_to_slow": np.log(following / slow),
        "rr_irregularity": spread,
        "rr_change": usual(np.abs(log_prev - before), context),
        "rr_early_share": early[context],
        "rr_surprise": log_prev / (spread + 0.03),
        "rr_median_s": median,
        "rr_prev_s": prev,
    } | _in_neighbourhood(prev, following, context)


def _in_neighbourhood(
    prev: Float32[np.ndarray, " beat"], following: Float32[np.ndarray, " beat"], context: Int32[np.ndarray, " beat"]
) -> dict[str, Column]:
    """Intervals against those of 21 beats, and of the slowest twentieth of the context."""
    near = np.sort(_near(prev, context), axis=1)
    count = np.isfinite(near).sum(axis=1)
    low, middle, high = (_ordered_quantile(near, count, share) for share in (0.2, 0.5, _SLOW))
    change = np.abs(np.log(prev) - moved(np.log(prev), context, 1)).astype(np.float32)
    changes = np.sort(_near(change, context), axis=1)
    slowest = group_quantile(prev, context, 0.95)
    to_high = np.log(prev / high)
    out: dict[str, Column] = {
        "rr_near": np.log(prev / middle),
        "rr_next_near": np.log(following / middle),
        "rr_near_slow": to_high,
        "rr_next_near_slow": np.log(following / high),
        "rr_near_fast": np.log(prev / low),
        "rr_pair_near": np.log((prev + following) / (2 * middle)),
        "rr_pair_near_slow": np.log((prev + following) / (2 * high)),
        "rr_near_spread": np.log(high / low),
        "rr_near_change": _ordered_quantile(changes, np.isfinite(changes).sum(axis=1), 0.5),
        "rr_near_rank": ((near < prev[:, None] * 0.97).sum(axis=1) - (near > prev[:, None] * 1.03).sum(axis=1))
        / np.maximum(count, 1),
        "rr_to_slowest": np.log(prev / slowest),
        "rr_next_to_slowest": np.log(following / slowest),
        "rr_slowest_to_median": np.log(slowest / middle),
    }
    for by in range(1, _FAR + 1):
        out |= {f"rr_near_slow_{by}_before": moved(to_high, context, by)}
        out |= {f"rr_near_slow_{by}_after": moved(to_high, context, -by)}
    return out


def usual(value: Column, context: Int32[np.ndarray, " beat"]) -> Float32[np.ndarray, " beat"]:
    """For each beat the median of its context."""
    return group_quantile(value.astype(np.float32), context, 0.5)


def moved(value: Column, context: Int32[np.ndarray, " beat"], by: int) -> Column:
    """The value of the beat `by` places before (after where negative), NaN beyond the context."""
    out = np.full(len(value), np.nan, value.dtype if value.dtype.kind == "f" else np.float64)
    if by > 0:
        out[by:] = np.where(context[by:] == context[:-by], value[:-by], np.nan)
    else:
        out[:by] = np.where(context[:by] == context[-by:], value[-by:], np.nan)
    return out


def _near(
    value: Float32[np.ndarray, " beat"], context: Int32[np.ndarray, " beat"]
) -> Float32[np.ndarray, "beat neighbour"]:
    """The values of the beats around each beat; NaN beyond the context."""
    edge = np.full(AROUND, np.nan, np.float32)
    values = np.lib.stride_tricks.sliding_window_view(np.concatenate([edge, value, edge]), 2 * AROUND + 1)
    group = np.pad(context, AROUND, constant_values=-1)
    same = np.lib.stride_tricks.sliding_window_view(group, 2 * AROUND + 1) == context[:, None]
    return np.where(same, values, np.float32(np.nan))


def _ordered_quantile(
    ordered: Float32[np.ndarray, "beat neighbour"], count: np.ndarray, share: float
) -> Float32[np.ndarray, " beat"]:
    """The quantile of the first `count` values of each line, which ascend."""
    at = np.maximum(count - 1, 0) * share
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    beat = np.arange(len(ordered))
    part = (at - low).astype(np.float32)
    return ordered[beat, low] * (1 - part) + ordered[beat, high] * part
