"""Features of the second pass: a beat against the beats of its record that the first pass took for N, for V and for S.

No label is needed: a person's own confident normal beats are the template. A fusion beat is then what its name says, a
weighted sum of a normal and a ventricular beat of that person that neither fits alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from beatssl.beats.classes.p_features import QRS, P, T, Windows, cosine, energy, fit_of_p, weighted_beat
from beatssl.beats.classes.rhythm_features import Column, moved, usual

_SURE = 0.5  # probability from which a beat counts for its class's template
_LAGS = range(-3, 4)  # samples by which the ventricular part of a beat may be moved
_FAR = 3  # neighbours whose probabilities are features of a beat
_LEAST_ODDS = 1e-3
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class ShapedBeats:
    """Beats as their features see them."""

    own: Windows
    """Centred; what is cut off or belongs to a neighbour is that of the dominant beat."""
    clear: Bool[np.ndarray, "beat time"]
    """Which samples are the beat's own."""
    dominant: Windows
    rr_prev_s: Float32[np.ndarray, " beat"]
    rr_next_s: Float32[np.ndarray, " beat"]
    context: Int32[np.ndarray, " beat"]


def second_features(beats: ShapedBeats, probability: Float32[np.ndarray, "beat 4"]) -> dict[str, Column]:
    """Features by name; NaN where there is no interval, or no beat of a class to compare with."""
    normal, early, wide = probability[:, 0], probability[:, 1], probability[:, 2]
    n_beat = _template(beats, normal, beats.dominant)
    v_beat = _template(beats, wide, np.zeros_like(beats.own))
    s_beat = _template(beats, early, np.zeros_like(beats.own))
    qrs = energy(np.diff(n_beat[..., QRS], axis=2))
    size = energy(n_beat[..., QRS])
    against_n = {f"{name}_n": column for name, column in fit_of_p(beats.own, n_beat, qrs).items()}
    against_n |= {
        "qrs_like_n": cosine(beats.own[..., QRS], n_beat[..., QRS]),
        "qrs_rest_n": np.log(energy((beats.own - n_beat)[..., QRS]) / size) / 2,
        "t_like_n": cosine(beats.own[..., T], n_beat[..., T]),
        "t_rest_n": np.log(energy((beats.own - n_beat)[..., T]) / size) / 2,
    }
    no_s = ~(s_beat != 0).any(axis=(1, 2))
    own_p, s_p = (np.diff(mv[..., P], axis=2) for mv in (beats.own, s_beat))
    return (
        against_n
        | {f"{name}_beside_usual": value - usual(value, beats.context) for name, value in against_n.items()}
        | _mixture(beats.own, n_beat, v_beat)
        | {"p_like_s": np.where(no_s, np.nan, cosine(own_p, s_p))}
        | _rhythm(beats, normal)
        | _around(probability, beats.context)
    )


def without_lone_fusion(
    probability: Float32[np.ndarray, "beat 4"], features: Mapping[str, np.ndarray]
) -> Float32[np.ndarray, "beat 4"]:
    """Class probabilities where F is nought in a context without a V beat: there is nothing to fuse with."""
    none = np.asarray(features["no_v"] > 0)
    out = probability.copy()
    out[none, 3] = 0
    return out / np.maximum(out.sum(axis=1, keepdims=True), _LEAST_ODDS)


def _template(beats: ShapedBeats, probability: Float32[np.ndarray, " beat"], otherwise: Windows) -> Windows:
    weight = np.where(probability > _SURE, probability, np.float32(0))
    return weighted_beat(beats.own, beats.clear, weight, otherwise, beats.context)


