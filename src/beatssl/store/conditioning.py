"""One record from its file to the filtered, resampled signal with its R peaks, or set aside with a reason."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.peaks import find_r_peaks
from beatssl.records.reader import Reader, Source
from beatssl.records.record import Reason, Record, RecordError
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, canonical_lead, present_leads, to_twelve
from beatssl.signals.quality import quality_flags
from beatssl.store.config import MIN_DURATION_S, PrepareConfig

_FLAGS_OF_READERS = ("unit_assumed", "implausible_amplitude")


@dataclass(frozen=True, slots=True)
class Conditioned:
    """A record ready to be cut into rows."""

    record: Record  # its own signal dropped
    ecg_mv: Float32[np.ndarray, "lead time"]  # at the store's rate; NaN where not measured
    lead_names: tuple[str, ...]  # "" for a lead that is missing
    flags: tuple[dict[str, bool], ...]  # of each row
    r_times_s: Float64[np.ndarray, " beat"]

    @property
    def rows(self) -> int:
        """Number of rows it is cut into."""
        return len(self.flags)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was set aside: its file relative to the source folder, and why."""

    file: str
    record_id: str
    reason: str
    message: str


def condition(reader: Reader, source: Source, config: PrepareConfig) -> Conditioned | Reject:
    """Read and condition one record. What goes wrong with one record never stops the others."""
    file, record_id = source.alias or source.path, source.alias or source.id
    try:
        record = reader.read(config.source, source)
        if record.id == source.id:  # the reader found that the path names nobody
            file, record_id = source.path, source.id
        return _conditioned(record, config)
    except RecordError as error:
        return Reject(file, record_id, error.reason, _without_folder(str(error), config.source))
    except Exception as error:
        return Reject(file, record_id, "unreadable", _where(error))


def _where(error: Exception) -> str:
    """The kind of an unforeseen error and the line that raised it; not its message, which may quote the file."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"


def _without_folder(message: str, root: Path) -> str:
    """The message on one line with the source folder left out: the result must not depend on where the files lie."""
    if root.is_absolute() and len(root.parts) > 1:  # a synthetic cohort's is a number
        for folder in (str(root.resolve()), str(root)):
            message = message.replace(folder, "SOURCE")
    return " ".join(message.split())


def _conditioned(record: Record, config: PrepareConfig) -> Conditioned:
    if record.duration_s < MIN_DURATION_S:
        _set_aside("too-short", record, f"{record.duration_s:.2f} s; at least {MIN_DURATION_S} s are needed")
    raw_mv = to_twelve(record.ecg_mv, record.leads) if config.twelve_leads else record.ecg_mv
    _check_missing(raw_mv, record, config)
    filtered_mv = bandpass(raw_mv, record.fs_hz, config.low_hz, config.high_hz)
    ecg_mv = resample(filtered_mv, record.fs_hz, config.fs_hz)
    r_times_s = find_r_peaks(ecg_mv, config.fs_hz)
    _check_rate(r_times_s, record, config)
    names = LEADS if config.twelve_leads else tuple(canonical_lead(name) for name in record.leads)
    lead_names = tuple(name if there else "" for name, there in zip(names, present_leads(ecg_mv), strict=True))
    rows = row_count(ecg_mv.shape[1], r_times_s, config)
    flags = row_flags(raw_mv, names, record, rows, config.duration_s)
    bare = replace(record, ecg_mv=np.empty((len(record.leads), 0), np.float32))
    return Conditioned(bare, ecg_mv, lead_names, flags, r_times_s)


def row_count(samples: int, r_times_s: Float64[np.ndarray, " beat"], config: PrepareConfig) -> int:
    """Rows of a record. A last, incomplete one is kept, padded, if a beat lies in it: no beat is lost."""
    whole, rest = divmod(samples, config.row_samples)
    last_beat = int(r_times_s[-1] * config.fs_hz)
    return max(whole + (rest > 0 and last_beat >= whole * config.row_samples), 1)


def row_flags(
    raw_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], record: Record, rows: int, duration_s: float
) -> tuple[dict[str, bool], ...]:
    """For each row the quality flags of its raw signal, and what the reader said of the whole record."""
    of_reader = {f"flag_{name}": bool(record.metadata.get(name, False)) for name in _FLAGS_OF_READERS}
    edges = [round(row * duration_s * record.fs_hz) for row in range(rows + 1)]
    parts = [quality_flags(raw_mv[:, start:end], leads, record.fs_hz) for start, end in pairwise(edges)]
    return tuple({f"flag_{name}": on for name, on in part.record_flags().items()} | of_reader for part in parts)


def _check_missing(ecg_mv: Float32[np.ndarray, "lead time"], record: Record, config: PrepareConfig) -> None:
    present = present_leads(ecg_mv)
    missing = int(np.sum(~present))
    allowed = config.max_missing_leads if config.twelve_leads else len(present) - 1
    if missing > allowed:
        found = [name for name in record.leads if name]
        _set_aside(
            "missing-leads",
            record,
            f"{missing} leads missing (it has {found}), {allowed} allowed; see max_missing_leads",
        )
    share = float(np.mean(~np.isfinite(ecg_mv[present])))
    if share > config.max_missing_share:
        _set_aside(
            "nan",
            record,
            f"{share:.0%} of the samples not measured, {config.max_missing_share:.0%} allowed; see max_missing_share",
        )


def _check_rate(r_times_s: Float64[np.ndarray, " beat"], record: Record, config: PrepareConfig) -> None:
    if r_times_s.size == 0:
        _set_aside("no-beats", record, "no R peak found")
    # One beat alone has no interval: the longest that the record leaves room for stands in.
    interval_s = float(np.median(np.diff(r_times_s))) if r_times_s.size > 1 else record.duration_s
    rate = 60.0 / interval_s
    if not config.min_rate <= rate <= config.max_rate:
        _set_aside(
            "impossible-rate",
            record,
            f"median rate {rate:.0f} per minute, outside {config.min_rate:g}–{config.max_rate:g}",
        )


def _set_aside(reason: Reason, record: Record, what: str) -> Any:
    raise RecordError(reason, f"record {record.id}: {what}")
