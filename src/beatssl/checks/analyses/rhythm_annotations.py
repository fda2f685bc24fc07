"""Rhythm over time against the rhythm annotations of MIT-BIH."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from beatssl.analysis.model import EcgModel
from beatssl.analysis.result import PACED_BEAT
from beatssl.analysis.rhythms.truth import AF, OTHER, PACED, RHYTHMS, SINUS
from beatssl.beats.classes.matching import TOLERANCE_S
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.metrics.classification import auroc
from beatssl.records.annotations import read_annotations
from beatssl.records.mitdb import MitdbReader
from beatssl.records.record import BeatMarks
from beatssl.results import Number
from beatssl.signals.matching import match_times

_CODES = {"(AFIB": AF, "(AFL": AF, "(P": PACED, "(N": SINUS, "(SBR": SINUS}
"""Any other code is another rhythm."""

_STEP_S = 1.0


@dataclass(frozen=True)
class TimeFigures:
    """One rhythm by seconds of all records; time for which `analyze` gives no rhythm counts as not found."""

    hours: Number
    """Annotated."""
    sensitivity: Number
    ppv: Number


@dataclass(frozen=True)
class AnnotatedRecord:
    """One record with atrial fibrillation, or in which it was found: shares of its time."""

    record: str
    annotated: Number
    found: Number


@dataclass(frozen=True)
class PacedBeatFigures:
    """Beats of class Q of all records against the marks of paced beats ("/")."""

    beats: int
    """Marked."""
    sensitivity: Number
    ppv: Number
    """Fusion of paced and normal beats ("f") counts as right."""


@dataclass(frozen=True)
class RhythmAnnotationFigures:
    """Of all records."""

    records: int
    hours: Number
    without_rhythm: Number
    """Share of the time for which `analyze` gives none."""
    by_time: Mapping[str, TimeFigures]
    stretches: int
    """Of about 30 s with a rhythm and without a change of it."""
    af_stretch_auroc: Number
    """Their probability of atrial fibrillation or flutter against the annotated rhythm."""
    paced_stretch_auroc: Number
    records_with_af: tuple[AnnotatedRecord, ...]
    """Annotated with it, or found with it for a hundredth of the time."""
    paced_records: Mapping[str, Number]
    """Share of each record's annotated paced time that was found."""
    p_per_beat: Mapping[str, Number]
    """By annotated rhythm: share of the beats that have a P."""
    paced_beats: PacedBeatFigures


def check_rhythm_annotations(folder: Path, kept: Path) -> RhythmAnnotationFigures:
    """Episodes that `analyze` finds in MIT-BIH's records against the annotated ones; nothing was trained on them.

    Raises FileNotFoundError where MIT-BIH is not at `folder`.
    """
    reader = MitdbReader()
    sources = {source.id: source for source in reader.sources(folder)}

    def line_of(model: EcgModel, name: str) -> Line:
        record = reader.read(folder, sources[name])
        a = model.analyze(record, embeddings=False)
        marks = read_annotations(folder, sources[name].path, "atr")
        return {
            "duration_s": record.duration_s,
            "annotated": [
                (int(sample) / record.fs_hz, text)
                for sample, text in zip(marks.sample, marks.text, strict=True)
                if text.startswith("(")
            ],
            "episodes": a.rhythm.episodes,
            "stretches": a.rhythm.stretches,
            "beats": np.stack([a.beats.time_s, np.isfinite(a.beats.marks.p_peak_s)], axis=1).round(3).tolist(),
            "paced_beats": paced_counts(record.beats, a.beats.time_s, a.beats.labels),
        }

    return _figures(analysed_lines(list(sources), line_of, kept))


