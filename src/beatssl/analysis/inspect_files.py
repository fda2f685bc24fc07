"""What files hold, before anything is done with them: a line a record, with what was assumed, or why it is refused."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from beatssl.analysis.config import InspectConfig
from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import likely_rates
from beatssl.beats.rate_doubt import doubt_of_rate, widths_of
from beatssl.progress import track
from beatssl.records.files import FilesReader, by_ending, located
from beatssl.records.places import sources_at
from beatssl.records.record import Record, RecordError
from beatssl.results import write_result
from beatssl.signals.electrodes import exchange_in_words, misplaced
from beatssl.signals.filters import bandpass
from beatssl.store.config import MIN_DURATION_S
from beatssl.store.outputs import check_ecgs, check_file

_SHOWN = 40  # records of a long list
_TITLES = ("file", "format", "leads", "Hz", "s", "/min")


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

    @property
    def cells(self) -> tuple[str, ...]:
        """File, format, leads, Hz, seconds and beats a minute as texts; "–" for what a refused file does not say."""
        if self.reason:
            return (self.file, self.format, "refused", "–", "–", "–")
        return (
            self.file, self.format, f"{len(self.leads)}: {' '.join(self.leads)}", f"{self.fs_hz:g}",
            f"{self.duration_s:.4g}", "–" if self.beats_per_min is None else f"{self.beats_per_min:.0f}",
        )  # fmt: skip

    @property
    def said(self) -> tuple[str, ...]:
        """The notes, or the reason of a refusal."""
        return (f"{self.reason}: {self.message}",) if self.reason else self.notes


@dataclass(frozen=True)
class InspectResult:
    """All records of the files that were given."""

    records: tuple[Inspected, ...]
    not_read: tuple[str, ...]  # files of no ECG format

    def __str__(self) -> str:
        shown = self.records[:_SHOWN]
        rows = [_TITLES, *(one.cells for one in shown)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(rows[0], widths, strict=True)).rstrip()]
        for one, row in zip(shown, rows[1:], strict=True):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            lines += [f"    {note}" for note in one.said]
        if len(self.records) > _SHOWN:
            lines.append(f"… and {len(self.records) - _SHOWN:,} more; --out FILE writes all")
        if len(self.records) > 1 or self.not_read:
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
    if config.out is not None:
        check_file(config.out, config.overwrite)
    records: list[Inspected] = []
    not_read: list[str] = []
    given = config.files
    reader = FilesReader(
        given.csv_fs_hz,
        given.unit,
        given.lead_names,
        given.units,
        given.fs_hz_override,
        given.correct_electrodes,
        paths_shown=True,
    )
    places = [located(path) for path in config.paths]
    for place in places:
        check_ecgs(place)
        not_read += reader.not_read(place)
    for source in track(sources_at(reader, places), "Reading"):
        try:
            records.append(_inspected(reader.read(places[0], source), source.id))
        except RecordError as error:
            records.append(Inspected(source.id, str(source.info["format"]), reason=error.reason, message=str(error)))
    result = InspectResult(tuple(records), tuple(not_read))
    if config.out is not None:
        write_result(config.out, result)
    return result


def _inspected(record: Record, file: str) -> Inspected:
    beats_per_min, notes = _rate(record)
    exchange = misplaced(record.ecg_mv, record.leads, record.fs_hz)
    electrodes = () if exchange is None else (exchange_in_words(exchange),)
    short = (f"too short to be analysed: {MIN_DURATION_S:g} s are needed",) * (record.duration_s < MIN_DURATION_S)
    return Inspected(
        file,
        str(record.metadata.get("format", record.source)),
        record.leads,
        record.fs_hz,
        record.duration_s,
        beats_per_min,
        (*record.notes, *notes, *electrodes, *short),
    )


def _rate(record: Record) -> tuple[float | None, tuple[str, ...]]:
    """Median heart rate, and what is odd about it."""
    if record.fs_hz < 50:
        return None, ("no beats are looked for below 50 Hz",)
    ecg_mv = bandpass(record.ecg_mv, record.fs_hz, 0.5, 40.0)
    times_s = find_r_peaks(ecg_mv, record.fs_hz)
    if len(times_s) < 2:
        return None, (f"{len(times_s)} beats found in {record.duration_s:.3g} s",)
    beats_per_min = 60 / float(np.median(np.diff(times_s)))
    rates = likely_rates(beats_per_min, record.fs_hz)
    if not rates:
        stated = widths_of([ecg_mv], record.fs_hz, [times_s])[0]
        doubt = doubt_of_rate(stated, record.ecg_mv, record.fs_hz, record.fs_hz)
        remedy = "" if doubt is None else f"--files.fs-hz-override {doubt.likely_hz:g} takes that rate"
        return beats_per_min, () if doubt is None else (f"{doubt}; {remedy}",)
    others = " or ".join(f"{beats_per_min * hz / record.fs_hz:.0f}/min at {hz:g} Hz" for hz in rates)
    return beats_per_min, (
        f"a heart rate of {beats_per_min:.0f}/min is no person's: {others}? --files.fs-hz-override takes that rate",
    )
