"""R-peak detectors beside each other: the same records, the same tolerance."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beatssl.checks.r_peaks.cases import PeakCase, peak_cases
from beatssl.checks.r_peaks.detectors import DETECTORS, detected
from beatssl.metrics.boundaries import Score
from beatssl.progress import track
from beatssl.results import Number


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
class PeakDetectorFigures:
    """Every detector on every set."""

    detectors: tuple[DetectorFigures, ...]


def check_peak_detectors(
    folder: Path, kept: Path | None = None, detectors: Sequence[str] = tuple(DETECTORS)
) -> PeakDetectorFigures:
    """Sensitivity and PPV of R peaks by each detector, pooled over the records of each set.

    Detectors of other packages get one lead as it was recorded (the first, or II of twelve), the package's own all
    leads, and once that lead alone. Beats count within 150 ms, within 75 ms on LUDB (between the first and the last
    mark) and on CPSC 2019 (without half a second at each end). The noise stress test counts from the first noise on.
    What is found in the flutter waves of MIT-BIH's record 207 counts as false.

    Finished lines lie in the file `kept`; begun again, the check goes on after the last one. None: nothing is kept.

    Raises FileNotFoundError where `folder` holds none of the sets, ImportError without the extra `bench`.
    """
    lines = list(_lines(folder, kept, detectors))
    sets = list(dict.fromkeys(line["data"] for line in lines))
    return PeakDetectorFigures(
        tuple(
            _figures([line for line in lines if (line["data"], line["detector"]) == (data, name)])
            for data in sets
            for name in detectors
        )
    )


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
    counts = {"matched": score.matched, "missed": score.missed, "false": score.false}
    return {"data": case.data, "record": case.record, "detector": name, "tolerance_ms": 1e3 * case.tolerance_s} | counts


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
