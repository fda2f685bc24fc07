"""The MIT-BIH Arrhythmia Database (Moody and Mark 2001): 48 half-hours of two leads, a class for every beat."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from beatssl.records.annotations import BEATS, Annotations, read_annotations
from beatssl.records.demographics import Sex, age_of, sex_of
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import BeatMarks, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb, record_names
from beatssl.signals.leads import canonical_leads

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201", "203", "205", "207",
    "208", "209", "215", "220", "223", "230",
)  # fmt: skip
"""Training records of the inter-patient split (de Chazal et al. 2004)."""

DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213", "214", "219", "221",
    "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""Test records of that split. 202 is the patient of DS1's 201; the canonical split is kept."""

PACED = ("102", "104", "107", "217")
"""Records with paced beats, which the split leaves out."""

AamiClass = Literal["N", "S", "V", "F", "Q"]

_AAMI: dict[str, AamiClass] = {
    **dict.fromkeys("NLRBejn", "N"), **dict.fromkeys("AaJS", "S"), **dict.fromkeys("VEr", "V"), "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}  # fmt: skip

_FIRST_COMMENT = re.compile(r"(-?\d+)\s+([MF])\b")
_SAME_PATIENT = {"202": "201"}


def aami_class(symbol: str) -> AamiClass | None:
    """The AAMI EC57 class of a beat symbol, or None for what is no beat and for flutter waves ("!").

    N: normal, bundle branch block, atrial and nodal escape; S: supraventricular ectopic; V: ventricular ectopic and
    escape; F: fusion of V and N; Q: paced, fusion of paced and N, unclassifiable. After de Chazal et al. 2004, Table I.
    """
    return _AAMI.get(symbol)


@dataclass(frozen=True, slots=True)
class MitdbReader:
    """MIT-BIH Arrhythmia Database 1.0.0.

    `beats` holds the marks of beats and of flutter waves ("!", record 207), which `aami_class` tells apart;
    `metadata["flutter_s"]` holds start and end of ventricular flutter in seconds. 201 and 202 are one patient. The
    headers state a gain but no unit: WFDB's default, mV, holds.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="mitdb", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `RECORDS` names, sorted. Raises FileNotFoundError where it is missing."""
        names = sorted(record_names(root))
        return [Source(record_id, name) for record_id, name in zip(unlike_ids(names), names, strict=True)]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path` with the beats of `atr`."""
        signals = read_wfdb(root, source.path, self.units)
        marks = read_annotations(root, source.path, "atr")
        age, sex = _age_sex(signals.comments)
        flutter = _flutter_s(marks, signals.fs_hz)
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=canonical_leads(signals.leads),
            fs_hz=signals.fs_hz,
            id=source.id,
            source="mitdb",
            patient_id=_SAME_PATIENT.get(source.id, source.id),
            age_years=age,
            sex=sex,
            beats=beat_marks(marks, signals.fs_hz),
            metadata=signals.metadata | ({"flutter_s": flutter} if flutter else {}),
        )


def _age_sex(comments: tuple[str, ...]) -> tuple[float | None, Sex | None]:
    """From the first comment, such as "69 M 1085 1629 x1" (age −1: unknown)."""
    match = _FIRST_COMMENT.match(comments[0]) if comments else None
    return (age_of(match[1]), sex_of(match[2])) if match else (None, None)


def beat_marks(marks: Annotations, fs_hz: float) -> BeatMarks:
    """The marks of beats and of flutter waves among all; times in seconds."""
    keep = [symbol in BEATS or symbol == "!" for symbol in marks.symbol]
    return BeatMarks(
        time_s=marks.sample[np.array(keep, bool)] / fs_hz,
        symbol=tuple(symbol for symbol, kept in zip(marks.symbol, keep, strict=True) if kept),
    )


def _flutter_s(marks: Annotations, fs_hz: float) -> list[tuple[float, float]]:
    """Start and end of each stretch of ventricular flutter, marked "[" and "]"."""
    starts = [at / fs_hz for at, symbol in zip(marks.sample.tolist(), marks.symbol, strict=True) if symbol == "["]
    ends = [at / fs_hz for at, symbol in zip(marks.sample.tolist(), marks.symbol, strict=True) if symbol == "]"]
    return list(zip(starts, ends, strict=False))
