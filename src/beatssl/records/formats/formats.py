"""The table of file formats: how each is recognised, and the function that reads it."""

from collections.abc import Callable
from pathlib import PurePosixPath

from beatssl.records.formats.cardiosoft import read_cardiosoft
from beatssl.records.formats.contec import is_contec, read_contec
from beatssl.records.formats.csv_preamble import is_table
from beatssl.records.formats.dicom import read_dicom
from beatssl.records.formats.edf import BDF_MARK, EDF_MARK, read_edf
from beatssl.records.formats.kardia_atc import ATC_MARK, read_atc
from beatssl.records.formats.kit import read_kit
from beatssl.records.formats.options import FileOptions
from beatssl.records.formats.scp_repair import is_scp
from beatssl.records.recording import Recording

Read = Callable[[bytes, str, FileOptions], Recording]
"""From a file's content, what errors call it, and the user's options. Raises `RecordError`."""


def _plain(read: Callable[[bytes, str], Recording]) -> Read:
    def with_options(content: bytes, where: str, options: FileOptions) -> Recording:
        return read(content, where)

    return with_options


def _kit(content: bytes, where: str, options: FileOptions) -> Recording:
    return read_kit(content, where, options.units, options.fs_hz_override)


FORMATS: dict[str, Read] = {
    "dicom": _plain(read_dicom),
    "edf": _plain(read_edf),
    "atc": _plain(read_atc),
    "cardiosoft": _plain(read_cardiosoft),
    "contec": _plain(read_contec),
    "kit": _kit,
}
"""Formats of clinical recorders, whose files may name a person."""

TABLES = frozenset(["csv", "npy", "npz", "mat", "hdf5"])
"""Formats of arrays, which state little and name nobody."""

_MARKS = (
    ("dicom", 128, b"DICM"), ("edf", 0, EDF_MARK), ("edf", 0, BDF_MARK), ("atc", 0, ATC_MARK),
    ("kit", 0, b"ISHNE1.0"), ("kit", 2, b"MFR "), ("npy", 0, b"\x93NUMPY"), ("hdf5", 0, b"\x89HDF\r\n\x1a\n"),
    ("mat", 0, b"MATLAB 5.0 MAT-file"),
)  # fmt: skip
_ENDINGS = {
    ".hea": "wfdb", ".csv": "csv", ".tsv": "csv", ".npy": "npy", ".npz": "npz", ".mat": "mat", ".h5": "hdf5",
    ".hdf5": "hdf5", ".zip": "zip", ".dcm": "dicom", ".dicom": "dicom", ".edf": "edf", ".bdf": "edf", ".atc": "atc",
    ".xml": "kit", ".scp": "kit", ".ecg": "kit", ".mwf": "kit", ".mfer": "kit", ".mfr": "kit",
}  # fmt: skip
_TEXT_ENDINGS = (".txt", ".asc", ".tab")
"""Of tables, and of all other texts."""


def format_of(name: str, head: bytes) -> str | None:
    """A key of `FORMATS` or `TABLES`, "wfdb" or "zip", by a file's first 4096 bytes, else by its name; None: no ECG."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".hea":
        return "wfdb"
    for kind, at, mark in _MARKS:
        if head[at : at + len(mark)] == mark:
            return "hdf5" if kind == "mat" and b"MATLAB 7.3" in head[:32] else kind
    if head.startswith(b"PK\3\4"):
        return "npz" if suffix == ".npz" else "zip" if suffix == ".zip" else None
    if b"<CardiologyXML" in head:
        return "cardiosoft"
    if is_contec(head):
        return "contec"
    if suffix == ".json":  # most are something else: Kardia's say when they were recorded
        return "kit" if b'"recordedAt"' in head else None
    if is_scp(head):
        return "kit"
    if suffix in _TEXT_ENDINGS:
        return "csv" if is_table(head) else None
    return _ENDINGS.get(suffix)
