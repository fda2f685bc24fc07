"""What files hold, before anything is done with them: a line a record, with what was assumed, or why it is refused."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import likely_rates
from beatssl.progress import track
from beatssl.records.files import FilesReader, by_ending, located
from beatssl.records.formats.options import FileOptions
from beatssl.records.record import Record, RecordError
from beatssl.results import write_result
from beatssl.signals.filters import bandpass

_SHOWN = 40  # lines of a long list


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class InspectConfig:
    """What ECG files hold: leads, rate, length, source, what was assumed or left out, or the reason of a refusal.

    A folder is summed up by format. Nothing is written unless `out` is given.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """ECG files and folders of them."""
    out: Path | None = None
    """File for all lines as JSON."""
    files: FileOptions = field(default_factory=FileOptions)
    """What files do not say, or say wrongly."""


@dataclass(frozen=True)
class Inspected:
    """One record of one file."""

    file: str
    format: str
    leads: tuple[str, ...] = ()
    fs_hz: float | None = None
    duration_s: float | None = None
    beats_per_min: float | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""  # of a refusal
    message: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.file}: refused ({self.reason}): {self.message}"
        rate = "" if self.beats_per_min is None else f", {self.beats_per_min:.0f}/min"
        what = f"{len(self.leads)} leads ({' '.join(self.leads)}), {self.fs_hz:g} Hz, {self.duration_s:.4g} s{rate}, {self.format}"
        return "\n    ".join([f"{self.file}: {what}", *self.notes])


@dataclass(frozen=True)
class InspectResult:
    """All records of the files that were given."""

    records: tuple[Inspected, ...]
    not_read: tuple[str, ...]  # files of no ECG format

    def __str__(self) -> str:
        lines = [str(one) for one in self.records[:_SHOWN]]
        if len(self.records) > _SHOWN:
            lines.append(f"… and {len(self.records) - _SHOWN:,} more; --out FILE writes all")
        if len(self.records) > 1:
            lines += ["", *self._summary()]
        return "\n".join(lines)

    def _summary(self) -> list[str]:
        kept, refused = (Counter(one.format for one in self.records if bool(one.reason) == on) for on in (False, True))
        lines = [f"{kind:<16} {kept[kind]:>6,} read {refused[kind]:>6,} refused" for kind in sorted(kept | refused)]
        for reason, count in Counter(one.reason for one in self.records if one.reason).most_common():
            first = next(one for one in self.records if one.reason == reason)
            lines.append(f"refused, {reason}: {count:,}, such as {first.file}")
        return lines + [f"not read: {line}" for line in by_ending(self.not_read)]


def inspect_files(config: InspectConfig) -> InspectResult:
    """Read every record at `paths` and say what is in it.

    Raises FileNotFoundError for a path that is not there, and for a folder without any ECG.
    """
    records: list[Inspected] = []
    not_read: list[str] = []
    given = config.files
    reader = FilesReader(
        given.csv_fs_hz, given.unit, given.lead_names, given.units, given.fs_hz_override, paths_shown=True
    )
    for given_path in config.paths:
        path = located(given_path)
        not_read += reader.not_read(path)
        for source in track(reader.sources(path), "Reading"):
            try:
                records.append(_inspected(reader.read(path, source), source.id))
            except RecordError as error:
                kind = str(source.info["format"])
                records.append(Inspected(source.id, kind, reason=error.reason, message=str(error)))
    result = InspectResult(tuple(records), tuple(not_read))
    if config.out is not None:
        write_result(config.out, result)
    return result


def _inspected(record: Record, file: str) -> Inspected:
    beats_per_min, notes = _rate(record)
    return Inspected(
        file,
        str(record.metadata.get("format", record.source)),
        record.leads,
        record.fs_hz,
        record.duration_s,
        beats_per_min,
        (*record.notes, *notes),
    )


def _rate(record: Record) -> tuple[float | None, tuple[str, ...]]:
    """Median heart rate, and what is odd about it."""
    if record.fs_hz < 50:
        return None, ("no beats are looked for below 50 Hz",)
    times_s = find_r_peaks(bandpass(record.ecg_mv, record.fs_hz, 0.5, 40.0), record.fs_hz)
    if len(times_s) < 2:
        return None, (f"{len(times_s)} beats found in {record.duration_s:.3g} s",)
    beats_per_min = 60 / float(np.median(np.diff(times_s)))
    rates = likely_rates(beats_per_min, record.fs_hz)
    if not rates:
        return beats_per_min, ()
    others = " or ".join(f"{beats_per_min * hz / record.fs_hz:.0f}/min at {hz:g} Hz" for hz in rates)
    return beats_per_min, (
        f"a heart rate of {beats_per_min:.0f}/min is no person's: {others}? --files.fs-hz-override takes that rate",
    )