def _mixture(own: Windows, n_beat: Windows, v_beat: Windows) -> dict[str, Column]:
    """The QRS as the sum of `n_part` of the normal and `v_part` of the ventricular one, and what each leaves over."""
    own_qrs, n_qrs = own[..., QRS], n_beat[..., QRS]
    size = energy(own_qrs)
    nn, on = energy(n_qrs), np.einsum("blt,blt->b", own_qrs, n_qrs)
    parts: list[np.ndarray] = []
    for lag in _LAGS:
        v_qrs = v_beat[..., QRS.start + lag : QRS.stop + lag]
        vv, nv, ov = energy(v_qrs), np.einsum("blt,blt->b", n_qrs, v_qrs), np.einsum("blt,blt->b", own_qrs, v_qrs)
        scale = nn * vv * (1 + _RIDGE) - nv**2
        n_part, v_part = (on * vv - ov * nv) / scale, (ov * nn - on * nv) / scale
        left = 1 - (n_part * on + v_part * ov) / size
        parts.append(np.stack([left, n_part, v_part, 1 - ov**2 / (vv * size), ov / np.sqrt(vv * size)]))
    every = np.stack(parts)
    both, n_part, v_part = np.take_along_axis(every, every[:, :1].argmin(axis=0)[None], axis=0)[0][:3]
    none = ~(v_beat != 0).any(axis=(1, 2))
    alone_n, alone_v = 1 - on**2 / (nn * size), every[:, 3].min(axis=0)
    out = {
        "n_part": np.clip(n_part, -2, 2),
        "v_part": np.clip(v_part * np.sqrt(energy(v_beat[..., QRS]) / nn), -2, 2),
        "v_like": every[:, 4].max(axis=0),
        "left_of_both": np.log(np.maximum(both, 0.001)),
        "left_of_v_to_both": np.log(np.maximum(alone_v, 0.001) / np.maximum(both, 0.001)),
        "left_of_n_to_both": np.log(np.maximum(alone_n, 0.001) / np.maximum(both, 0.001)),
        "left_of_n_to_v": np.log(np.maximum(alone_n, 0.001) / np.maximum(alone_v, 0.001)),
        "v_like_n": cosine(n_qrs, v_beat[..., QRS]),
    }
    return {name: np.where(none, np.nan, value) for name, value in out.items()} | {"no_v": none.astype(np.float32)}


def _rhythm(beats: ShapedBeats, normal: Float32[np.ndarray, " beat"]) -> dict[str, Column]:
    """Intervals against the median of those between two normal beats."""
    sure = normal > _SURE
    before = moved(sure.astype(np.float32), beats.context, 1)
    between = np.where(sure & (before == 1), beats.rr_prev_s, np.float32(np.nan))
    sinus = usual(between, beats.context)
    otherwise = usual(np.where(sure, beats.rr_prev_s, np.float32(np.nan)), beats.context)
    sinus = np.where(np.isfinite(sinus), sinus, otherwise)
    spread = usual(np.abs(np.log(between / sinus)), beats.context)
    return {
        "rr_to_n": np.log(beats.rr_prev_s / sinus),
        "rr_next_to_n": np.log(beats.rr_next_s / sinus),
        "rr_pair_to_n": np.log((beats.rr_prev_s + beats.rr_next_s) / (2 * sinus)),
        "rr_spread_of_n": spread,
        "rr_surprise_to_n": np.log(beats.rr_prev_s / sinus) / (spread + 0.03),
    }


def _around(probability: Float32[np.ndarray, "beat 4"], context: Int32[np.ndarray, " beat"]) -> dict[str, Column]:
    """Log odds of the first pass, of the beat and its neighbours, and the context's mean probabilities."""
    bounded = np.clip(probability, _LEAST_ODDS, 1 - _LEAST_ODDS)
    odds = np.log(bounded / (1 - bounded)).astype(np.float32)
    count = np.maximum(np.bincount(context), 1)
    out: dict[str, Column] = {}
    for n, name in enumerate("nsvf"):
        share = np.bincount(context, weights=probability[:, n]) / count
        out[f"odds_{name}"] = odds[:, n]
        out[f"share_{name}"] = np.log(share + 0.003)[context]
        if n < 3:
            for by in range(1, _FAR + 1):
                out[f"odds_{name}_{by}_before"] = moved(odds[:, n], context, by)
                out[f"odds_{name}_{by}_after"] = moved(odds[:, n], context, -by)
    return out
