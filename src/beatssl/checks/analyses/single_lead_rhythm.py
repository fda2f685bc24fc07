"""Normal, atrial fibrillation, other or noise from one hand-held lead, as the challenge of CinC 2017 asks."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from beatssl.analysis.model import EcgModel
from beatssl.analysis.result import Analysis
from beatssl.analysis.rhythms.truth import AF, SINUS
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.metrics.classification import auroc
from beatssl.records.datasets.cinc2017 import CLASSES
from beatssl.records.read import read
from beatssl.records.record import RecordError
from beatssl.results import Number

PREVALENCE = {"normal": 5154, "af": 771, "other": 2557, "noise": 46}
"""Records of the challenge's training set."""


@dataclass(frozen=True)
class SingleLeadCheckConfig:
    """What a result is called; taken from textbooks and from PTB-XL, nothing from the challenge's records."""

    lead: str = "I"
    """Hand-held recorders measure between the hands."""
    least_quality: float = 0.4
    """Below this, as below no rhythm at all, a record is noise: the score that `analyze` flags."""
    normal_rate_bpm: tuple[float, float] = (50.0, 100.0)
    not_normal: tuple[str, ...] = (
        "PAC", "PVC", "BIGU", "TRIGU", "SVARR", "SVTAC", "PSVT", "1AVB", "LPR", "CLBBB", "CRBBB", "WPW",
    )  # fmt: skip
    """Statements that a normal record has none of above its threshold, which PTB-XL's fold 8 has set."""


@dataclass(frozen=True)
class F1Figures:
    """The challenge's F1 = 2 · right / (records of the class + records called so)."""

    normal: Number
    af: Number
    other: Number
    noise: Number
    mean_of_three: Number
    """Of normal, AF and other: the challenge's score."""


@dataclass(frozen=True)
class SingleLeadFigures:
    """The mix of classes differs from the challenge's: the second set weights each class to its share there."""

    records: int
    by_class: Mapping[str, int]
    this_mix: F1Figures
    challenge_mix: F1Figures
    by_beat_classes: F1Figures
    """At the challenge's mix, where any beat of class S, V or F makes a sinus rhythm other, rather than a statement."""
    confusion: Mapping[str, Mapping[str, int]]
    """Records by reference, then by what they are called."""
    af_auroc: Number
    """AF against normal and other by the probability of atrial fibrillation or flutter; −1 where there is none."""
    af_among_normal: Number
    """Share of the normal records that are called AF."""


def check_single_lead_rhythm(
    folder: Path, kept: Path, config: SingleLeadCheckConfig = SingleLeadCheckConfig()
) -> SingleLeadFigures:
    """What `analyze` makes of CinC 2017's records, called as its challenge asks; nothing was trained on them.

    Raises FileNotFoundError where `folder` has no REFERENCE.csv.
    """
    with (folder / "REFERENCE.csv").open(encoding="utf-8", newline="") as file:
        reference = {name: CLASSES[symbol] for name, symbol in csv.reader(file)}

    def line_of(model: EcgModel, name: str) -> Line:
        record = read(folder / f"{name}.hea")
        try:
            a = model.analyze(record.replace(leads=(config.lead,)), embeddings=False)
        except RecordError as error:
            return {"refused": error.reason, "quality": 0.0, "rhythm": {}, "rate": None, "ectopic": 0, "statements": {}}
        return _line(a)

    lines = analysed_lines(list(reference), line_of, kept)
    names = list(PREVALENCE)
    true = np.array([names.index(reference[line["record"]]) for line in lines], np.int64)
    confusion = _confusion(true, [called_as(line, config) for line in lines])
    of_beats = _confusion(true, [called_as(line, config, by_beats=True) for line in lines])
    count = confusion.sum(axis=1)
    weight = (np.array(list(PREVALENCE.values())) / np.maximum(count, 1))[:, None]
    p_af = np.array([line["rhythm"].get(AF, -1.0) for line in lines])
    noise = true == names.index("noise")
    return SingleLeadFigures(
        records=len(lines),
        by_class=dict(zip(names, count.tolist(), strict=True)),
        this_mix=_f1(confusion.astype(np.float64)),
        challenge_mix=_f1(confusion * weight),
        by_beat_classes=_f1(of_beats * weight),
        confusion={
            name: dict(zip(names, line, strict=True)) for name, line in zip(names, confusion.tolist(), strict=True)
        },
        af_auroc=auroc((true == names.index("af"))[~noise], p_af[~noise]),
        af_among_normal=float(confusion[0, 1] / max(int(count[0]), 1)),
    )


def _line(a: Analysis) -> Line:
    return {
        "refused": "",
        "quality": a.quality.score,
        "rhythm": {one.name: one.probability for one in a.rhythm.classes},
        "rate": a.rhythm.rate_bpm.value,
        "ectopic": sum(a.rhythm.ectopic_beats.values()),
        "beats": len(a.beats),
        "statements": {one.name: one.probability for one in a.diagnoses.statements if one.above},
    }


def called_as(line: Line, config: SingleLeadCheckConfig, by_beats: bool = False) -> str:
    """The challenge's class of one result.

    Noise where there is no rhythm or the quality is below `least_quality`; AF where atrial fibrillation or flutter is
    the likeliest rhythm; normal where sinus rhythm is, at a normal rate and without a statement of `not_normal`
    (`by_beats`: without an ectopic beat); else other.
    """
    rhythm: Mapping[str, float] = line["rhythm"]
    if not rhythm or line["quality"] < config.least_quality:
        return "noise"
    likeliest = max(rhythm, key=lambda name: rhythm[name])
    if likeliest == AF:
        return "af"
    low, high = config.normal_rate_bpm
    steady = line["rate"] is not None and low <= line["rate"] <= high
    more = bool(line["ectopic"]) if by_beats else any(name in line["statements"] for name in config.not_normal)
    return "normal" if likeliest == SINUS and steady and not more else "other"


def _confusion(true: Int64[np.ndarray, " record"], called: Sequence[str]) -> Int64[np.ndarray, "4 4"]:
    out = np.zeros((4, 4), np.int64)
    names = list(PREVALENCE)
    np.add.at(out, (true, np.array([names.index(name) for name in called], np.int64)), 1)
    return out


def _f1(confusion: Float64[np.ndarray, "4 4"]) -> F1Figures:
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion) / np.where(both > 0, both, np.nan)
    return F1Figures(*(float(value) for value in f1), mean_of_three=float(f1[:3].mean()))
