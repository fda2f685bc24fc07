"""PTB-XL (Wagner et al. 2020), in the layout PhysioNet publishes, at 100 or 500 Hz."""

import ast
import logging
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from beatssl.records.demographics import OVER_89_YEARS, Sex, age_of
from beatssl.records.reader import Source
from beatssl.records.record import Label, Record, RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb
from beatssl.signals.leads import canonical_leads

_FILES = {"100": "filename_lr", "500": "filename_hr"}
_NEEDED = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold")
_KEPT = (
    "height", "weight", "device", "site", "heart_axis", "baseline_drift", "static_noise", "burst_noise",
    "electrodes_problems", "extra_beats", "pacemaker",
)  # fmt: skip
"""Columns of the full table that go into the metadata. Its free text (report, names of nurses) does not."""

_SEX: dict[int, Sex] = {0: "male", 1: "female"}


@dataclass(frozen=True, slots=True)
class PtbXlReader:
    """PTB-XL 1.0.3. Labels of the sets "scp" (all), "superclass", "subclass", "form" and "rhythm".

    Any statement counts, whatever its likelihood; a class gets the highest likelihood of its statements. 0 means
    "unknown" in PTB-XL. Folds are `strat_fold`. Ages over 89 are published as 300 and become 90, with
    `metadata["age_over_89"]` and the published value beside it.
    """

    sampling: Literal["100", "500"] = "100"
    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="ptbxl", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records of the table whose files are there, by ecg_id.

        Users often have a part of the 500 Hz files only. A row without a file is left out; how many were is logged as a
        warning. Raises FileNotFoundError where a table is missing, or every file.
        """
        table = _table(root, _FILES[self.sampling])
        column = table[_FILES[self.sampling]].astype(str)
        there = _headers(root, column.str.rpartition("/")[0].unique().tolist())
        present = column.isin(there)
        if not present.any():
            raise FileNotFoundError(
                f"none of the {len(table)} files named in column {column.name} of {root / 'ptbxl_database.csv'} is "
                f"there, such as {column.iloc[0]}.hea; download records{self.sampling}, or read with "
                f"sampling={'500' if self.sampling == '100' else '100'!r}"
            )
        if missing := int((~present).sum()):
            logging.getLogger(__name__).warning(
                "%d of %d records of ptbxl_database.csv have no file in %s and are left out",
                missing, len(table), root / f"records{self.sampling}",
            )  # fmt: skip
        labels = _LabelTable(root)
        kept = [name for name in _KEPT if name in table.columns]
        rows = table[present].sort_values("ecg_id").to_dict("records")
        return [
            Source(f"{row['ecg_id']:05d}", str(row[_FILES[self.sampling]]), _info(row, labels, kept)) for row in rows
        ]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`, in the order of its file (canonical)."""
        signals = read_wfdb(root, source.path, self.units)
        info = dict(source.info)
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=canonical_leads(signals.leads),
            fs_hz=signals.fs_hz,
            id=source.id,
            source="ptb-xl",
            metadata=dict(info.pop("metadata", {})) | signals.metadata,
            **info,
        )


def _table(root: Path, file_column: str) -> pd.DataFrame:
    path = root / "ptbxl_database.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; give the folder that holds it and records100/ or records500/")
    wanted = {*_NEEDED, *_KEPT, file_column}
    table = pd.read_csv(path, usecols=wanted.__contains__)
    if absent := [name for name in (*_NEEDED, file_column) if name not in table.columns]:
        raise RecordError("unreadable", f"{path} lacks the columns {absent}; it has {list(table.columns)}")
    return table


def _headers(root: Path, folders: list[str]) -> set[str]:
    """Paths, without `.hea`, of all headers in `folders`; one look at a folder instead of one at every file."""
    found: set[str] = set()
    for folder in folders:
        if (root / folder).is_dir():
            found.update(f"{folder}/{name[:-4]}" for name in os.listdir(root / folder) if name.endswith(".hea"))
    return found


def _info(row: Mapping[Hashable, Any], labels: "_LabelTable", kept: list[str]) -> dict[str, Any]:
    metadata = {name: row[name] for name in kept if not pd.isna(row[name])}
    years = float(row["age"])
    if over_89 := years > 120:
        metadata |= {"age_over_89": True, "age_as_published": years}
    return {
        "patient_id": None if pd.isna(row["patient_id"]) else str(int(row["patient_id"])),
        "age_years": OVER_89_YEARS if over_89 else age_of(str(years)),
        "sex": None if pd.isna(row["sex"]) else _SEX.get(int(row["sex"])),
        "fold": None if pd.isna(row["strat_fold"]) else int(row["strat_fold"]),
        "labels": labels.labels(str(row["scp_codes"])),
        "metadata": metadata,
    }


class _LabelTable:
    """scp_statements.csv: what classes a statement stands for."""

    def __init__(self, root: Path) -> None:
        path = root / "scp_statements.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; it says which class each statement of PTB-XL stands for")
        table = pd.read_csv(path, index_col=0, dtype=str)
        self._classes: dict[str, list[tuple[str, str]]] = {}
        for code, row in zip(table.index.astype(str), table.to_dict("records"), strict=True):
            sets = [("superclass", row["diagnostic_class"]), ("subclass", row["diagnostic_subclass"])]
            sets += [(name, code) for name in ("form", "rhythm") if row[name] == "1.0"]
            self._classes[code] = [(name, label) for name, label in sets if isinstance(label, str) and label]
        self._known: dict[str, tuple[Label, ...]] = {}

    def labels(self, scp_codes: str) -> tuple[Label, ...]:
        """Labels for a cell of the column `scp_codes` such as "{'NORM': 100.0, 'SR': 0.0}"; equal cells share them."""
        if (known := self._known.get(scp_codes)) is not None:
            return known
        codes: dict[str, float] = ast.literal_eval(scp_codes)
        best: dict[tuple[str, str], float] = {}
        for code, likelihood in codes.items():
            for key in [("scp", code), *self._classes.get(code, [])]:
                best[key] = max(best.get(key, 0.0), float(likelihood))
        labels = tuple(Label(label_set, name, value) for (label_set, name), value in best.items())
        self._known[scp_codes] = labels
        return labels
