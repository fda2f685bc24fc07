"""The St Petersburg INCART database (Tihonenko et al. 2008): half-hours of twelve leads, a class for every beat."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.annotations import read_annotations
from beatssl.records.datasets.listing import folder_of, wfdb_record
from beatssl.records.mitdb import beat_marks
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import record_names

_PATIENT = re.compile(r"patient\s+(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IncartdbReader:
    """INCART 1.0.0: twelve leads at 257 Hz, or any of them; `beats` as MIT-BIH's, in the same symbols.

    75 records are of 32 patients, whom the comments of the headers number; a record whose header numbers none counts as
    a patient of its own. CinC 2021's records `I0001` and on are this database.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="incartdb", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `RECORDS` names, sorted. Raises FileNotFoundError where it is missing."""
        folder = folder_of(root, ("", "files"), "RECORDS", "the INCART database")
        names = sorted(f"{folder}/{name}" if folder else name for name in record_names(root / folder))
        return [Source(record_id, name) for record_id, name in zip(unlike_ids(names), names, strict=True)]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path` with the beats of `atr`."""
        record, comments = wfdb_record(root, source, self.units, "incartdb")
        marks = read_annotations(root, source.path, "atr")
        patient = next((match[1] for one in comments if (match := _PATIENT.fullmatch(one.strip()))), None)
        return record.replace(patient_id=patient, beats=beat_marks(marks, record.fs_hz))
