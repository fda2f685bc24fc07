"""Paced beats: those that follow the pacemaker in an episode of paced rhythm. They are class Q, as AAMI EC57 has it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from beatssl.analysis.result import Beats
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import PACED

LEAST_QRS_MS = 110.0
"""A paced ventricle is wide: a narrower QRS came through the atrioventricular node."""

_EARLY = 0.85  # of the episode's median interval: a pacemaker is never early, an ectopic beat is


def with_paced_beats(beats: Beats, episodes: Sequence[RhythmEpisode]) -> Beats:
    """The beats, those of paced episodes marked `paced` that are wide and do not come early."""
    paced: Bool[np.ndarray, " beat"] = np.zeros(len(beats), np.bool_)
    wide = 1000 * (beats.marks.qrs_offset_s - beats.marks.qrs_onset_s) >= LEAST_QRS_MS
    for one in episodes:
        if one.name == PACED:
            inside = (beats.time_s >= one.start_s) & (beats.time_s < one.stop_s)
            known = beats.rr_s[inside & np.isfinite(beats.rr_s)]
            usual_s = float(np.median(known)) if len(known) else 0.0
            paced |= inside & wide & ~(beats.rr_s < _EARLY * usual_s)
    return replace(beats, paced=paced)
