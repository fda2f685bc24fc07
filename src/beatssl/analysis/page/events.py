"""What a reader of a long record wants to jump to: rhythms, pauses, runs, couplets, ectopic beats, extremes of rate."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from beatssl.analysis.result import Analysis
from beatssl.analysis.rhythms.ectopy import IN_WORDS
from beatssl.analysis.rhythms.truth import RHYTHMS
from beatssl.beats.classes.classifier import CLASSES

Kind = Literal["rhythm", "pause", "run", "group", "rate", "S", "V", "F"]

MOST = 50
"""Events of one kind that are listed: the longest episodes, pauses, runs and groups, ectopic beats evenly spread."""

_OVER = 4  # RR intervals that a rate is taken over, as in `analysis.rhythm`
_NAMES = {"S": "supraventricular beat", "V": "ventricular beat", "F": "fusion beat"}


@dataclass(frozen=True, slots=True)
class Event:
    """A place in a record and what is there."""

    kind: Kind
    start_s: float
    text: str


def events(a: Analysis) -> list[Event]:
    """The events of a record in order of time, `MOST` of a kind at most."""
    found = _rhythms(a) + _pauses(a) + _runs(a) + _groups(a) + _rates(a)
    inside = [(run.start_s, run.beats) for run in a.rhythm.runs]
    labels = np.array(a.beats.labels, object)
    confidence = a.beats.confidence
    alone = np.ones(len(labels), np.bool_)
    for start_s, beats in inside:
        first = int(np.searchsorted(a.beats.time_s, start_s - 1e-6))
        alone[first : first + beats] = False
    kinds: tuple[Literal["S", "V", "F"], ...] = ("S", "V", "F")
    assert set(kinds) < set(CLASSES)
    for kind in kinds:
        at = np.flatnonzero((labels == kind) & alone)
        chosen = at[np.unique(np.linspace(0, len(at) - 1, min(MOST, len(at))).astype(np.int64))]
        found += [
            Event(kind, float(a.beats.time_s[one]), f"{_NAMES[kind]}, confidence {confidence[one]:.2f}")
            for one in chosen
        ]
    return sorted(found, key=lambda one: one.start_s)


def _rhythms(a: Analysis) -> list[Event]:
    """Episodes of another rhythm than sinus rhythm."""
    others = [one for one in a.rhythm.episodes if one.name != RHYTHMS[0]]
    longest = sorted(others, key=lambda one: one.start_s - one.stop_s)[:MOST]
    return [
        Event(
            "rhythm", one.start_s,
            f"{one.name} for {(one.stop_s - one.start_s) / 60:.1f} min, probability {one.probability:.2f}",
        )
        for one in longest
    ]  # fmt: skip


def _pauses(a: Analysis) -> list[Event]:
    longest = sorted(a.rhythm.pauses, key=lambda one: -one.duration_s)[:MOST]
    return [Event("pause", one.start_s, f"pause of {one.duration_s:.1f} s") for one in longest]


def _runs(a: Analysis) -> list[Event]:
    longest = sorted(a.rhythm.runs, key=lambda one: -one.beats)[:MOST]
    return [
        Event(
            "run", one.start_s,
            f"run of {one.beats} {IN_WORDS[one.kind]} beats"
            + (f" at {one.rate_bpm:.0f}/min" if np.isfinite(one.rate_bpm) else ""),
        )
        for one in longest
    ]  # fmt: skip


def _groups(a: Analysis) -> list[Event]:
    longest = sorted(a.rhythm.groups, key=lambda one: -one.ectopic_beats)[:MOST]
    return [
        Event(
            "group", one.start_s,
            f"{IN_WORDS[one.kind]} {one.name}" + (f", {one.ectopic_beats} beats" if one.name != "couplet" else ""),
        )
        for one in longest
    ]  # fmt: skip


def _rates(a: Analysis) -> list[Event]:
    rr_s = a.beats.rr_s
    if len(rr_s) <= 2 * _OVER:
        return []
    means = np.lib.stride_tricks.sliding_window_view(rr_s, _OVER).mean(axis=1)
    if not np.isfinite(means).any():
        return []
    found: list[Event] = []
    for name, at in (("lowest", int(np.nanargmax(means))), ("highest", int(np.nanargmin(means)))):
        start_s = float(a.beats.time_s[max(at - 1, 0)])
        found.append(Event("rate", start_s, f"{name} rate, {60 / means[at]:.0f}/min over {_OVER} beats"))
    return found
