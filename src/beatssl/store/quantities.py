"""Labels that are numbers, such as age or ejection fraction, and their training, validation and test rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from beatssl.store.labels import Labels, Rows, entries_of_rows, label_file, labels_of
from beatssl.store.own_data.label_file import LabelFile
from beatssl.store.splits import patients, split_by_fold
from beatssl.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Quantities(Rows):
    """Numbers of such rows, in the user's own units; NaN where not known."""

    values: Float64[np.ndarray, "row label"]


def quantities_of(store: Store, labels: str) -> LabelFile | None:
    """The entries where `labels` are numbers; None where they are labels of yes or no."""
    file = label_file(store, labels)
    return file if file is not None and file.numbers else None


def quantities(
    store: Store, file: LabelFile, train_folds: Sequence[int], valid_fold: int, test_fold: int
) -> Quantities:
    """Rows of which a number is known, split by fold; the others are counted as dropped.

    Raises ValueError as `labels_of_file`, and where the training rows hold one value alone, or another side holds none;
    SplitError where folds overlap, are empty or share a patient or a waveform.
    """
    split = split_by_fold(store.records, train_folds, valid_fold, test_fold)
    values = entries_of_rows(store, file)
    row = np.sort(np.concatenate(list(split.sides().values())))
    kept = row[~np.isnan(values[row]).all(axis=1)]
    made = Quantities(
        row=kept,
        values=values[kept],
        known=~np.isnan(values[kept]),
        names=file.names,
        train=np.isin(kept, split.train),
        valid=np.isin(kept, split.valid),
        test=np.isin(kept, split.test),
        patient=patients(store.records).to_numpy()[kept],
        dropped=len(row) - len(kept),
    )
    _check(made, file)
    return made


def strata(store: Store, labels: str) -> Labels:
    """What a split drawn at random spreads evenly: the labels, or the quarters of each number."""
    file = quantities_of(store, labels)
    if file is None:
        return labels_of(store, labels)
    values = entries_of_rows(store, file)
    known, given, names = [], [], []
    for column, name in zip(values.T, file.names, strict=True):
        there = ~np.isnan(column)
        quarter = np.searchsorted(np.quantile(column[there], (0.25, 0.5, 0.75)), column)
        for number in range(4):
            given.append(there & (quarter == number))
            known.append(there)
            names.append(f"{name}, quarter {number + 1}")
    return Labels(np.stack(given, axis=1), np.stack(known, axis=1), tuple(names))


def _check(made: Quantities, file: LabelFile) -> None:
    for k, name in enumerate(made.names):
        for side, rows in (("training", made.train), ("validation", made.valid), ("test", made.test)):
            values = made.values[rows & made.known[:, k], k]
            if len(np.unique(values)) < 2:
                said = f"all have {values[0]:g}" if len(values) else "none has a number"
                raise ValueError(
                    f"{file.path}: of the {int(rows.sum())} {side} rows {said} for {name!r}; different numbers are "
                    "needed there: pass more records, or another split"
                )
