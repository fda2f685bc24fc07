"""No P in atrial fibrillation or flutter: the rhythm of a stretch is surer than what looks like a P before one beat.

What rhythm it is was found with those P (`analysis.rhythms.evidence`): a heart whose every beat shows one is hardly
taken for fibrillating. Where it is nevertheless, the f waves before its beats are no P, and no PR is stated.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from jaxtyping import Bool, Float64

from beatssl.analysis.result import Beats, WavesOfLeads
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import AF
from beatssl.beats.global_beats import GlobalBeats
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features.wave_intervals import WaveMeasures
from beatssl.signals.waves import WAVE_CLASSES


def in_fibrillation(time_s: Float64[np.ndarray, " any"], episodes: Sequence[RhythmEpisode]) -> Bool[np.ndarray, " any"]:
    """Which times lie in an episode of atrial fibrillation or flutter."""
    out = np.zeros(len(time_s), np.bool_)
    for one in episodes:
        if one.name == AF:
            out |= (time_s >= one.start_s) & (time_s < one.stop_s)
    return out


def beats_without_p(beats: Beats, episodes: Sequence[RhythmEpisode]) -> Beats:
    """The beats, those in fibrillation or flutter without P boundaries, their `p_share` 0."""
    some = in_fibrillation(beats.time_s, episodes)
    return replace(beats, marks=_marks(beats.marks, some), p_share=np.where(some, np.float32(0), beats.p_share))


def measures_without_p(measures: WaveMeasures, episodes: Sequence[RhythmEpisode]) -> WaveMeasures:
    """The measures, those of beats in fibrillation or flutter without P."""
    some = in_fibrillation(measures.r_s, episodes)
    of_leads = in_fibrillation(measures.lead_r_s, episodes)
    within = {one.name: getattr(measures.within, one.name) for one in fields(Fiducials)}
    within |= {name: np.where(of_leads, np.float32(np.nan), within[name]) for name in _P_TIMES}
    share, net = measures.share.copy(), measures.net.copy()
    share[some, 0], net[some, 0] = 0, np.nan
    return replace(
        measures, over_leads=_marks(measures.over_leads, some), share=share, within=Fiducials(**within), net=net
    )


def waves_without_p(waves: WavesOfLeads, episodes: Sequence[RhythmEpisode]) -> WavesOfLeads:
    """The waves but the P whose peak (or onset, where that is unknown) is in fibrillation or flutter."""
    at_s = np.where(np.isfinite(waves.peak_s), waves.peak_s, waves.onset_s)
    kept = ~((waves.wave == WAVE_CLASSES.index("P")) & in_fibrillation(at_s, episodes))
    columns = {one.name: getattr(waves, one.name)[kept] for one in fields(waves) if one.name != "leads"}
    return WavesOfLeads(waves.leads, **columns)


_P_TIMES = ("p_onset_s", "p_peak_s", "p_offset_s")


def _marks(marks: GlobalBeats, some: Bool[np.ndarray, " beat"]) -> GlobalBeats:
    times = {one.name: getattr(marks, one.name) for one in fields(GlobalBeats)}
    return GlobalBeats(**times | {name: np.where(some, np.nan, times[name]) for name in _P_TIMES})
