"""CPSC 2019 (Gao et al. 2019): ten noisy seconds of one lead, R peaks marked by hand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from beatssl.records.formats.matlab import mat_variables
from beatssl.records.reader import BESIDE, Source, read_inside
from beatssl.records.record import BeatMarks, Record, RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy, check_amplitude

_FS_HZ = 500.0
_NAME, _MARKS = "data_", "R_"


@dataclass(frozen=True, slots=True)
class Cpsc2019Reader:
    """CPSC 2019's training set (`data/data_00001.mat` with `ref/R_00001.mat`): 500 Hz, mV, a lead without a name.

    `beats` are R peaks of no class ("Q"). Nothing is known of the patients.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="cpsc2019", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records of `data`, or of `train/data`. Raises FileNotFoundError where there is none."""
        for folder in ("data", "train/data"):
            names = sorted(path.name for path in (root / folder).glob(f"{_NAME}*.mat"))
            if names:
                return [
                    Source(name.removesuffix(".mat"), f"{folder}/{name}", {BESIDE: _marks(folder, name)})
                    for name in names
                ]
        raise FileNotFoundError(f"no {_NAME}*.mat in {root / 'data'}; give the folder of CPSC 2019's training set")

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path` with its R peaks."""
        folder, _, name = source.path.rpartition("/")
        ecg_mv = _column(root, source.path, "ecg").astype(np.float32)[None]
        at = _column(root, _marks(folder, name), "R_peak")
        if (at < 0).any() or (at > ecg_mv.shape[1]).any():
            raise RecordError("unreadable", f"{source.path}: an R peak lies outside its {ecg_mv.shape[1]} samples")
        leads = ("lead 1",)
        return Record(
            ecg_mv=ecg_mv,
            leads=leads,
            fs_hz=_FS_HZ,
            id=source.id,
            source="cpsc2019",
            beats=BeatMarks(np.unique(at) / _FS_HZ, ("Q",) * len(np.unique(at))),
            metadata=check_amplitude(ecg_mv, leads, _FS_HZ, source.path, self.units),
        )


def _marks(folder: str, name: str) -> str:
    """The file of R peaks that belongs to one of signals."""
    return f"{folder.removesuffix('data')}ref/{name.replace(_NAME, _MARKS, 1)}"


def _column(root: Path, path: str, variable: str) -> Float64[np.ndarray, " value"]:
    """One variable of a MATLAB file as a row of numbers."""
    folder, _, name = path.rpartition("/")
    found: Any = mat_variables(read_inside(root, folder, name), path).get(variable)
    numbers = np.asarray(found).reshape(-1)
    if numbers.dtype.kind not in "iuf" or numbers.size < 2:
        raise RecordError("unreadable", f"{path}: holds no numbers {variable!r}; fetch it again")
    return numbers.astype(np.float64)
