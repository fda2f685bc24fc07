"""A folder, a zip of one, or one file, of any mixture of formats: WFDB, tables and arrays, and the clinical ones."""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from beatssl.records.clinical import HASHED_EXTENSIONS, Privacy, hashed_path, read_clinical, record_of
from beatssl.records.demographics import age_of, comment_fields, sex_of, snomed_labels
from beatssl.records.formats.formats import FORMATS, TABLES, format_of
from beatssl.records.formats.options import FileOptions
from beatssl.records.formats.saved_marks import saved_marks
from beatssl.records.formats.tables import read_table, table_records
from beatssl.records.privacy import default_salt
from beatssl.records.reader import Source, inside
from beatssl.records.record import Record, RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb
from beatssl.records.wfdb_header import named_files, segment_names
from beatssl.signals.calibration import without_calibration
from beatssl.signals.electrodes import FLAT, corrected, misplaced
from beatssl.signals.leads import canonical_leads, without_constant, without_free_text

_SHARD = re.compile(r"shard-\d{5}|\.partial|clusters\.safetensors")
_SIGNALS = (".dat", ".mat", ".xyz", ".flac")
"""Endings of the signals of a WFDB header, which may be named in its stead."""
_LARGEST_MEMBER = 2**31
"""Bytes of a file in a zip: a few kilobytes may unpack to any size."""