def _figures(lines: Sequence[Line]) -> RhythmAnnotationFigures:
    truth, found = [_annotated(line) for line in lines], [_found(line) for line in lines]
    all_truth, all_found = np.concatenate(truth), np.concatenate(found)
    stretches = [one for line, own in zip(lines, truth, strict=True) for one in _stretches(line, own)]
    true = np.array([rhythm for rhythm, _ in stretches])
    marked, called, both, right = np.sum([line["paced_beats"] for line in lines], axis=0).tolist()
    p = np.array([probability for _, probability in stretches])
    return RhythmAnnotationFigures(
        records=len(lines),
        hours=len(all_truth) * _STEP_S / 3600,
        without_rhythm=float((all_found < 0).mean()),
        by_time={name: _by_time(all_truth == k, all_found == k) for k, name in enumerate(RHYTHMS)},
        stretches=len(stretches),
        af_stretch_auroc=_auroc(true, p, AF),
        paced_stretch_auroc=_auroc(true, p, PACED),
        records_with_af=tuple(
            AnnotatedRecord(line["record"], float((own == at).mean()), float((other == at).mean()))
            for line, own, other in zip(lines, truth, found, strict=True)
            for at in (RHYTHMS.index(AF),)
            if (own == at).any() or (other == at).mean() >= 0.01
        ),
        paced_records={
            line["record"]: float((other[own == at] == at).mean())
            for line, own, other in zip(lines, truth, found, strict=True)
            for at in (RHYTHMS.index(PACED),)
            if (own == at).any()
        },
        p_per_beat=_p_per_beat(lines, truth),
        paced_beats=PacedBeatFigures(marked, both / max(marked, 1), right / called if called else float("nan")),
    )


def _p_per_beat(lines: Sequence[Line], truth: Sequence[np.ndarray]) -> dict[str, float]:
    """Share of the beats with a P by the rhythm annotated at their second."""
    beats = [np.array(line["beats"], np.float64).reshape(-1, 2) for line in lines]
    rhythm = np.concatenate(
        [own[np.minimum((of[:, 0] / _STEP_S).astype(int), len(own) - 1)] for of, own in zip(beats, truth, strict=True)]
    )
    has_p = np.concatenate([of[:, 1] > 0 for of in beats])
    return {name: _share(float(has_p[rhythm == k].sum()), rhythm == k) for k, name in enumerate(RHYTHMS)}


def paced_counts(marks: BeatMarks | None, time_s: Float64[np.ndarray, " beat"], labels: tuple[str, ...]) -> list[int]:
    """Marked paced beats, beats of class Q, marked ones among these, and those that are right."""
    if marks is None:
        return [0, 0, 0, 0]
    symbols, paced = np.array(marks.symbol, object), np.array(labels, object) == PACED_BEAT
    at_mark, at_beat = match_times(marks.time_s, time_s, TOLERANCE_S)
    both = (symbols[at_mark] == "/") & paced[at_beat]
    right = np.isin(symbols[at_mark].astype(str), ("/", "f")) & paced[at_beat]
    return [int((symbols == "/").sum()), int(paced.sum()), int(both.sum()), int(right.sum())]


def _auroc(true: np.ndarray, p: np.ndarray, name: str) -> float:
    at = RHYTHMS.index(name)
    return auroc(true == at, p[:, at])


def _by_time(true: Bool[np.ndarray, " second"], found: Bool[np.ndarray, " second"]) -> TimeFigures:
    both = float((true & found).sum())
    return TimeFigures(float(true.sum()) * _STEP_S / 3600, _share(both, true), _share(both, found))


def _share(both: float, of: Bool[np.ndarray, " second"]) -> float:
    return both / float(of.sum()) if of.any() else float("nan")


def _annotated(line: Line) -> np.ndarray:
    """Number of the rhythm at each second; an annotation holds until the next. Before the first it is that one's."""
    times = np.arange(0.0, float(line["duration_s"]), _STEP_S)
    starts = [start for start, _ in line["annotated"]]
    kinds = np.array([RHYTHMS.index(_CODES.get(text, OTHER)) for _, text in line["annotated"]])
    return kinds[np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)]


def _found(line: Line) -> np.ndarray:
    """Number of the rhythm of the episode at each second; −1: none."""
    times = np.arange(0.0, float(line["duration_s"]), _STEP_S)
    out = np.full(len(times), -1)
    for one in line["episodes"]:
        out[(times >= one["start_s"]) & (times < one["stop_s"])] = RHYTHMS.index(one["name"])
    return out


def _stretches(line: Line, truth: np.ndarray) -> list[tuple[int, list[float]]]:
    """Annotated rhythm and probabilities of the stretches that have both, and one annotated rhythm alone."""
    out: list[tuple[int, list[float]]] = []
    for one in line["stretches"]:
        inside = np.unique(truth[int(one["start_s"]) : int(np.ceil(one["stop_s"]))])
        if one["probability"] and len(inside) == 1:
            out.append((int(inside[0]), one["probability"]))
    return out
