"""Other tools on the same records: NeuroKit2, sleepecg and torch_ecg, one core, each in memory."""

import importlib
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from beatssl.progress import track
from beatssl.records.read import read
from beatssl.records.record import Record

Signal = Float32[np.ndarray, "lead time"]


@dataclass(frozen=True)
class ToolTime:
    """How long one tool takes for one 10-s record of twelve leads."""

    tool: str
    gives: str
    record_ms: float | None
    """None: not measured."""
    note: str = ""
    """Why not."""


def delineate(neurokit2: Any, ecg_mv: Signal, fs_hz: float) -> None:
    """NeuroKit2's `ecg_clean`, `ecg_peaks` and `ecg_delineate` (dwt) of every lead, the commonest way to its waves."""
    rate = round(fs_hz)
    for lead in ecg_mv:
        try:
            clean = neurokit2.ecg_clean(lead, sampling_rate=rate)
            _, peaks = neurokit2.ecg_peaks(clean, sampling_rate=rate)
            neurokit2.ecg_delineate(clean, peaks, sampling_rate=rate, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError):
            continue  # it gives up on some leads; the time until then counts


def _process(neurokit2: Any, ecg_mv: Signal, fs_hz: float) -> None:
    for lead in ecg_mv:
        try:
            neurokit2.ecg_process(lead, sampling_rate=round(fs_hz))
        except (ValueError, IndexError, ZeroDivisionError):
            continue


def _sleepecg(sleepecg: Any, ecg_mv: Signal, fs_hz: float) -> None:
    for lead in ecg_mv:
        sleepecg.detect_heartbeats(lead.astype(np.float64), fs_hz)


def _torch_ecg(rpeaks: Any, ecg_mv: Signal, fs_hz: float) -> None:
    for lead in ecg_mv:
        rpeaks.xqrs_detect(lead, round(fs_hz))


TOOLS: tuple[tuple[str, str, str, Callable[[Any, Signal, float], None]], ...] = (
    ("NeuroKit2 ecg_delineate (dwt)", "waves of twelve leads", "neurokit2", delineate),
    ("NeuroKit2 ecg_process", "R peaks, rate, quality and waves of twelve leads", "neurokit2", _process),
    ("sleepecg detect_heartbeats", "R peaks of twelve leads", "sleepecg", _sleepecg),
    ("torch_ecg xqrs_detect", "R peaks of twelve leads", "torch_ecg.utils.rpeaks", _torch_ecg),
)
"""Name, what it gives, module, and what is called."""


def tool_times(paths: Sequence[Path], most: int = 5) -> tuple[ToolTime, ...]:
    """Median milliseconds of each tool for a record, over up to `most` of them; a tool that is missing says so."""
    records = [read(path) for path in paths[:most]]
    return tuple(_timed(*tool, records) for tool in track(TOOLS, "Other tools", unit="tools"))


def _timed(
    name: str, gives: str, module: str, run: Callable[[Any, Signal, float], None], records: Sequence[Record]
) -> ToolTime:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tool = importlib.import_module(module)
        except ImportError as error:
            return ToolTime(name, gives, None, str(error))
        run(tool, records[0].ecg_mv[:1], records[0].fs_hz)  # imports and caches are no work on a record
        times: list[float] = []
        for record in records:
            began = time.perf_counter()
            run(tool, np.nan_to_num(record.ecg_mv), record.fs_hz)
            times.append(time.perf_counter() - began)
    return ToolTime(name, gives, 1000 * float(np.median(times)))