@dataclass(frozen=True, slots=True)
class FilesReader:
    """Every ECG below a folder, or in the one file given.

    Tables and arrays may say neither rate nor unit nor leads: pass `csv_fs_hz`, `unit` and `leads`. `fs_hz_override`
    stands for a rate that files state wrongly, and `correct_electrodes` undoes exchanged electrodes where a record
    shows them.
    Identifiers are hashed with `salt` (default: `privacy.default_salt()`) or, with `keep_identifiers`, kept on purpose.
    Of WFDB comments only age, sex and SNOMED codes are taken, and lead names that are free text become "lead 1", ….
    Annotations of waves by lead and of beats with a WFDB record are its marks (`records.formats.saved_marks`).
    The id of a record is its path below the folder, so a path should name nobody; that of a clinical file is hashed
    unless it surely does not (see `read_clinical`). The folder `skip`, and every store that `prepare` has made, are no
    ECGs and are passed over; `not_read` lists all other files that are not read.
    """

    csv_fs_hz: float | None = None
    unit: str | None = None
    leads: tuple[str, ...] = ()
    units: UnitPolicy = BY_FORMAT
    fs_hz_override: float | None = None
    correct_electrodes: bool = False
    keep_identifiers: bool = False
    salt: bytes | None = field(default=None, repr=False)
    skip: Path | None = field(default=None, repr=False)
    paths_shown: bool = False
    """Errors name a clinical file by its path rather than its hash: for the person who has just typed it."""
    kind: str = field(default="files", init=False)

    @property
    def options(self) -> FileOptions:
        """What the user states of the files."""
        return FileOptions(
            self.csv_fs_hz, self.unit, self.leads, self.fs_hz_override, self.units.missing, self.units.implausible
        )

    def sources(self, root: Path) -> list[Source]:
        """Every record of `root`, by path; the ending of a WFDB header, or its signals' name, will do for one file.

        Raises FileNotFoundError where there is none.
        """
        if not root.is_dir():
            path = located(root)
            head = _head(path)
            kind = format_of(path.name, head) or "kit"
            return list(self._sources(path.parent, path.name, kind, path.name.removesuffix(".hea")))
        found = _found(root, self._files(root))
        if not found:
            raise FileNotFoundError(
                f"no ECG below {root}; looked for .hea, .csv, .npy, .npz, .mat, .h5, .zip, "
                f"{', '.join(sorted(HASHED_EXTENSIONS))} and for files of these formats under other names"
            )
        # "a" is the record of a.hea, unless a file is called just so.
        ids = {name: short for name in found if (short := name.removesuffix(".hea")) not in found}
        return [one for name, kind in found.items() for one in self._sources(root, name, kind, ids.get(name, name))]

    def seen_from(self, folder: Path, source: Source) -> Source:
        """The source with its id and path as they are below `folder`, which its own folder is below."""
        before = Path(source.root).relative_to(folder).as_posix()
        path = f"{before}/{source.path}"
        inner = f"{path}/{source.info['member']}" if "member" in source.info else path
        alias = hashed_path(inner, self.salt or default_salt()) if source.alias else ""
        return replace(source, id=f"{before}/{source.id}", path=path, alias=alias, root=str(folder))

    def not_read(self, root: Path) -> list[str]:
        """Paths of the files below `root` that are no ECG of a known format, nor part of one, sorted."""
        if not root.is_dir():
            return []
        paths = {path.relative_to(root).as_posix() for path in self._files(root) if path.is_file()}
        paths = {path for path in paths if not PurePosixPath(path).name.startswith(".")}
        companions = _companions(paths, lambda name: _head(root / name))
        return sorted(paths - _found(root, self._files(root)).keys() - companions)

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`. Raises `RecordError`."""
        record = self._read(root, source)
        return _with_electrodes_in_place(record) if self.correct_electrodes else record

    def _read(self, root: Path, source: Source) -> Record:
        folder = source.folder(root)
        kind, member = source.info["format"], source.info.get("member")
        if member is not None:
            return self._read_zipped(folder, source, member)
        if kind == "wfdb":
            return self._read_wfdb(folder, source)
        privacy = Privacy(self.keep_identifiers, self.salt, self.paths_shown)
        if kind in TABLES:
            recording = read_table(
                inside(folder, source.path), kind, source.info.get("record", ""), source.id, self.options
            )
            record = record_of(recording, source.id, source.id, privacy, self.options)
            return record if recording.person.number or recording.person.names else record.replace(id=source.id)
        return read_clinical(folder, source.path, source.id, privacy, self.options)

    def _sources(self, folder: Path, name: str, kind: str, record_id: str) -> Iterator[Source]:
        if kind == "zip":
            yield from self._zipped(folder, name)
        elif kind == "hdf5":
            records = table_records(folder / name, kind)
            for record in records:
                own = record_id if len(records) == 1 else f"{record_id}/{record}"
                yield Source(own, name, {"format": kind, "record": record})
        else:
            yield Source(record_id, name, {"format": kind}, self._alias(name, kind))

    def _alias(self, name: str, kind: str) -> str:
        hidden = kind in FORMATS and not self.keep_identifiers
        return hashed_path(name, self.salt or default_salt()) if hidden else ""

    def _files(self, root: Path) -> Iterator[Path]:
        skip = self.skip.resolve() if self.skip else None
        for folder, folders, names in os.walk(root):
            if _is_store(folders, names) or (skip and Path(folder).resolve() == skip):
                folders.clear()
                continue
            yield from (Path(folder, name) for name in names)

    def _read_wfdb(self, folder: Path, source: Source) -> Record:
        options = self.options
        signals = read_wfdb(folder, source.path.removesuffix(".hea"), options.units)
        fs_hz, metadata = signals.fs_hz, {"format": "wfdb"} | signals.metadata
        if options.fs_hz_override is not None:
            fs_hz, metadata["fs_overridden_from_hz"] = options.fs_hz_override, signals.fs_hz
        ecg_mv, cut_first_s, cut_last_s = without_calibration(signals.ecg_mv, fs_hz)
        if cut_first_s or cut_last_s:
            metadata["calibration_cut_s"] = round(cut_first_s + cut_last_s, 3)
        said = comment_fields(signals.comments)
        names = canonical_leads(signals.leads)
        waves, beats = saved_marks(folder, source.path.removesuffix(".hea"), names, fs_hz, cut_first_s)
        leads = canonical_leads(without_free_text(signals.leads))
        if waves is not None and leads != names:
            shown = dict(zip(names, leads, strict=True))
            waves = replace(waves, lead=tuple(shown[lead] for lead in waves.lead))
        return Record(
            ecg_mv=without_constant(ecg_mv),
            leads=leads,
            fs_hz=fs_hz,
            id=source.id,
            source="files",
            age_years=age_of(said.get("age", "")),
            sex=sex_of(said.get("sex", "")),
            labels=snomed_labels(said.get("dx", "")),
            waves=waves,
            beats=beats,
            metadata=metadata,
        )

    # ------------------------------------------------------------------------------------------------ zip

    def _zipped(self, folder: Path, name: str) -> Iterator[Source]:
        """The records in a zip; one that cannot be opened is a source too, and set aside when it is read."""
        try:
            with zipfile.ZipFile(folder / name) as archive:
                members = [info.filename for info in archive.infolist() if not info.is_dir()]
                kinds = _kinds(members, lambda member: _member_head(archive, member))
        except Exception:  # zipfile and zlib raise whatever their decoding runs into
            kinds = {"": "zip"}
        for member, kind in sorted(kinds.items()):
            alias = self._alias(f"{name}/{member}", kind)
            yield Source(
                f"{name}/{member.removesuffix('.hea')}".rstrip("/"), name, {"format": kind, "member": member}, alias
            )

    def _read_zipped(self, folder: Path, source: Source, member: str) -> Record:
        path = inside(folder, source.path)
        where = source.alias or source.id
        with tempfile.TemporaryDirectory() as scratch:
            try:
                with zipfile.ZipFile(path) as archive:
                    _extract(archive, member, Path(scratch), where)
            except RecordError:
                raise
            except Exception as error:  # zipfile and zlib raise whatever their decoding runs into
                raise RecordError(
                    "unreadable", f"{where}: a zip that cannot be unpacked ({type(error).__name__}); pack it again"
                ) from None
            name = PurePosixPath(member).name
            for inner in self._sources(Path(scratch), name, source.info["format"], source.id):
                return self._read(Path(scratch), inner).replace(id=source.id)
        raise RecordError("unreadable", f"{where}: holds no record")


def _with_electrodes_in_place(record: Record) -> Record:
    """The record with the exchange (or sign) that it shows undone, and named in its metadata; as it is where there is
    none."""
    exchange = misplaced(record.ecg_mv, record.leads, record.fs_hz)
    if exchange is None or exchange in FLAT:
        return record
    ecg_mv = corrected(record.ecg_mv, record.leads, exchange)
    what = {"sign_corrected": True} if exchange == "inverted" else {"electrodes_corrected": exchange}
    return record.replace(ecg_mv=ecg_mv, metadata={**record.metadata, **what})


def by_ending(paths: Iterable[str]) -> list[str]:
    """Counts of files by their ending, each with the first of them: "3 .txt, such as notes.txt"."""
    kinds: dict[str, list[str]] = {}
    for path in paths:
        kinds.setdefault(PurePosixPath(path).suffix or "without ending", []).append(path)
    most_first = sorted(kinds.items(), key=lambda one: -len(one[1]))
    return [f"{len(some):,} {ending}, such as {some[0]}" for ending, some in most_first]


def located(path: Path) -> Path:
    """The file that a user means by `path`: itself, or the header of a WFDB record named without its ending or by its
    signals. Raises FileNotFoundError."""
    header = path.with_suffix(".hea") if path.suffix.lower() in _SIGNALS else path.with_name(path.name + ".hea")
    if header.is_file() and (path.suffix.lower() in _SIGNALS or not path.exists()):
        return header
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; pass an ECG file, or a folder of them")
    return path


def _found(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Path below `root` and format of every file that is read, sorted by path."""
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.is_file())
    kinds = _kinds(names, lambda name: _head(root / name))
    parts: set[str] = set()
    for name in (name for name, kind in kinds.items() if kind == "wfdb"):
        folder = name.rpartition("/")[0]
        if b"/" in _head(root / name).partition(b"\n")[0]:  # a record of one segment has none there
            text = (root / name).read_text(encoding="utf-8", errors="replace")
            parts.update(f"{folder}/{part}.hea".lstrip("/") for part in segment_names(text))
    return {name: kind for name, kind in kinds.items() if name not in parts}


def _kinds(names: list[str], head_of: Callable[[str], bytes]) -> dict[str, str]:
    """Format of each file that has one; what belongs to a WFDB header has none of its own."""
    companions = _companions(names, head_of)
    kinds = {name: format_of(name, head_of(name)) for name in names if name not in companions}
    return {name: kind for name, kind in kinds.items() if kind}


def _companions(names: Iterable[str], head_of: Callable[[str], bytes]) -> set[str]:
    """Files that belong to a WFDB header: those beside it under its name (signals, annotations), and those it names."""
    headers = {name.removesuffix(".hea") for name in names if name.endswith(".hea")}
    named = {
        f"{name.rpartition('/')[0]}/{file}".lstrip("/")
        for name in headers
        for file in named_files(head_of(f"{name}.hea").decode("utf-8", "replace"))
    }
    others = [name for name in names if not name.endswith(".hea")]
    return {
        name
        for name in others
        if name in named or (PurePosixPath(name).suffix and os.path.splitext(name)[0] in headers)
    }


def _is_store(folders: list[str], names: list[str]) -> bool:
    """Whether these are the entries of a prepared store, finished or not."""
    begun = "manifest.json" in names or "plan.json" in names
    return begun and any(_SHARD.fullmatch(folder) for folder in (*folders, *names))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _member_head(archive: zipfile.ZipFile, member: str) -> bytes:
    with archive.open(member) as file:
        return file.read(4096)


def _extract(archive: zipfile.ZipFile, member: str, scratch: Path, where: str) -> None:
    """Write a member under its last name, and, of a WFDB header, the files that it names."""
    folder = member.rpartition("/")[0]
    wanted, done = [member], set[str]()
    while wanted:
        one = wanted.pop()
        if one in done or one not in archive.NameToInfo:
            continue
        done.add(one)
        if archive.getinfo(one).file_size > _LARGEST_MEMBER:
            raise RecordError(
                "unreadable", f"{where}: unpacks to more than {_LARGEST_MEMBER / 2**30:g} GiB; unpack it first"
            )
        content: Any = archive.read(one)
        (scratch / PurePosixPath(one).name).write_bytes(content)
        if one.endswith(".hea"):
            wanted += [f"{folder}/{name}".lstrip("/") for name in named_files(content.decode("utf-8", "replace"))]
