"""Corrections of an analysis as the page sends them: waves added, moved and removed, classes of beats, labels."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, ConfigDict, Field

from beatssl.analysis.result import Analysis, Beats, Flag, WavesOfLeads
from beatssl.analysis.rhythm import rhythm_of
from beatssl.analysis.rhythms.result import Rhythms
from beatssl.beats.classes.classifier import CLASSES
from beatssl.records.record import Record
from beatssl.signals.leads import canonical_leads
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.own_data.user_table import ID_TITLES, UNKNOWN
from beatssl.viewer.refusal import Refused

TICKS_PER_S = 10_000
"""Times go to the page and back in tenths of a millisecond, so that a wave is found again by its onset."""
LONGEST_WAVE_S = 2.0
CORRECTED = "corrected"
"""The flag of an analysis that a person corrected."""
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _./+-]{0,39}")
"""What a label of one's own may be called; no spreadsheet takes it for a formula."""

_NO_LABELS = frozenset([*ID_TITLES, *UNKNOWN, "record_id", "patient_id", "label"])
_FLAG = Flag(CORRECTED, "waves or beat classes were corrected by a person; intervals and diagnoses are the models' own")

Ticks = Annotated[int, Field(ge=0, le=2**40)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class WaveEdit(_Strict):
    """One wave of one lead: `before` alone is removed, `after` alone is added, both are a wave that was moved."""

    lead: str = Field(max_length=200)
    kind: Literal[1, 2, 3]
    """Number in `WAVE_CLASSES`."""
    before: list[Ticks] | None = Field(default=None, min_length=2, max_length=2)
    after: list[Ticks] | None = Field(default=None, min_length=2, max_length=2)


class BeatEdit(_Strict):
    """The class of one beat, by its number."""

    beat: int = Field(ge=0)
    label: Literal["N", "S", "V", "F", ""]


class Edits(_Strict):
    """What the page saves: edits in order, and all labels that are known."""

    revision: int
    """That the page knows; another one was saved since where it differs."""
    waves: list[WaveEdit] = Field(max_length=20_000)
    beats: list[BeatEdit] = Field(max_length=200_000)
    labels: dict[str, bool] = Field(max_length=300)


def ticks(times_s: Any) -> Any:
    """Seconds as whole tenths of a millisecond."""
    return np.round(np.asarray(times_s, np.float64) * TICKS_PER_S).astype(np.int64)


def ends_of(waves: WavesOfLeads) -> tuple[Any, Any]:
    """Onsets and offsets in ticks; where one was not found, as at the record's ends, the peak stands for it."""
    return tuple(ticks(np.where(np.isnan(end), waves.peak_s, end)) for end in (waves.onset_s, waves.offset_s))


def edited(a: Analysis, edits: Edits) -> Analysis:
    """The analysis with the edits. Raises Refused for a wave or beat that is not there, and for a wave that no lead
    can have: outside the record, too long, or overlapping another one."""
    for name in edits.labels:
        check_label(name)
    waves = _waves(a, edits.waves) if edits.waves else a.waves
    labels = list(a.beats.labels)
    for one in edits.beats:
        if one.beat >= len(labels):
            raise Refused(422, "edit", f"there is no beat {one.beat}; the record has {len(labels)}")
        labels[one.beat] = one.label
    return with_marks(a, waves, labels) if edits.waves or edits.beats else a


def with_marks(a: Analysis, waves: WavesOfLeads, labels: Sequence[str]) -> Analysis:
    """The analysis with a person's waves and classes of beats; rhythm follows them, a flag says so."""
    beats, was = _with_labels(a.beats, labels), a.rhythm
    rhythms = Rhythms(was.classes, was.classes_reason, was.episodes, was.stretches, was.af_burden)
    return replace(
        a,
        waves=waves,
        beats=beats,
        rhythm=rhythm_of(beats.time_s, beats.rr_s, beats.class_probability, beats.labels, rhythms),
        flags=(*(flag for flag in a.flags if flag.name != CORRECTED), _FLAG),
    )


def check_label(name: str) -> None:
    """Raises Refused for a name that no label may have."""
    if not LABEL.fullmatch(name) or name.lower().replace(" ", "_") in _NO_LABELS:
        raise Refused(
            422, "label", f"{name[:60]!r} is no name of a label; begin with a letter or digit, use up to 40 of them"
        )


def peak_s(record: Record, lead: str, onset_s: float, offset_s: float) -> float:
    """Where the lead is farthest from the line between a wave's ends."""
    row = record.ecg_mv[canonical_leads(record.leads).index(lead)]
    first, last = (round(time_s * record.fs_hz) for time_s in (onset_s, offset_s))
    part = np.asarray(row[first : last + 1], np.float64)
    away = np.abs(part - np.linspace(part[0], part[-1], len(part))) if len(part) else part
    if not np.isfinite(away).any():
        return (onset_s + offset_s) / 2
    return (first + int(np.nanargmax(away))) / record.fs_hz


def _with_labels(beats: Beats, labels: Sequence[str]) -> Beats:
    """Beats whose class a person changed have the probability 1 of theirs."""
    probability = beats.class_probability.copy()
    for at, (old, new) in enumerate(zip(beats.labels, labels, strict=True)):
        if old != new:
            probability[at] = [float(new == name) for name in CLASSES] if new else np.nan
    return replace(beats, class_probability=probability)


def _waves(a: Analysis, edits: Sequence[WaveEdit]) -> WavesOfLeads:
    """The waves after the edits, in order of lead and time. What a person set has no confidence (NaN)."""
    waves, record = a.waves, a.signal
    assert record is not None
    numbers = {lead: number for number, lead in enumerate(waves.leads)}
    onsets = ends_of(waves)[0]
    kept = {(int(lead), int(kind), int(at)): row
            for row, (lead, kind, at) in enumerate(zip(waves.lead, waves.wave, onsets, strict=True))}  # fmt: skip
    added: dict[tuple[int, int, int], tuple[float, float]] = {}
    for one in edits:
        if one.lead not in numbers:
            raise Refused(422, "edit", f"the record has no lead {one.lead[:40]!r}")
        number = numbers[one.lead]
        if one.before is not None:
            key = (number, one.kind, one.before[0])
            if added.pop(key, None) is None and kept.pop(key, None) is None:
                raise Refused(
                    409, "edit",
                    f"lead {one.lead[:40]} has no {WAVE_CLASSES[one.kind]} at {one.before[0] / TICKS_PER_S:.3f} s",
                )  # fmt: skip
        if one.after is not None:
            start_s, stop_s = (tick / TICKS_PER_S for tick in one.after)
            if not start_s < stop_s <= min(record.duration_s, start_s + LONGEST_WAVE_S):
                raise Refused(422, "edit", f"no wave lasts from {start_s:.3f} to {stop_s:.3f} s")
            added[(number, one.kind, one.after[0])] = (start_s, stop_s)
    old = np.array(sorted(kept.values()), np.int64)
    new = [(lead, kind, start_s, peak_s(record, waves.leads[lead], start_s, stop_s), stop_s)
           for (lead, kind, _), (start_s, stop_s) in added.items()]  # fmt: skip
    return _checked(_joined(waves, old, new))


def _joined(waves: WavesOfLeads, old: Any, new: Sequence[tuple[int, int, float, float, float]]) -> WavesOfLeads:
    lead, kind, onset, peak, offset = zip(*new, strict=True) if new else ((),) * 5
    unknown: Float32[np.ndarray, " new"] = np.full(len(new), np.nan, np.float32)
    columns = {
        "lead": np.concatenate([waves.lead[old], np.array(lead, np.int8)]),
        "wave": np.concatenate([waves.wave[old], np.array(kind, np.int8)]),
        "onset_s": np.concatenate([waves.onset_s[old], np.array(onset, np.float64)]),
        "peak_s": np.concatenate([waves.peak_s[old], np.array(peak, np.float64)]),
        "offset_s": np.concatenate([waves.offset_s[old], np.array(offset, np.float64)]),
        "onset_confidence": np.concatenate([waves.onset_confidence[old], unknown]),
        "offset_confidence": np.concatenate([waves.offset_confidence[old], unknown]),
        "confidence": np.concatenate([waves.confidence[old], unknown]),
    }
    order = np.lexsort((columns["onset_s"], columns["lead"]))
    return WavesOfLeads(waves.leads, **{name: values[order] for name, values in columns.items()})


def _checked(waves: WavesOfLeads) -> WavesOfLeads:
    """The waves. Raises Refused where one that a person set overlaps another of its lead."""
    by_person = np.isnan(waves.onset_confidence)
    onsets, offsets = ends_of(waves)
    over = (waves.lead[1:] == waves.lead[:-1]) & (onsets[1:] < offsets[:-1]) & (by_person[1:] | by_person[:-1])
    if over.any():
        at = int(np.flatnonzero(over)[0])
        raise Refused(
            422,
            "edit",
            f"two waves of lead {waves.leads[waves.lead[at]][:40]} overlap at {waves.onset_s[at + 1]:.3f} s",
        )
    return waves
