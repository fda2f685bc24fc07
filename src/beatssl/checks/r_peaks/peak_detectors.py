"""R-peak detectors beside each other: the same records, the same tolerance."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beatssl.checks.r_peaks.cases import PeakCase, peak_cases
from beatssl.checks.r_peaks.detectors import DETECTORS, OWN, detected, rated_candidates
from beatssl.metrics.boundaries import Score
from beatssl.progress import track
from beatssl.results import Number
from beatssl.signals.matching import match_times

_BINS = 10


@dataclass(frozen=True)
class DetectorFigures:
    """One detector on one set of records."""

    data: str
    detector: str
    records: int
    tolerance_ms: float
    beats: int
    """In the reference."""
    missed: int
    false: int
    sensitivity: Number
    ppv: Number
    f1: Number


@dataclass(frozen=True)
class ReliabilityBin:
    """Candidates of one tenth of the confidence."""

    from_confidence: float
    candidates: int
    confidence_mean: Number
    beats_share: Number
    """Of the candidates that match a reference beat."""


@dataclass(frozen=True)
class ReliabilityFigures:
    """Confidence of R peaks against how many are beats, on records that it was not fitted on, noise stress apart."""

    data: str
    candidates: int
    expected_calibration_error: Number
    """Mean distance of confidence and share of beats, over the bins."""
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class PeakDetectorFigures:
    """Every detector on every set."""

    detectors: tuple[DetectorFigures, ...]
    reliability: tuple[ReliabilityFigures, ...]
    """Of the package's own on all leads: of each set and of all."""


def check_peak_detectors(
    folder: Path, kept: Path | None = None, detectors: Sequence[str] = tuple(DETECTORS)
) -> PeakDetectorFigures:
    """Sensitivity and PPV of R peaks by each detector, pooled over the records of each set.

    Detectors of other packages get one lead as it was recorded (the first, or II of twelve), the package's own all
    leads, and once that lead alone. Beats count within 150 ms, within 75 ms on LUDB (between the first and the last
    mark), on CPSC 2019 (without half a second at each end) and on drawn records. The noise stress test counts from the
    first noise on. What is found in the flutter waves of MIT-BIH's record 207 counts as false.

    Changed records are the first ten minutes of DS2's eight records of MIT-BIH's 100 series: as recorded, resampled to
    50 and 1000 Hz, and inverted. Paced are the whole of 102, 104, 107 and 217. Drawn ones have twelve leads, 20 or 250
    beats a minute, or T waves 1.5 to 3 times as tall as R.

    Finished lines lie in the file `kept`; begun again, the check goes on after the last one. None: nothing is kept.

    Raises FileNotFoundError where `folder` holds none of the sets, ImportError without the extra `bench`.
    """
    lines = list(_lines(folder, kept, detectors))
    sets = list(dict.fromkeys(line["data"] for line in lines))
    figures = [
        _figures([line for line in lines if (line["data"], line["detector"]) == (data, name)])
        for data in sets
        for name in detectors
    ]
    rated = {data: [line["bins"] for line in lines if line["data"] == data and "bins" in line] for data in sets}
    rated = {data: bins for data, bins in rated.items() if bins}
    if rated:
        rated["all"] = [one for bins in rated.values() for one in bins]
    return PeakDetectorFigures(tuple(figures), tuple(_reliability(data, bins) for data, bins in rated.items()))


def _lines(folder: Path, kept: Path | None, detectors: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A line a record and detector: those of the file first looked up, the others detected and added to it."""
    texts = kept.read_text(encoding="utf-8").splitlines() if kept is not None and kept.is_file() else []
    done = {_key(line): line for line in map(json.loads, texts)}
    for case in track(list(peak_cases(folder)), "R peaks", unit="records"):
        for name in detectors:
            if (case.data, case.record, name) not in done:
                line = done[case.data, case.record, name] = _line(case, name)
                if kept is not None:
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    with kept.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
            yield done[case.data, case.record, name]


def _key(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["data"], line["record"], line["detector"]


def _line(case: PeakCase, name: str) -> dict[str, Any]:
    score = case.score(detected(name, case))
    line = {"data": case.data, "record": case.record, "detector": name, "tolerance_ms": 1e3 * case.tolerance_s}
    line |= {"matched": score.matched, "missed": score.missed, "false": score.false}
    return line | ({"bins": _bins(case)} if name == OWN and case.rated else {})


def _bins(case: PeakCase) -> list[list[float]]:
    """Of each tenth of the confidence: candidates, sum of their confidence, and how many are beats."""
    time_s, confidence = rated_candidates(case)
    is_beat = np.zeros(len(time_s), np.bool_)
    is_beat[match_times(case.reference_s, time_s, case.tolerance_s)[1]] = True
    inside = (time_s > case.span_s[0]) & (time_s < case.span_s[1])
    number = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    each = [inside & (number == at) for at in range(_BINS)]
    return [[float(some.sum()), float(confidence[some].sum()), float(is_beat[some].sum())] for some in each]


def _reliability(data: str, bins: Sequence[Sequence[Sequence[float]]]) -> ReliabilityFigures:
    count, confidence, beats = np.sum(np.array(bins, np.float64), axis=0).T
    some = np.maximum(count, 1)
    return ReliabilityFigures(
        data=data,
        candidates=int(count.sum()),
        expected_calibration_error=float(np.abs(confidence - beats).sum() / max(count.sum(), 1)),
        bins=tuple(
            ReliabilityBin(at / _BINS, int(count[at]), float(confidence[at] / some[at]), float(beats[at] / some[at]))
            for at in range(_BINS)
            if count[at]
        ),
    )


def _figures(lines: Sequence[dict[str, Any]]) -> DetectorFigures:
    total = sum((Score(line["matched"], line["missed"], line["false"]) for line in lines), Score(0, 0, 0))
    return DetectorFigures(
        data=lines[0]["data"],
        detector=lines[0]["detector"],
        records=len(lines),
        tolerance_ms=lines[0]["tolerance_ms"],
        beats=total.matched + total.missed,
        missed=total.missed,
        false=total.false,
        sensitivity=total.sensitivity,
        ppv=total.ppv,
        f1=total.f1,
    )
