"""Features that classify a beat: its place in the rhythm, and its shape against the dominant beat of its context.

Every number is a ratio, a correlation or a time, taken over all leads at once: two leads or twelve, in any order and of
either sign, give the same kind of number. After the features of de Chazal et al. 2004 and Llamedo and Martínez 2011.
"""

import numpy as np
from jaxtyping import Float, Float32, Int32

from beatssl.beats.classes.beat_shape import BEFORE, GRID_HZ, centred, dominant, group_quantile
from beatssl.beats.windows import Beats

Column = Float[np.ndarray, " beat"]
Windows = Float32[np.ndarray, "beat lead time"]

_P, _QRS, _T = slice(6, 22), slice(22, 45), slice(47, 78)  # of a centred beat: −260…, −100…+130, +150…+460 ms
_LAGS = range(-3, 4)  # samples by which a QRS may be moved to fit the dominant one
_EARLY = -0.12  # log of RR over its median
_LEAST_ENERGY = 1e-4  # mV², so that a flat line has finite logarithms
_LEAST = 1e-6


def class_features(beats: Beats, context: Int32[np.ndarray, " beat"]) -> dict[str, Column]:
    """Features by name; NaN where not measurable (an interval at the end of a record).

    `context` groups the beats that are compared with one another (`beat_shape.contexts`).
    """
    own, clear = centred(beats)
    dom = dominant(own, clear, beats.rr_prev_s, context)
    # What the end of a record or a neighbour cuts off says nothing: it is taken to be like the dominant beat.
    own = np.where(clear[:, None], own, dom)
    likeness = _likeness(own, dom)
    return (
        _rhythm(beats.rr_prev_s, beats.rr_next_s, context)
        | likeness
        | {f"{name}_beside_usual": value - _usual(value, context) for name, value in likeness.items() if name in _NOISY}
        | _size(own, dom)
        | _form(own, "")
        | _form(dom, "dominant_")
        | _neighbours(own, context)
        | _curve(own, dom)
    )


_NOISY = ("qrs_like", "t_like", "p_like", "qrs_rest", "t_rest", "p_rest")
"""Measures of likeness that noise lowers in all beats of a record: also taken less their median there."""


def _rhythm(
    prev: Float32[np.ndarray, " beat"], following: Float32[np.ndarray, " beat"], context: Int32[np.ndarray, " beat"]
) -> dict[str, Column]:
    median, slow = _usual(prev, context), group_quantile(prev, context, 0.8)
    log_prev, log_next = np.log(prev / median), np.log(following / median)
    before = _moved(log_prev, context, 1)
    after = _moved(log_next, context, -1)
    spread = _usual(np.abs(log_prev), context)
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
        "rr_change": _usual(np.abs(log_prev - before), context),
        "rr_early_share": early[context],
        "rr_surprise": log_prev / (spread + 0.03),
        "rr_median_s": median,
        "rr_prev_s": prev,
    }


def _usual(value: Column, context: Int32[np.ndarray, " beat"]) -> Float32[np.ndarray, " beat"]:
    return group_quantile(value.astype(np.float32), context, 0.5)


def _moved(value: Column, context: Int32[np.ndarray, " beat"], by: int) -> Column:
    """The value of the beat `by` places before, NaN beyond the context."""
    out = np.roll(value, by)
    same = np.roll(context, by) == context
    ends = slice(0, by) if by > 0 else slice(by, None)
    same[ends] = False
    return np.where(same, out, np.nan)


