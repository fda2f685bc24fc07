"""Supraventricular ectopic beats in sinus rhythm: they come early, as their definition (AAMI EC57: premature) has it.

The classifier of beats learned S from 22 persons, and a sinus tachycardia looks to it like a run of theirs. What rhythm
a stretch has was learned from PTB-XL; where it is sinus, an S without a short interval before it is no S.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64

from beatssl.analysis.result import Beats
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import SINUS
from beatssl.beats.classes.classifier import CLASSES

EARLY = 0.95
"""An S comes at a shorter interval than this share of the usual one."""

STEADY = 0.2
"""Of the usual interval: within this range lie the middle eight tenths of the intervals of a steady rhythm."""

_NEAR = 30  # intervals whose median is the usual one, and whose range is taken
_N, _S = CLASSES.index("N"), CLASSES.index("S")


def with_early_s_alone(beats: Beats, episodes: Sequence[RhythmEpisode]) -> Beats:
    """The beats; S of steady sinus rhythm that do not come early are N: what spoke for S then speaks for N.

    The usual interval is the median of those before the 30 nearest beats of class N of the episode, of all its beats
    where it has none. Where pauses or early beats are many, the rhythm of the sinus node is not known, and S stays; so
    does a beat whose interval is unknown.
    """
    probability = beats.class_probability.copy()
    classed = np.isfinite(probability).all(axis=1) & ~beats.paced
    best = np.where(classed, np.nan_to_num(probability).argmax(axis=1), -1)
    for one in episodes:
        if one.name == SINUS:
            inside = (beats.time_s >= one.start_s) & (beats.time_s < one.stop_s)
            early_s, late_s = _near(beats.rr_s, inside, 0.1, 0.9)
            normal = inside & (best == _N)
            (usual_s,) = _near(beats.rr_s, normal if (normal & np.isfinite(beats.rr_s)).any() else inside, 0.5)
            timely = (beats.rr_s >= EARLY * usual_s) & (late_s - early_s < STEADY * usual_s)
            changed = inside & (best == _S) & timely
            probability[changed, _N] += probability[changed, _S]
            probability[changed, _S] = 0
    return replace(beats, class_probability=probability)


def _near(
    rr_s: Float64[np.ndarray, " beat"], of: Bool[np.ndarray, " beat"], *shares: float
) -> Float64[np.ndarray, "share beat"]:
    """Quantiles of the known intervals before the 30 beats of some that are nearest to each beat; NaN where none is."""
    at = np.flatnonzero(of & np.isfinite(rr_s))
    if not len(at):
        return np.full((len(shares), len(rr_s)), np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(rr_s[at], min(_NEAR, len(at)))
    place = np.clip(np.searchsorted(at, np.arange(len(rr_s))) - _NEAR // 2, 0, len(windows) - 1)
    return np.quantile(windows, shares, axis=1)[:, place]
