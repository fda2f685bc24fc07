"""Features that classify a beat: its place in the rhythm, and its shape against the dominant beat of its context.

Every number is a ratio, a correlation or a time, taken over all leads at once: two leads or twelve, in any order and of
either sign, give the same kind of number. After the features of de Chazal et al. 2004 and Llamedo and Martínez 2011.
"""

import numpy as np
from jaxtyping import Float, Float32, Int32

from beatssl.beats.classes.beat_shape import BEFORE, GRID_HZ, centred, dominant
from beatssl.beats.classes.p_features import QRS, P, T, cosine, energy, p_features
from beatssl.beats.classes.rhythm_features import Column, rhythm_features, usual
from beatssl.beats.classes.second_pass import ShapedBeats
from beatssl.beats.windows import Beats

Windows = Float32[np.ndarray, "beat lead time"]

_LAGS = range(-3, 4)  # samples by which a QRS may be moved to fit the dominant one
_LEAST = 1e-6


def shaped_beats(beats: Beats, context: Int32[np.ndarray, " beat"]) -> ShapedBeats:
    """Beats centred, with the dominant beat of each context.

    `context` groups the beats that are compared with one another (`beat_shape.contexts`).
    """
    own, clear = centred(beats)
    dom = dominant(own, clear, beats.rr_prev_s, context)
    # What the end of a record or a neighbour cuts off says nothing: it is taken to be like the dominant beat.
    own = np.where(clear[:, None], own, dom)
    return ShapedBeats(own, clear, dom, beats.rr_prev_s, beats.rr_next_s, context)


def class_features(beats: ShapedBeats) -> dict[str, Column]:
    """Features by name; NaN where not measurable (an interval at the end of a record)."""
    own, dom, context = beats.own, beats.dominant, beats.context
    likeness = _likeness(own, dom)
    return (
        rhythm_features(beats.rr_prev_s, beats.rr_next_s, context)
        | likeness
        | {f"{name}_beside_usual": value - usual(value, context) for name, value in likeness.items() if name in _NOISY}
        | _size(own, dom)
        | _form(own, "")
        | _form(dom, "dominant_")
        | _neighbours(own, context)
        | _curve(own, dom)
        | p_features(own, beats.clear, dom, beats.rr_prev_s, context)
    )


_NOISY = ("qrs_like", "t_like", "p_like", "qrs_rest", "t_rest", "p_rest")
"""Measures of likeness that noise lowers in all beats of a record: also taken less their median there."""


def _likeness(own: Windows, dom: Windows) -> dict[str, Column]:
    """Correlations with the dominant beat, and what is left when it is taken away, by wave."""
    own_qrs, dom_qrs = own[..., QRS], np.ascontiguousarray(dom[..., QRS])
    size, length = np.einsum("blt,blt->bt", own, own), np.einsum("blt,blt->b", dom_qrs, dom_qrs)
    dot = [np.einsum("blt,blt->b", own[..., QRS.start + lag : QRS.stop + lag], dom_qrs) for lag in _LAGS]
    own_length = [size[:, QRS.start + lag : QRS.stop + lag].sum(axis=1) for lag in _LAGS]
    qrs = np.stack(dot) / (np.sqrt(np.stack(own_length) * length) + _LEAST)
    norm = np.linalg.norm(own_qrs, axis=2) * np.linalg.norm(dom_qrs, axis=2)
    by_lead = np.einsum("blt,blt->bl", own_qrs, dom_qrs) / (norm + _LEAST)
    present = np.abs(dom_qrs).max(axis=2) > 0
    left = own - dom
    qrs_energy, qrs_slope = energy(dom_qrs), energy(np.diff(dom_qrs, axis=2))
    return {
        "qrs_like": np.arctanh(np.clip(qrs.max(axis=0), -0.999, 0.999)),
        "qrs_like_unmoved": qrs[len(_LAGS) // 2],
        "qrs_like_least": np.where(present, by_lead, 2).min(axis=1),
        "qrs_like_most": np.where(present, by_lead, -2).max(axis=1),
        "t_like": cosine(own[..., T], dom[..., T]),
        "p_like": cosine(np.diff(own[..., P], axis=2), np.diff(dom[..., P], axis=2)),
        "qrs_rest": np.log(energy(left[..., QRS]) / qrs_energy) / 2,
        "t_rest": np.log(energy(left[..., T]) / qrs_energy) / 2,
        "p_rest": np.log(energy(np.diff(left[..., P], axis=2)) / qrs_slope) / 2,
    }


def _size(own: Windows, dom: Windows) -> dict[str, Column]:
    """Root energies of the waves in parts of the dominant QRS's; of P, whose baseline wanders, those of its slope."""
    qrs, qrs_slope = energy(dom[..., QRS]), energy(np.diff(dom[..., QRS], axis=2))
    return {
        "qrs_energy": np.log(energy(own[..., QRS]) / qrs) / 2,
        "qrs_slope": np.log(energy(np.diff(own[..., QRS], axis=2)) / qrs_slope) / 2,
        "t_energy": np.log(energy(own[..., T]) / qrs) / 2,
        "p_energy": np.log(energy(np.diff(own[..., P], axis=2)) / qrs_slope) / 2,
        "dominant_t_energy": np.log(energy(dom[..., T]) / qrs) / 2,
        "dominant_p_energy": np.log(energy(np.diff(dom[..., P], axis=2)) / qrs_slope) / 2,
        "qrs_area_like": cosine(_area(own[..., QRS]), _area(dom[..., QRS])),
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
        f"{name}t_turn": cosine(_area(mv[..., QRS]), _area(mv[..., T])),
        f"{name}t_to_qrs": np.log(energy(mv[..., T]) / energy(mv[..., QRS])) / 2,
    }


def _neighbours(own: Windows, context: Int32[np.ndarray, " beat"]) -> dict[str, Column]:
    """Correlation of the QRS with those of the beats before and after."""
    after = np.full(len(own), np.nan)
    after[:-1] = cosine(own[1:, :, QRS], own[:-1, :, QRS])
    after[:-1][context[1:] != context[:-1]] = np.nan
    return {"qrs_like_before": np.roll(after, 1), "qrs_like_after": after}


def _curve(own: Windows, dom: Windows) -> dict[str, Column]:
    """The beat along the dominant beat's lead vector at its peak, and its size across it, in parts of that peak."""
    size = np.einsum("blt,blt->bt", dom[..., QRS], dom[..., QRS])
    axis = np.take_along_axis(dom[..., QRS], size.argmax(axis=1)[:, None, None], axis=2)[..., 0]
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
