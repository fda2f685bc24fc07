"""P, QRS and T of synthetic records: sinus rhythm, no P, no T, AV block, atrial fibrillation and flutter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.decoding.wave_decoding import Waves, find_waves
from beatssl.beats.global_beats import SAME_WAVE_S
from beatssl.features.wave_intervals import measure_waves
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.synthetic.drawn import drawn_ecg
from beatssl.records.synthetic.hearts import Heart, fibrillating, fluttering, second_degree, sinus, third_degree
from beatssl.results import Number
from beatssl.signals.leads import LEADS
from beatssl.signals.matching import match_times
from beatssl.signals.waves import WAVE_CLASSES

LEAST_SHARE = 0.5
"""Of the leads that show a wave, and of a record's beats for PR to be stated."""

FS_HZ = 500.0
"""Synthetic records are drawn at it."""

_EDGE_S = 0.6
_NEAR_S = 0.15
_P = WAVE_CLASSES.index("P")


@dataclass(frozen=True)
class MadeFigures:
    """Over synthetic records of one kind."""

    beats: int
    qrs: Number
    """Share of the beats in which half of the leads show a QRS; so are `p` and `t`."""
    p: Number
    t: Number
    true_p: int
    """P waves, those that no QRS follows too."""
    p_found: Number
    """Share of these that half of the leads show within 150 ms of its peak."""
    p_invented: int
    """Waves that half of the leads show as a P where there is none."""


class _Draws(Protocol):
    def __call__(self, *, seconds: float, rng: np.random.Generator) -> Heart: ...


class MadeOf(NamedTuple):
    """What records of a kind are made of."""

    heart: _Draws
    seconds: float = 10.0
    p_ratio: float = 0.12
    t_ratio: float = 0.3
    records: int = 5


def _sinus(rate: float, p_ratio: float = 0.12, t_ratio: float = 0.3, irregular: float = 0.0) -> MadeOf:
    return MadeOf(partial(sinus, rate, irregular=irregular), 10.0 if rate >= 60 else 30.0, p_ratio, t_ratio)


def _own_atria(draw: Callable[..., Heart], *values: float, **named: float) -> MadeOf:
    return MadeOf(partial(draw, *values, **named), records=15)


MADE: Mapping[str, MadeOf] = (
    {f"no P, {rate}/min": _sinus(rate, p_ratio=0.0) for rate in (60, 80, 100)}
    | {"no P, irregular": _sinus(90, p_ratio=0.0, irregular=0.2)}
    | {f"no T, {rate}/min": _sinus(rate, t_ratio=0.0) for rate in (60, 80, 100)}
    | {f"all waves, {rate}/min": _sinus(rate) for rate in (20, 30, 60, 100, 120, 140, 150, 170, 200, 240, 270, 300)}
    | {f"atrial fibrillation, {rate}/min": _own_atria(fibrillating, rate, fs_hz=FS_HZ) for rate in (70, 110)}
    | {f"atrial flutter, {waves}:1": _own_atria(fluttering, waves, fs_hz=FS_HZ) for waves in (2, 4)}
    | {
        "second-degree AV block, 2:1": _own_atria(second_degree, 80, 2, 0.0),
        "second-degree AV block, Wenckebach 4:3": _own_atria(second_degree, 80, 4, 0.06),
        "third-degree AV block, 75 and 38/min": _own_atria(third_degree, 75, 38),
    }
)
"""Synthetic records by name, and what each is made of."""


def drawn_records(made: MadeOf, leads: Sequence[str]) -> Iterator[tuple[Heart, Float32[np.ndarray, "lead time"]]]:
    """Records of the kind with these leads at `FS_HZ`, in mV, white noise of 0.02 mV in all; the heart of each."""
    for seed in range(made.records):
        rng = np.random.default_rng(seed)
        heart = made.heart(seconds=made.seconds, rng=rng)
        r_mv = rng.uniform(0.5, 1.3, len(leads)) * rng.choice([1, 1, 1, 1, -1], len(leads))
        atrial_mv = 0.0 if heart.atrial_mv is None else heart.atrial_mv[[LEADS.index(name) for name in leads]]
        yield heart, drawn_ecg(
            heart.r_s, made.seconds, r_mv.tolist(), heart.qrs_s, made.p_ratio, made.t_ratio, p_s=heart.p_s,
            atrial_mv=atrial_mv, noise_mv=0.02, to_hz=FS_HZ, seed=seed,
        )  # fmt: skip


def of_made(segmenter: EcgSegmenter, leads: Sequence[str], made: MadeOf) -> MadeFigures:
    """Figures of `drawn_records`."""
    fs_hz = segmenter.preparation.fs_hz
    counts, beats, p_counts = np.zeros(3), 0, np.zeros(3, np.int64)
    for heart, recorded_mv in drawn_records(made, leads):
        ecg_mv = segmenter.takes.filtered(recorded_mv, FS_HZ)
        waves = find_waves(segmenter.of_prepared(ecg_mv, leads, segmenter.takes), fs_hz, ecg_mv)
        found = measure_waves(waves, beats_s=heart.r_s)
        counts += (found.share[found.r_s > _EDGE_S] >= LEAST_SHARE).sum(axis=0)
        beats += int((heart.r_s > _EDGE_S).sum())
        p_counts += p_over_leads(waves, len(leads), heart.p_s if made.p_ratio else np.zeros(0))
    p, qrs, t = (counts / beats).tolist()
    true_p, p_found, p_invented = p_counts.tolist()
    return MadeFigures(beats, qrs, p, t, true_p, p_found / true_p if true_p else float("nan"), p_invented)


def p_over_leads(waves: Waves, leads: int, p_s: Float64[np.ndarray, " p"]) -> tuple[int, int, int]:
    """How many P there are, how many of them half of the leads show, and how many P they show at other places.

    P of each lead are matched one to one with those at `p_s`, within 150 ms; what is left at one place is one P.
    """
    shown, left = np.zeros(len(p_s), np.int64), [np.zeros(0)]
    for lead in range(leads):
        at_s = waves.peak_s[(waves.kind == _P) & (waves.lead == lead)]
        true, found = match_times(p_s, at_s, _NEAR_S)
        shown[true] += 1
        left.append(np.delete(at_s, found))
    elsewhere_s = np.sort(np.concatenate(left))
    of_place = np.bincount(np.cumsum(np.diff(elsewhere_s, prepend=0.0) > SAME_WAVE_S))
    least = LEAST_SHARE * leads
    return len(p_s), int((shown >= least).sum()), int((of_place >= least).sum())
