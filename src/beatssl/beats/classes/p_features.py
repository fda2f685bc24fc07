"""Features of the P wave of a beat: against that of the beats of its context that come late, and of its neighbours.

Where most beats are atrial ectopics the dominant beat has their P wave; the beats after the longest intervals have that
of the sinus node. P is compared by its slope, so that a wandering baseline counts little.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int32

from beatssl.beats.classes.beat_shape import group_quantile
from beatssl.beats.classes.rhythm_features import Column, moved, usual

Windows = Float32[np.ndarray, "beat lead time"]

P, QRS, T = slice(6, 22), slice(22, 45), slice(47, 78)
"""Of a centred beat: −260 to −100, −100 to +130 and +150 to +460 ms."""

LEAST_ENERGY = 1e-4
"""mV²: added so that a flat line has finite logarithms."""

_LEAST = 1e-6
_LATE = 0.75  # quantile of the intervals from which a beat is late
_SAME_QRS = 0.85  # correlation
_LAGS = range(-4, 5)  # samples by which a P wave may be moved to fit


def p_features(
    own: Windows,
    clear: Bool[np.ndarray, "beat time"],
    dom: Windows,
    rr_prev_s: Float32[np.ndarray, " beat"],
    context: Int32[np.ndarray, " beat"],
) -> dict[str, Column]:
    """Features by name of centred beats `own`; `dom` are the dominant beats of their contexts."""
    late = late_beat(own, clear, dom, rr_prev_s, context)
    own_p, dom_p = _slope(own, P), _slope(dom, P)
    qrs = energy(np.diff(dom[..., QRS], axis=2))
    size, dom_size, late_size = (np.log(energy(p) / qrs) / 2 for p in (own_p, dom_p, _slope(late, P)))
    against_late = {f"{name}_late": column for name, column in fit_of_p(own, late, qrs).items()}
    against_late |= {"qrs_late_like": cosine(own[..., QRS], late[..., QRS])}
    after = moved(_to_before(own_p, context), context, -1)
    return (
        against_late
        | {f"{name}_beside_usual": value - usual(value, context) for name, value in against_late.items()}
        | {
            "late_p_energy": late_size,
            "p_to_late_energy": size - late_size,
            "p_coherence": dom_size - usual(size, context),
            "p_late_coherence": late_size - usual(size, context),
            "late_p_like_dominant": cosine(_slope(late, P), dom_p),
            "p_like_before": _to_before(own_p, context),
            "p_like_after": after,
        }
    )


def late_beat(
    own: Windows,
    clear: Bool[np.ndarray, "beat time"],
    dom: Windows,
    rr_prev_s: Float32[np.ndarray, " beat"],
    context: Int32[np.ndarray, " beat"],
) -> Windows:
    """For each beat the mean of its context's beats with a dominant QRS after the longest quarter of the intervals."""
    late = rr_prev_s >= group_quantile(rr_prev_s, context, _LATE)
    return weighted_beat(own, clear, (late & (cosine(own[..., QRS], dom[..., QRS]) > _SAME_QRS)), dom, context)


def weighted_beat(
    own: Windows,
    clear: Bool[np.ndarray, "beat time"],
    weight: Bool[np.ndarray, " beat"] | Float32[np.ndarray, " beat"],
    otherwise: Windows,
    context: Int32[np.ndarray, " beat"],
) -> Windows:
    """For each beat the weighted mean of its context's beats; `otherwise` where the weights are nought."""
    starts = np.flatnonzero(np.diff(context, prepend=-1))
    some = weight.astype(np.float32)[:, None] * clear
    total = np.add.reduceat(own * some[:, None], starts, axis=0)
    share = np.add.reduceat(some, starts, axis=0)
    mean = total / np.maximum(share, _LEAST)[:, None]
    return np.where((share > _LEAST)[context][:, None], mean[context], otherwise)


def fit_of_p(own: Windows, template: Windows, qrs: Column) -> dict[str, Column]:
    """How the P wave fits that of a template, moved by up to 40 ms (a change of the PR interval)."""
    template_p = np.ascontiguousarray(_slope(template, P))
    moved_p = [_slope(own, slice(P.start + lag, P.stop + lag)) for lag in _LAGS]
    like = np.stack([cosine(one, template_p) for one in moved_p])
    best = like.argmax(axis=0)
    left = moved_p[len(_LAGS) // 2] - template_p
    length = np.einsum("blt,blt->b", template_p, template_p) + _LEAST
    gain = np.einsum("blt,blt->b", moved_p[len(_LAGS) // 2], template_p) / length
    return {
        "p_like_unmoved": like[len(_LAGS) // 2],
        "p_like_moved": like.max(axis=0),
        "p_lag": np.abs(best - len(_LAGS) // 2).astype(np.float32),
        "p_gain": np.clip(gain, -3, 3),
        "p_rest": np.log(energy(left) / qrs) / 2,
    }


def _slope(mv: Windows, part: slice) -> Float32[np.ndarray, "beat lead slope"]:
    return np.diff(mv[..., part], axis=2)


def _to_before(p: Windows, context: Int32[np.ndarray, " beat"]) -> Column:
    out = np.full(len(p), np.nan)
    out[1:] = np.where(context[1:] == context[:-1], cosine(p[1:], p[:-1]), np.nan)
    return out


def energy(mv: Windows) -> Column:
    """Sum of squares over leads and time, never nought."""
    return np.einsum("blt,blt->b", mv, mv) + LEAST_ENERGY


def cosine(a: Windows, b: Windows) -> Column:
    """Correlation over all leads at once, 0 where either is flat."""
    norm = np.sqrt(np.einsum("blt,blt->b", a, a) * np.einsum("blt,blt->b", b, b))
    return np.einsum("blt,blt->b", a, b) / (norm + _LEAST)
