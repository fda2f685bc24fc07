"""Rate, intervals and axes against those that the recording machine printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from beatssl.analysis.model import EcgModel
from beatssl.analysis.result import Analysis
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.checks.analyses.printed_values import PRINTED, printed_values
from beatssl.features.wave_intervals import global_name
from beatssl.records.read import read
from beatssl.records.record import RecordError
from beatssl.results import Number

_OURS = {
    "pr_ms": global_name("pr_interval_ms"), "qrs_ms": global_name("qrs_duration_ms"),
    "qt_ms": global_name("qt_interval_ms"), "qtc_ms": global_name("qtc_bazett_ms"),
    "p_axis_deg": "p_axis_deg", "qrs_axis_deg": "qrs_axis_deg", "t_axis_deg": "t_axis_deg",
}  # fmt: skip
"""Measures of `Analysis.intervals`; the rate is of its rhythm."""

_COMPARED = ("rate_bpm", *_OURS)


@dataclass(frozen=True)
class DeviceCheckConfig:
    """What files state wrongly, and how far a measure may lie off before it is listed."""

    rates_hz: Mapping[str, float] = field(
        default_factory=lambda: {"cn_1.xml": 500.0, "liryc_hl7aecg_example.xml": 500.0}
    )
    """Sampling rates of files that state another one: their beats do not fit it."""
    outlier: Mapping[str, float] = field(
        default_factory=lambda: {
            "rate_bpm": 2.0, "pr_ms": 20.0, "qrs_ms": 20.0, "qt_ms": 30.0, "qtc_ms": 30.0, "p_axis_deg": 20.0,
            "qrs_axis_deg": 20.0, "t_axis_deg": 20.0,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class MeasureFigures:
    """One measure over the files that print it and of which it is determinable."""

    files: int
    """That print it."""
    compared: int
    median_absolute_difference: Number
    mean_difference: Number
    """Ours less the machine's."""
    largest: Number


@dataclass(frozen=True)
class Outlier:
    """One measure of one file that lies far off, or that only the machine has."""

    file: str
    measure: str
    printed: Number
    found: Number
    reason: str
    """Why there is none; "" where there is one."""


@dataclass(frozen=True)
class DeviceFigures:
    """Of every measure; one ECG in several formats, told by equal printed values, counts once."""

    files: int
    by_measure: Mapping[str, MeasureFigures]
    outliers: tuple[Outlier, ...]
    refused: Mapping[str, str]
    """Files that print values and are not read, with the reason."""
    lines: tuple[Line, ...]
    """By file: printed and found."""


def check_devices(folder: Path, kept: Path, config: DeviceCheckConfig = DeviceCheckConfig()) -> DeviceFigures:
    """What `analyze` measures in every clinical file below `folder` whose machine's own values it holds.

    Raises ValueError where no file holds any.
    """
    printed: dict[str, dict[str, float]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        values = {name: value for name, value in printed_values(path).items() if name in PRINTED}
        if values and values not in printed.values():
            printed[path.relative_to(folder).as_posix()] = values
    if not printed:
        raise ValueError(
            f"no file below {folder} holds values that a machine printed; see `printed_values` for formats"
        )

    def line_of(model: EcgModel, name: str) -> Line:
        try:
            record = read(folder / name, fs_hz_override=config.rates_hz.get(Path(name).name))
            a = model.analyze(record, embeddings=False)
        except RecordError as error:
            return {"refused": error.reason, "found": {}, "why": {}}
        found = {measure: _found(a, measure) for measure in _COMPARED}
        return {
            "refused": "",
            "found": {measure: one[0] for measure, one in found.items()},
            "why": {measure: one[1] for measure, one in found.items() if one[1]},
        }

    lines = analysed_lines(list(printed), line_of, kept)
    known = [line | {"printed": printed[line["record"]]} for line in lines if not line["refused"]]
    return DeviceFigures(
        files=len(known),
        by_measure={measure: _figures(measure, known) for measure in _COMPARED},
        outliers=tuple(one for line in known for measure in _COMPARED for one in _outlier(measure, line, config)),
        refused={line["record"]: line["refused"] for line in lines if line["refused"]},
        lines=tuple({"file": line["record"], "printed": line["printed"], "found": line["found"]} for line in known),
    )


def _found(a: Analysis, measure: str) -> tuple[float | None, str]:
    one = a.rhythm.rate_bpm if measure == "rate_bpm" else a.intervals[_OURS[measure]]
    return one.value, one.reason


def difference(measure: str, line: Line) -> float:
    """Ours less the machine's, of angles within ±180°; NaN where either is not known."""
    printed, found = line["printed"].get(measure), line["found"].get(measure)
    if printed is None or found is None:
        return float("nan")
    apart = found - printed
    return (apart + 180) % 360 - 180 if measure.endswith("deg") else apart


def _figures(measure: str, lines: Sequence[Line]) -> MeasureFigures:
    apart = np.array([difference(measure, line) for line in lines])
    apart = apart[np.isfinite(apart)]
    known = len(apart) > 0
    return MeasureFigures(
        files=sum(measure in line["printed"] for line in lines),
        compared=len(apart),
        median_absolute_difference=float(np.median(np.abs(apart))) if known else float("nan"),
        mean_difference=float(apart.mean()) if known else float("nan"),
        largest=float(np.abs(apart).max()) if known else float("nan"),
    )


def _outlier(measure: str, line: Line, config: DeviceCheckConfig) -> list[Outlier]:
    if measure not in line["printed"] or abs(difference(measure, line)) <= config.outlier[measure]:
        return []
    found = line["found"][measure]
    value = float("nan") if found is None else found
    return [Outlier(line["record"], measure, line["printed"][measure], value, line["why"].get(measure, ""))]
