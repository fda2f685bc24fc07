"""Results in a folder of probe or finetune: every held-out record's truth and probabilities, and the figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Shaped

from beatssl.files import read_json
from beatssl.results import read_result
from beatssl.store.own_data.sides import NO_FOLD
from beatssl.training.diagnosis.figures import DiagnosisFigures, Folds
from beatssl.training.diagnosis.number_figures import PER_NUMBER
from beatssl.training.diagnosis.probe import METRICS as METRICS
from beatssl.training.diagnosis.probe import PREDICTIONS as PREDICTIONS


@dataclass(frozen=True)
class Predictions:
    """Probabilities and truth on the validation and the test fold, the scores once for every draw of labels."""

    names: tuple[str, ...]
    record_id: Shaped[np.ndarray, " record"]  # of the test fold, as is `patient`
    patient: Shaped[np.ndarray, " record"]
    valid_labels: Bool[np.ndarray, "valid label"]
    test_labels: Bool[np.ndarray, "record label"]
    valid_known: Bool[np.ndarray, "valid label"]  # where false, the truth is not known
    test_known: Bool[np.ndarray, "record label"]
    valid_scores: Float64[np.ndarray, "draws valid label"]
    test_scores: Float64[np.ndarray, "draws record label"]

    @classmethod
    def of_table(cls, table: pd.DataFrame, folds: Folds) -> "Predictions":
        """From predictions.parquet and the folds in metrics.json of the same folder.

        Raises ValueError where the table has no columns p_LABEL and true_LABEL, lacks one of the folds, or is of
        cross-validation.
        """
        if folds.test == NO_FOLD:
            raise ValueError("predictions are of cross-validation (kfold); pass those of one split into sides")
        names = tuple(name.removeprefix("p_") for name in table.columns if name.startswith("p_"))
        if not names or any(f"true_{name}" not in table.columns for name in names):
            raise ValueError(
                f"predictions have columns {list(table.columns)}; they need p_LABEL and true_LABEL for each"
            )
        table = table.sort_values(["draw", "row"], kind="stable")
        valid, test = (_of_fold(table, fold) for fold in (folds.valid, folds.test))
        truth = [part[0][[f"true_{name}" for name in names]].astype("boolean") for part in (valid, test)]
        return cls(
            names,
            test[0]["record_id"].to_numpy(str),
            test[0]["patient"].to_numpy(str),
            *(table.fillna(False).to_numpy(np.bool_) for table in truth),
            *(table.notna().to_numpy(np.bool_) for table in truth),
            *(np.stack([_chances(part, names) for part in parts]) for parts in (valid, test)),
        )

    def same_records(self, other: "Predictions") -> bool:
        """Whether both are of the same records, patients and labels, in one order."""
        return (
            self.names == other.names
            and np.array_equal(self.record_id, other.record_id)
            and np.array_equal(self.patient, other.patient)
            and np.array_equal(self.test_labels, other.test_labels)
            and np.array_equal(self.test_known, other.test_known)
        )


def read_figures(folder: Path) -> DiagnosisFigures:
    """The folder's metrics.json. Raises ValueError where there is none, or it is none of probe's or finetune's, or of
    numbers."""
    try:
        if PER_NUMBER in read_json(folder / METRICS):
            raise ValueError(f"{folder} holds predictions of numbers; pass a folder of labels of yes or no")
        return read_result(folder / METRICS, DiagnosisFigures)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} has no {METRICS}; pass a folder that probe, finetune or segment wrote") from error


def read_predictions(folder: Path) -> Predictions:
    """The predictions in a folder that probe or finetune wrote. Raises ValueError where there are none."""
    figures = read_figures(folder)
    if not (folder / PREDICTIONS).is_file():
        raise ValueError(f"{folder} has no {PREDICTIONS}; probe or finetune again with this folder as out=")
    return Predictions.of_table(pd.read_parquet(folder / PREDICTIONS), figures.folds)


def _of_fold(table: pd.DataFrame, fold: int) -> list[pd.DataFrame]:
    """The lines of a fold, draw by draw."""
    part = table[table["fold"] == fold]
    if part.empty:
        raise ValueError(f"predictions have folds {sorted(table['fold'].unique())}, not {fold}; predict it too")
    return [lines for _, lines in part.groupby("draw", sort=True)]


def _chances(table: pd.DataFrame, names: tuple[str, ...]) -> Float64[np.ndarray, "line label"]:
    return table[[f"p_{name}" for name in names]].to_numpy(np.float64)
