"""The PhysioNet/CinC Challenge 2020 and 2021 collections: twelve leads, SNOMED CT diagnoses, several sources."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.datasets.listing import headers_below, wfdb_record
from beatssl.records.demographics import comment_fields, snomed_labels
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Record, RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy

_NAME = re.compile(r"(HR|JS|A|E|I|Q|S)(\d+)")
_SOURCES = {
    "A": "cpsc2018", "Q": "cpsc2018-extra", "I": "incart", "S": "ptb", "HR": "ptb-xl", "E": "georgia",
    "JS": "chapman-shaoxing",
}  # fmt: skip
_LAST_OF_CHAPMAN = 10646  # JS numbers above it are Ningbo's


@dataclass(frozen=True, slots=True)
class CincReader:
    """CinC records (`.hea` with `.mat`) in any folders. Labels of the set "snomed", one per code of `Dx`.

    `Record.source` is the collection that the record's name tells, and so the hospitals: A "cpsc2018", Q
    "cpsc2018-extra" (eleven hospitals in China), I "incart" (St Petersburg), S "ptb" (Berlin), E "georgia" (Atlanta),
    JS "chapman-shaoxing" or "ningbo" (by number). HR are PTB-XL's own records: they are refused.
    Patients are not published here. Where a record's name stands in several folders, its id is the path.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="cinc", init=False)

    def sources(self, root: Path) -> list[Source]:
        """Every header below `root`, by path. Raises FileNotFoundError where there is none."""
        found = headers_below(root, "", "a CinC 2020 or 2021 collection")
        return [Source(record_id, name) for record_id, name in zip(unlike_ids(found), found, strict=True)]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`; age, sex and diagnoses from its header. `RecordError`, "duplicate", for HR*."""
        collection, number = _collection(source.path.rpartition("/")[2])
        if collection == "ptb-xl":
            raise RecordError(
                "duplicate",
                f"{source.path}: is record {number} of PTB-XL; prepare PTB-XL itself (ptbxl), or any files (files)",
            )
        record, comments = wfdb_record(root, source, self.units, collection)
        return record.replace(labels=snomed_labels(comment_fields(comments).get("dx", "")))


def _collection(record_id: str) -> tuple[str, int]:
    """The collection that a record's name tells, and its number there; ("cinc", 0) for a name of no known kind."""
    match = _NAME.fullmatch(record_id)
    if match is None:
        return "cinc", 0
    number = int(match[2])
    if match[1] == "JS" and number > _LAST_OF_CHAPMAN:
        return "ningbo", number
    return _SOURCES[match[1]], number
