"""One line from a file to its record: `read`, and `read_all` where a file or folder holds several."""

from pathlib import Path

from beatssl.messages import renamed
from beatssl.records.files import FilesReader
from beatssl.records.reader import Source
from beatssl.records.record import Record, RecordError
from beatssl.records.units import Implausible, Missing, UnitPolicy

_ARGUMENTS = {"csv_fs_hz": "fs_hz", "lead_names": "leads"}
"""What messages call options, and what they are called here."""


def read(
    path: Path | str,
    *,
    fs_hz: float | None = None,
    unit: str | None = None,
    leads: tuple[str, ...] | list[str] | str = (),
    fs_hz_override: float | None = None,
    no_unit: Missing = "by-format",
    implausible: Implausible = "error",
    correct_electrodes: bool = False,
    keep_identifiers: bool = False,
) -> Record:
    """The ECG in one file, in mV, leads as recorded; `print` of it says what was read, assumed, left out and missing.

        record = beatssl.read("ward7/ecg.dcm")
        record = beatssl.read("export.csv", fs_hz=500, unit="uV")

    WFDB (with or without its ending; a zip too), DICOM, aECG, MUSE, Philips, SCP-ECG, ISHNE, MFER, EDF, BDF,
    CardioSoft, Contec, Kardia, CSV, `.npy`, `.npz`, `.mat` and HDF5 are recognised by content. `fs_hz`, `unit` and
    `leads` stand for what tables and arrays do not say; `fs_hz_override` for a rate that a file states wrongly.
    `no_unit="error"` refuses a file without unit also where its format's specification has a default, "assume" takes mV
    everywhere. `implausible="flag"` keeps an amplitude that no ECG has. `correct_electrodes` undoes an exchange of
    electrodes that the record shows (`signals.electrodes.misplaced`). Patient numbers are hashed, and names, birth
    dates and paths that may hold them left out, unless `keep_identifiers`.

    Raises `RecordError` where the file cannot be used, with its `reason`; FileNotFoundError; ValueError where it holds
    several records (`read_all` reads them).
    """
    records = read_all(
        path,
        fs_hz=fs_hz,
        unit=unit,
        leads=leads,
        fs_hz_override=fs_hz_override,
        no_unit=no_unit,
        implausible=implausible,
        correct_electrodes=correct_electrodes,
        keep_identifiers=keep_identifiers,
        at_most=1,
    )
    return records[0]


def read_all(
    path: Path | str,
    *,
    fs_hz: float | None = None,
    unit: str | None = None,
    leads: tuple[str, ...] | list[str] | str = (),
    fs_hz_override: float | None = None,
    no_unit: Missing = "by-format",
    implausible: Implausible = "error",
    correct_electrodes: bool = False,
    keep_identifiers: bool = False,
    at_most: int | None = None,
) -> list[Record]:
    """Every ECG in a file, a zip or a folder, as `read` reads one, by path.

    Raises what `read` does, at the first that cannot be used; `prepare` and `inspect` go on. ValueError where there are
    more than `at_most`.
    """
    path = Path(path)
    units = UnitPolicy(no_unit, implausible)
    names = (leads,) if isinstance(leads, str) else tuple(leads)
    reader = FilesReader(
        fs_hz,
        unit,
        names,
        units,
        fs_hz_override,
        correct_electrodes,
        keep_identifiers,
        paths_shown=True,
    )
    sources = reader.sources(path)
    if at_most is not None and len(sources) > at_most:
        raise ValueError(f"{path} holds {len(sources):,} records, {sources[0].id!r} first; read_all reads all of them")
    if not sources:
        raise RecordError("no-ecg", f"{path} holds no ECG")
    return [_read(reader, path, source) for source in sources]


def _read(reader: FilesReader, path: Path, source: Source) -> Record:
    try:
        return reader.read(path, source)
    except RecordError as error:
        raise RecordError(error.reason, renamed(str(error), _ARGUMENTS)) from None
