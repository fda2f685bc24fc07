"""Brugada-HUCA (Costa Cortez and Garcia Iglesias, PhysioNet 2025): twelve leads, Brugada syndrome or not."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.datasets.listing import wfdb_record
from beatssl.records.reader import Source
from beatssl.records.record import Label, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy

_INDEX = "metadata.csv"
_CLASSES = {"0": "healthy", "1": "brugada", "2": "other"}
_SIGNS = {"basal_pattern": "basal pattern", "sudden_death": "sudden death"}


@dataclass(frozen=True, slots=True)
class BrugadaReader:
    """Brugada-HUCA 1.0.0: 363 people, 12 s, 100 Hz. Labels of the set "brugada": "healthy", "brugada" or "other", and
    "basal pattern" (the type 1 pattern at rest) and "sudden death" where `metadata.csv` has them.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="brugada", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `metadata.csv` names, by number, in `files/ID/ID` or beside it. Raises FileNotFoundError."""
        path = root / _INDEX
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; it holds the diagnoses of Brugada-HUCA's patients")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = {row["patient_id"].strip(): row for row in csv.DictReader(file)}
        nested = (root / "files").is_dir()
        return [
            Source(name, f"files/{name}/{name}" if nested else name, {"labels": _labels(row)})
            for name, row in sorted(rows.items(), key=lambda item: (len(item[0]), item[0]))
        ]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`; one of each patient."""
        return wfdb_record(root, source, self.units, "brugada-huca", patient_id=source.id, **source.info)[0]


def _labels(row: dict[str, str]) -> tuple[Label, ...]:
    names = [_CLASSES.get(row.get("brugada", "").strip(), "")]
    names += [name for column, name in _SIGNS.items() if row.get(column, "").strip() == "1"]
    return tuple(Label("brugada", name) for name in names if name)
