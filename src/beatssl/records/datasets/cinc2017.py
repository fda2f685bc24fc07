"""PhysioNet/CinC Challenge 2017 (Clifford et al. 2017): one hand-held lead, normal, AF, other rhythm or noise."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.datasets.listing import headers_below, sources_of, wfdb_record
from beatssl.records.reader import Source
from beatssl.records.record import Label, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy

CLASSES = {"N": "normal", "A": "af", "O": "other", "~": "noise"}
"""Labels of the set "cinc2017", by their symbol in the tables."""

_TABLES = ("REFERENCE-v3.csv", "REFERENCE-v2.csv", "REFERENCE-v1.csv", "REFERENCE.csv")
_FOLDERS = ("training", "training2017")
_WHAT = "CinC 2017's training set"


@dataclass(frozen=True, slots=True)
class Cinc2017Reader:
    """CinC 2017's training set, also in PhysioNet's layout (`training/A00/A00001`); `validation` repeats some of it.

    Labels are the latest table's (REFERENCE-v3.csv where it is there). The device measures between the hands: its lead
    is I. Patients are not published.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="cinc2017", init=False)

    def sources(self, root: Path) -> list[Source]:
        """Every header below `training`, or below `root` without one. Raises FileNotFoundError without a table."""
        folder = next((name for name in _FOLDERS if (root / name).is_dir()), "")
        tables = [root / place / name for name in _TABLES for place in ("", folder)]
        table = next((path for path in tables if path.is_file()), None)
        if table is None:
            raise FileNotFoundError(f"{root / _TABLES[-1]} is missing; give the folder of {_WHAT}")
        with table.open(encoding="utf-8", newline="") as file:
            label_of = {row[0]: CLASSES[row[1]] for row in csv.reader(file) if len(row) > 1 and row[1] in CLASSES}
        sources = sources_of(headers_below(root, folder, _WHAT))
        names = [source.path.rpartition("/")[2] for source in sources]
        return [
            Source(source.id, source.path, {"labels": (Label("cinc2017", label_of[name]),)} if name in label_of else {})
            for source, name in zip(sources, names, strict=True)
        ]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`, its one lead called I."""
        record, _ = wfdb_record(root, source, self.units, "cinc2017", **source.info)
        return record.replace(leads=("I",)) if len(record.leads) == 1 else record
