"""What is found of a record's rhythm, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from beatssl.analysis.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Pause:
    """An RR interval of two seconds or more."""

    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class EctopicRun:
    """Three or more ectopic beats of one kind in a row."""

    start_s: float
    beats: int
    kind: Literal["S", "V"]
    rate_bpm: float


@dataclass(frozen=True, slots=True)
class EctopicGroup:
    """A couplet, or an episode of bigeminy or trigeminy: ectopic beats of one kind."""

    name: Literal["couplet", "bigeminy", "trigeminy"]
    kind: Literal["S", "V"]
    start_s: float
    """Its first ectopic beat."""
    stop_s: float
    """Its last one."""
    ectopic_beats: int


@dataclass(frozen=True, slots=True)
class RhythmClass:
    """A rhythm and its calibrated probability."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class RhythmEpisode:
    """A stretch of one rhythm."""

    start_s: float
    stop_s: float
    name: str
    probability: float
    """Mean over the episode."""


@dataclass(frozen=True, slots=True)
class RhythmStretch:
    """About 30 s of a record, or the whole of one up to a minute."""

    start_s: float
    stop_s: float
    probability: tuple[float, ...]
    """Of each rhythm, in the order of `Rhythm.classes`; empty: too few beats, or too poor a signal."""


@dataclass(frozen=True, slots=True)
class Rhythms:
    """Which rhythm, by `analysis.rhythms`."""

    classes: tuple[RhythmClass, ...]
    """Sinus, atrial fibrillation or flutter, paced, other: they sum to 1; of a record over a minute the mean over its
    stretches of 30 s. Empty where there are none."""
    reason: str
    """Why there are no classes; "" where there are."""
    episodes: tuple[RhythmEpisode, ...]
    """In order of time; what lies between them has no rhythm: too few beats, or too poor a signal."""
    stretches: tuple[RhythmStretch, ...]
    """What the episodes are made of."""
    af_burden: Measurement
    """Share of the time in atrial fibrillation or flutter, of records over a minute."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Rate, regularity and what interrupts them."""

    rate_bpm: Measurement
    """60 over the median RR interval."""
    rate_mean_bpm: Measurement
    rate_min_bpm: Measurement
    """Lowest rate over four RR intervals in a row (over all where there are fewer)."""
    rate_max_bpm: Measurement
    rr_sd_ms: Measurement
    rr_rmssd_ms: Measurement
    rr_irregularity: Measurement
    """Median absolute difference of successive RR intervals over the median RR interval."""
    regularity: Literal["regular", "slightly irregular", "irregular"] | None
    ectopic_beats: Mapping[str, int]
    """Beats of class S, V and F."""
    paced_beats: int
    """Beats of class Q; see `analysis.rhythms.pacing`."""
    pauses: tuple[Pause, ...]
    runs: tuple[EctopicRun, ...]
    groups: tuple[EctopicGroup, ...]
    """Couplets, and episodes of bigeminy and trigeminy."""
    classes: tuple[RhythmClass, ...]
    """See `Rhythms`, as what follows."""
    classes_reason: str
    episodes: tuple[RhythmEpisode, ...]
    stretches: tuple[RhythmStretch, ...]
    af_burden: Measurement
