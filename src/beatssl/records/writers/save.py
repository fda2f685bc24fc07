"""`Record.save`: which writer, and a file that is there whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from beatssl.files import write_bytes
from beatssl.records.record import Record
from beatssl.records.writers.csv_writer import csv_files
from beatssl.records.writers.dicom_writer import dicom_files
from beatssl.records.writers.edf_writer import edf_files
from beatssl.records.writers.wfdb_writer import wfdb_files

Bits = Literal[16, 24]

_WRITERS: dict[str, Callable[[Record, Path, Bits], dict[Path, bytes]]] = {
    ".hea": wfdb_files, ".dat": wfdb_files, "": wfdb_files, ".csv": csv_files, ".edf": edf_files, ".dcm": dicom_files,
    ".dicom": dicom_files,
}  # fmt: skip


def save(record: Record, path: Path | str, bits: Bits = 16, overwrite: bool = False) -> Path:
    """See `Record.save`."""
    path = Path(path)
    if (writer := _WRITERS.get(path.suffix.lower())) is None:
        raise ValueError(f"{path}: files ending in {path.suffix!r} are not written; use one of .hea, .edf, .csv, .dcm")
    if bits not in (16, 24):
        raise ValueError(f"bits={bits}: samples are written in 16 or 24 bits")
    if not record.ecg_mv.size:
        raise ValueError(
            f"record {record.id} holds {record.ecg_mv.shape[1]} samples of {len(record.leads)} leads: nothing to save"
        )
    if np.isinf(record.ecg_mv).any():
        raise ValueError(f"record {record.id} holds infinite values; mark what was not measured as NaN")
    if unfit := [lead for lead in record.leads if not lead.strip().isprintable() or not lead.strip()]:
        raise ValueError(f"lead names {unfit} cannot be written; rename them with record.replace(leads=...)")
    files = writer(record, path, bits)
    for one in files:
        if one.exists() and not overwrite:
            raise FileExistsError(f"{one} is there already; pass overwrite=True, or another path")
    for one, content in files.items():
        write_bytes(one, content)
    return list(files)[-1]
