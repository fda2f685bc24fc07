"""A folder, or one file, of any mixture of formats: WFDB, CSV, `.npy` and the clinical ones."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beatssl.records.arrays import read_csv, read_npy, record_from_array
from beatssl.records.clinical import EXTENSIONS, Privacy, hashed_path, read_clinical
from beatssl.records.demographics import age_of, comment_fields, sex_of, snomed_labels
from beatssl.records.privacy import default_salt
from beatssl.records.reader import Source, inside
from beatssl.records.record import Record, RecordError
from beatssl.records.units import STRICT, UnitPolicy, mv_per
from beatssl.records.wfdb_files import read_wfdb
from beatssl.records.wfdb_header import parse_header
from beatssl.signals.leads import canonical_leads, without_free_text

_SHARD = re.compile(r"shard-\d{5}|\.partial|clusters\.safetensors")
_SIGNATURES = ((128, b"DICM"), (0, b"ISHNE1.0"), (0, b"0       "), (2, b"MFR "))
"""Where a clinical file without a telling name says what it is: DICOM, ISHNE, EDF, MFER."""


@dataclass(frozen=True, slots=True)
class FilesReader:
    """Every ECG below a folder, or the one file given.

    CSV and `.npy` files say neither rate nor unit: pass `csv_fs_hz` and `unit`, and `leads` where no row names them.
    Identifiers are hashed with `salt` (default: `privacy.default_salt()`) or, with `keep_identifiers`, kept on purpose.
    Of WFDB comments only age, sex and SNOMED codes are taken, and lead names that are free text become "lead 1", ….
    The id of a record is its path below the folder, so a path should name nobody; that of a clinical file is hashed
    unless it surely does not (see `read_clinical`). The folder `skip`, and every store that `prepare` has made, are no
    ECGs and are passed over.
    """

    csv_fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] = ()
    units: UnitPolicy = STRICT
    keep_identifiers: bool = False
    salt: bytes | None = field(default=None, repr=False)
    skip: Path | None = field(default=None, repr=False)
    kind: str = field(default="files", init=False)

    def sources(self, root: Path) -> list[Source]:
        """Every file that may be an ECG, by path. Raises FileNotFoundError where there is none."""
        if root.is_file():
            return [self._source(root.name, _format_of(root) or "clinical", root.name.removesuffix(".hea"))]
        found = {
            path.relative_to(root).as_posix(): kind
            for path in sorted(self._files(root))
            if path.is_file() and (kind := _format_of(path))
        }
        if not found:
            raise FileNotFoundError(
                f"no ECG below {root}; looked for .hea, .csv, .npy, {', '.join(sorted(EXTENSIONS))} and for files of "
                "these formats under other names"
            )
        parts = _segments(root, [name for name, kind in found.items() if kind == "wfdb"])
        kept = {name: kind for name, kind in found.items() if name not in parts}
        # "a" is the record of a.hea, unless a file is called just so.
        ids = {name: short for name in kept if (short := name.removesuffix(".hea")) not in kept}
        return [self._source(name, kind, ids.get(name, name)) for name, kind in kept.items()]

    def _files(self, root: Path) -> Iterator[Path]:
        skip = self.skip.resolve() if self.skip else None
        for folder, folders, names in os.walk(root):
            if _is_store(folders, names) or (skip and Path(folder).resolve() == skip):
                folders.clear()
                continue
            yield from (Path(folder, name) for name in names)

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`. Raises `RecordError`."""
        folder = root.parent if root.is_file() else root
        kind = source.info["format"]
        if kind == "wfdb":
            return self._read_wfdb(folder, source)
        if kind == "clinical":
            privacy = Privacy(self.keep_identifiers, self.salt)
            return read_clinical(folder, source.path, source.id, privacy, self.units)
        return self._read_table(folder, source)

    def _read_wfdb(self, folder: Path, source: Source) -> Record:
        signals = read_wfdb(folder, source.path.removesuffix(".hea"), self.units)
        said = comment_fields(signals.comments)
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=canonical_leads(without_free_text(signals.leads)),
            fs_hz=signals.fs_hz,
            id=source.id,
            source="files",
            age_years=age_of(said.get("age", "")),
            sex=sex_of(said.get("sex", "")),
            labels=snomed_labels(said.get("dx", "")),
            metadata={"format": "wfdb"} | signals.metadata,
        )

    def _read_table(self, folder: Path, source: Source) -> Record:
        kind = source.info["format"]
        inside(folder, source.path)
        if self.csv_fs_hz is None:
            raise RecordError("unreadable", f"{source.path}: a .{kind} file states no sampling rate; pass csv_fs_hz=")
        if kind == "csv":
            values, leads, unit = read_csv(folder, source.path, self.leads)
            if unit and self.unit and mv_per(unit) != mv_per(self.unit):
                raise RecordError(
                    "unit", f"{source.path}: states {unit} in its first row, but unit={self.unit!r} is passed"
                )
            unit = unit or self.unit
        else:
            unit = self.unit
            values, leads = read_npy(folder, source.path), self.leads
            if not leads:
                raise RecordError("unreadable", f"{source.path}: a .npy file names no leads; pass leads=")
        if unit is None:
            raise RecordError("unit", f"{source.path}: a .{kind} file that states no unit; pass unit='mV' or 'uV'")
        metadata = {"format": kind}
        return record_from_array(
            values, self.csv_fs_hz, unit, leads, source.id, self.units, source="files", metadata=metadata
        )

    def _source(self, name: str, kind: str, record_id: str) -> Source:
        info: dict[str, Any] = {"format": kind}
        hidden = kind == "clinical" and not self.keep_identifiers
        alias = hashed_path(name, self.salt or default_salt()) if hidden else ""
        return Source(record_id, name, info, alias)


def _is_store(folders: list[str], names: list[str]) -> bool:
    """Whether these are the entries of a prepared store, finished or not."""
    begun = "manifest.json" in names or "plan.json" in names
    return begun and any(_SHARD.fullmatch(folder) for folder in (*folders, *names))


def _format_of(path: Path) -> str | None:
    """ "wfdb", "csv", "npy" or "clinical", by name, or by content where the name does not tell; None for no ECG."""
    suffix = path.suffix.lower()
    if suffix in (".hea", ".csv", ".npy"):
        return "wfdb" if suffix == ".hea" else suffix[1:]
    if suffix == ".json":  # most are something else: Kardia's say when they were recorded
        return "clinical" if b'"recordedAt"' in _head(path) else None
    if suffix in EXTENSIONS:
        return "clinical"
    if suffix in (".dat", ".mat"):  # the signals of a WFDB header, often thousands
        return None
    head = _head(path)
    return "clinical" if any(head[at : at + len(mark)] == mark for at, mark in _SIGNATURES) else None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _segments(root: Path, headers: list[str]) -> set[str]:
    """The headers that are segments of another record, and so no records of their own."""
    parts: set[str] = set()
    for name in headers:
        if b"/" not in _head(root / name).split(b"\n", 1)[0].split(b" ", 1)[0]:
            continue  # a record of one segment, or a header that starts with a comment
        try:
            header = parse_header((root / name).read_text(errors="replace"), name)
        except (OSError, RecordError):
            continue  # it will be set aside when it is read
        folder = name.rpartition("/")[0]
        parts.update(f"{folder}/{part}.hea".lstrip("/") for part, _ in header.segments)
    return parts
