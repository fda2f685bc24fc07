"""The PhysioNet/CinC Challenge 2020 and 2021 collections: twelve leads, SNOMED CT diagnoses, several sources."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.demographics import age_of, comment_fields, sex_of, snomed_labels
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb
from beatssl.signals.leads import canonical_leads

_NAME = re.compile(r"(HR|JS|A|E|I|Q|S)(\d+)")
_SOURCES = {
    "A": "cpsc2018", "Q": "cpsc2018-extra", "I": "incart", "S": "ptb", "HR": "ptb-xl", "E": "georgia",
    "JS": "chapman-shaoxing",
}  # fmt: skip
_LAST_OF_CHAPMAN = 10646  # JS numbers above it are Ningbo's


@dataclass(frozen=True, slots=True)
class CincReader:
    """CinC records (`.hea` with `.mat`) in any folders. Labels of the set "snomed", one per code of `Dx`.

    `Record.source` is the collection that the record's name tells: A "cpsc2018", Q "cpsc2018-extra", I "incart",
    S "ptb", E "georgia", JS "chapman-shaoxing" or "ningbo", and HR "ptb-xl": those are PTB-XL's own records,
    never another database; `metadata["ptbxl_ecg_id"]` says which. Patients are not published here. Where a record's
    name stands in several folders, its id is the path.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="cinc", init=False)

    def sources(self, root: Path) -> list[Source]:
        """Every header below `root`, by path. Raises FileNotFoundError where there is none."""
        found = sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.hea"))
        if not found:
            raise FileNotFoundError(f"no header (.hea) below {root}; give the folder of a CinC 2020 or 2021 collection")
        return [Source(record_id, name) for record_id, name in zip(unlike_ids(found), found, strict=True)]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`; age, sex and diagnoses from its header."""
        signals = read_wfdb(root, source.path, self.units)
        said = comment_fields(signals.comments)
        collection, number = _collection(source.path.rpartition("/")[2])
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=canonical_leads(signals.leads),
            fs_hz=signals.fs_hz,
            id=source.id,
            source=collection,
            age_years=age_of(said.get("age", "")),
            sex=sex_of(said.get("sex", "")),
            labels=snomed_labels(said.get("dx", "")),
            metadata=signals.metadata | ({"ptbxl_ecg_id": number} if collection == "ptb-xl" else {}),
        )


def _collection(record_id: str) -> tuple[str, int]:
    """The collection that a record's name tells, and its number there; ("cinc", 0) for a name of no known kind."""
    match = _NAME.fullmatch(record_id)
    if match is None:
        return "cinc", 0
    number = int(match[2])
    if match[1] == "JS" and number > _LAST_OF_CHAPMAN:
        return "ningbo", number
    return _SOURCES[match[1]], number