def _likeness(own: Windows, dom: Windows) -> dict[str, Column]:
    """Correlations with the dominant beat, and what is left when it is taken away, by wave."""
    own_qrs, dom_qrs = own[..., _QRS], np.ascontiguousarray(dom[..., _QRS])
    size, length = np.einsum("blt,blt->bt", own, own), np.einsum("blt,blt->b", dom_qrs, dom_qrs)
    dot = [np.einsum("blt,blt->b", own[..., _QRS.start + lag : _QRS.stop + lag], dom_qrs) for lag in _LAGS]
    own_length = [size[:, _QRS.start + lag : _QRS.stop + lag].sum(axis=1) for lag in _LAGS]
    qrs = np.stack(dot) / (np.sqrt(np.stack(own_length) * length) + _LEAST)
    norm = np.linalg.norm(own_qrs, axis=2) * np.linalg.norm(dom_qrs, axis=2)
    by_lead = np.einsum("blt,blt->bl", own_qrs, dom_qrs) / (norm + _LEAST)
    present = np.abs(dom_qrs).max(axis=2) > 0
    left = own - dom
    qrs_energy, qrs_slope = _energy(dom_qrs), _energy(np.diff(dom_qrs, axis=2))
    return {
        "qrs_like": np.arctanh(np.clip(qrs.max(axis=0), -0.999, 0.999)),
        "qrs_like_unmoved": qrs[len(_LAGS) // 2],
        "qrs_like_least": np.where(present, by_lead, 2).min(axis=1),
        "qrs_like_most": np.where(present, by_lead, -2).max(axis=1),
        "t_like": _cosine(own[..., _T], dom[..., _T]),
        "p_like": _cosine(np.diff(own[..., _P], axis=2), np.diff(dom[..., _P], axis=2)),
        "qrs_rest": np.log(_energy(left[..., _QRS]) / qrs_energy) / 2,
        "t_rest": np.log(_energy(left[..., _T]) / qrs_energy) / 2,
        "p_rest": np.log(_energy(np.diff(left[..., _P], axis=2)) / qrs_slope) / 2,
    }


def _size(own: Windows, dom: Windows) -> dict[str, Column]:
    """Root energies of the waves in parts of the dominant QRS's; of P, whose baseline wanders, those of its slope."""
    qrs, qrs_slope = _energy(dom[..., _QRS]), _energy(np.diff(dom[..., _QRS], axis=2))
    return {
        "qrs_energy": np.log(_energy(own[..., _QRS]) / qrs) / 2,
        "qrs_slope": np.log(_energy(np.diff(own[..., _QRS], axis=2)) / qrs_slope) / 2,
        "t_energy": np.log(_energy(own[..., _T]) / qrs) / 2,
        "p_energy": np.log(_energy(np.diff(own[..., _P], axis=2)) / qrs_slope) / 2,
        "dominant_t_energy": np.log(_energy(dom[..., _T]) / qrs) / 2,
        "dominant_p_energy": np.log(_energy(np.diff(dom[..., _P], axis=2)) / qrs_slope) / 2,
        "qrs_area_like": _cosine(_area(own[..., _QRS]), _area(dom[..., _QRS])),
    }


def _form(mv: Windows, name: str) -> dict[str, Column]:
    """Width and slowness of the QRS, and how the T wave turns against it."""
    around = mv[..., BEFORE - 16 : BEFORE + 17]
    slope = np.diff(around, axis=2)
    power = np.einsum("blt,blt->bt", slope, slope)
    size = np.sqrt(np.einsum("blt,blt->bt", around, around))
    time_s = ((np.arange(power.shape[1]) - 15.5) / GRID_HZ).astype(np.float32)
    total = power.sum(axis=1) + _LEAST
    mean = power @ time_s / total
    spread = np.sqrt(np.maximum(power @ time_s**2 / total - mean**2, 0))
    peak = size.max(axis=1, keepdims=True) + _LEAST
    return {
        f"{name}qrs_spread_s": spread,
        f"{name}qrs_half_s": (size > 0.5 * peak).sum(axis=1) / GRID_HZ,
        f"{name}qrs_quarter_s": (size > 0.25 * peak).sum(axis=1) / GRID_HZ,
        f"{name}qrs_steep_s": (power > 0.1 * power.max(axis=1, keepdims=True)).sum(axis=1) / GRID_HZ,
        f"{name}qrs_slow": np.log(peak[:, 0] ** 2 / total) / 2,
        f"{name}t_turn": _cosine(_area(mv[..., _QRS]), _area(mv[..., _T])),
        f"{name}t_to_qrs": np.log(_energy(mv[..., _T]) / _energy(mv[..., _QRS])) / 2,
    }


def _neighbours(own: Windows, context: Int32[np.ndarray, " beat"]) -> dict[str, Column]:
    """Correlation of the QRS with those of the beats before and after."""
    after = np.full(len(own), np.nan)
    after[:-1] = _cosine(own[1:, :, _QRS], own[:-1, :, _QRS])
    after[:-1][context[1:] != context[:-1]] = np.nan
    return {"qrs_like_before": np.roll(after, 1), "qrs_like_after": after}


def _curve(own: Windows, dom: Windows) -> dict[str, Column]:
    """The beat along the dominant beat's lead vector at its peak, and its size across it, in parts of that peak."""
    size = np.einsum("blt,blt->bt", dom[..., _QRS], dom[..., _QRS])
    axis = np.take_along_axis(dom[..., _QRS], size.argmax(axis=1)[:, None, None], axis=2)[..., 0]
    scale = np.einsum("bl,bl->b", axis, axis)[:, None] + _LEAST
    along = np.einsum("blt,bl->bt", own, axis) / scale
    across = np.sqrt(np.maximum(np.einsum("blt,blt->bt", own, own) / scale - along**2, 0))
    out: dict[str, Column] = {}
    for name, curve in (("along", along), ("across", across)):
        curve = np.clip(curve, -3, 3)
        # Finer where the QRS is: 20 ms there, 40 ms before and after.
        parts = [_pooled(curve[:, 4:24], 4), _pooled(curve[:, 24:44], 2), _pooled(curve[:, 44:80], 4)]
        out |= {f"{name}_{at:02d}": column for at, column in enumerate(np.concatenate(parts, axis=1).T)}
    return out


def _pooled(curve: Float[np.ndarray, "beat time"], by: int) -> Float[np.ndarray, "beat part"]:
    return curve.reshape(len(curve), -1, by).mean(axis=2)


def _area(mv: Windows) -> Float32[np.ndarray, "beat lead 1"]:
    return mv.sum(axis=2, keepdims=True)


def _energy(mv: Windows) -> Column:
    return np.einsum("blt,blt->b", mv, mv) + _LEAST_ENERGY


def _cosine(a: Windows, b: Windows) -> Column:
    norm = np.sqrt(np.einsum("blt,blt->b", a, a) * np.einsum("blt,blt->b", b, b))
    return np.einsum("blt,blt->b", a, b) / (norm + _LEAST)
