"""PhysioNet/CinC Challenge 2011 (Silva et al. 2011): twelve leads by mobile phone, acceptable or not."""

from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.datasets.listing import folder_of, wfdb_record
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Label, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy

_LISTS = {"acceptable": "RECORDS-acceptable", "unacceptable": "RECORDS-unacceptable"}
_WHAT = "CinC 2011's training set, set-a"


@dataclass(frozen=True, slots=True)
class Cinc2011Reader:
    """CinC 2011, set a (`set-a/`, or that folder): labels of the set "cinc2011", "acceptable" or "unacceptable".

    Records on neither list (indeterminate) have no label. Headers state no gain: WFDB's 200 units per mV holds.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="cinc2011", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records of RECORDS, RECORDS-acceptable and RECORDS-unacceptable. Raises FileNotFoundError for none."""
        folder = folder_of(root, ("", "set-a"), _LISTS["acceptable"], _WHAT)
        folder_of(root / folder, ("",), _LISTS["unacceptable"], _WHAT)
        label_of = {name: label for label, file in _LISTS.items() for name in _lines(root / folder / file)}
        names = sorted({*label_of, *_lines(root / folder / "RECORDS")})
        paths = [f"{folder}/{name}" if folder else name for name in names]
        return [
            Source(record_id, path, {"labels": (Label("cinc2011", label_of[name]),)} if name in label_of else {})
            for record_id, path, name in zip(unlike_ids(paths), paths, names, strict=True)
        ]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`. Patients are not published."""
        return wfdb_record(root, source, self.units, "cinc2011", **source.info)[0]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.is_file() else []
