"""LUDB, the Lobachevsky University database (Kalyakulina et al. 2020): 200 records with waves marked in every lead."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from beatssl.records.annotations import read_annotations, wave_marks, waves_of
from beatssl.records.demographics import OVER_89_YEARS, age_of, sex_of
from beatssl.records.reader import Source
from beatssl.records.record import Label, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb, record_names
from beatssl.signals.leads import LEADS, canonical_leads

_UNITS_PER_MV = 1000.0
_NO_DIAGNOSIS = ("ID", "Sex", "Age")


@dataclass(frozen=True, slots=True)
class LudbReader:
    """LUDB 1.0.1: P, QRS and T marks per lead, diagnoses as labels of the set "ludb", fold = (record − 1) mod 5.

    The reference R of a lead is the peak of its QRS.

    **Amplitudes**: the headers of LUDB 1.0.1 state as the gain of each lead just the range of its digital samples: so
    taken, every lead of every record spans exactly 1 mV. The samples themselves are in µV: all four
    relations among the limb leads hold between them to half a unit, and their ranges are those of PTB-XL. This reader
    takes 1000 units per mV and says so in `metadata["gain_corrected"]`; `gains="published"` takes the headers' word.
    """

    gains: Literal["corrected", "published"] = "corrected"
    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="ludb", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `RECORDS` names, by number. Raises FileNotFoundError where it or `ludb.csv` is missing."""
        names = record_names(root)
        path = root / "ludb.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; it holds age, sex and diagnoses of LUDB's subjects")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = {row["ID"].strip(): row for row in csv.DictReader(file)}
        numbered = sorted((name.rpartition("/")[2], name) for name in names)
        numbered.sort(key=lambda pair: int(pair[0]) if pair[0].isdecimal() else 0)
        return [Source(number, name, _info(number, rows.get(number, {}))) for number, name in numbered]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path` with its waves, leads in canonical names and order of the file."""
        corrected = self.gains == "corrected"
        signals = read_wfdb(root, source.path, self.units, _UNITS_PER_MV if corrected else None)
        waves = [wave for lead in LEADS for wave in waves_of(read_annotations(root, source.path, lead.lower()), lead)]
        info = dict(source.info)
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=canonical_leads(signals.leads),
            fs_hz=signals.fs_hz,
            id=source.id,
            source="ludb",
            patient_id=source.id,
            waves=wave_marks(waves, signals.fs_hz),
            metadata=dict(info.pop("metadata", {})) | signals.metadata | {"gain_corrected": corrected},
            **info,
        )


def _info(number: str, row: dict[str, str]) -> dict[str, Any]:
    age = row.get("Age", "").strip()
    statements = [text.strip() for name, cell in row.items() if name not in _NO_DIAGNOSIS for text in cell.split("\n")]
    return {
        "age_years": OVER_89_YEARS if age.startswith(">") else age_of(age),
        "sex": sex_of(row.get("Sex", "")),
        "fold": (int(number) - 1) % 5 if number.isdecimal() else None,
        "labels": tuple(Label("ludb", text) for text in dict.fromkeys(statements) if text),
        "metadata": {"age_over_89": True, "age_as_published": age} if age.startswith(">") else {},
    }
