"""The formats of arrays, which state little of themselves and name nobody."""

from pathlib import Path

from beatssl.records.formats.arrays_in_files import hdf5_records, read_hdf5, read_mat, read_npy, read_npz
from beatssl.records.formats.csv_table import read_csv
from beatssl.records.formats.options import FileOptions
from beatssl.records.record import RecordError
from beatssl.records.recording import Recording

_READERS = {"csv": read_csv, "npy": read_npy, "npz": read_npz, "mat": read_mat}


def table_records(path: Path, kind: str) -> list[str]:
    """Names of the records in one file: [""] where it holds one."""
    return hdf5_records(path) if kind == "hdf5" else [""]


def read_table(path: Path, kind: str, record: str, where: str, options: FileOptions) -> Recording:
    """The channels of a table or array. Raises `RecordError`."""
    if kind == "hdf5":
        return read_hdf5(path, record, where, options)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError("unreadable", f"{where}: {error.strerror}") from None
    return _READERS[kind](content, where, options)
