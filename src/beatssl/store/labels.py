"""Labels that a probe is trained on, and its training, validation and test rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64, Shaped

from beatssl.store.splits import Split, patients, split_by_fold
from beatssl.store.store import Store

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
NAMED_SETS = {"all": "scp"}
"""Names of label sets in the protocol, where the store calls them otherwise."""


@dataclass(frozen=True)
class Labels:
    """Which labels every row of a store has, and of which that is known; what is not known is false in `given`."""

    given: Bool[np.ndarray, "row label"]
    known: Bool[np.ndarray, "row label"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cohort:
    """Labelled rows of a store and the side of the split that each stands on."""

    row: Int64[np.ndarray, " row"]
    labels: Bool[np.ndarray, "row label"]
    known: Bool[np.ndarray, "row label"]  # where false, the label is neither trained on nor scored
    names: tuple[str, ...]
    train: Bool[np.ndarray, " row"]
    valid: Bool[np.ndarray, " row"]
    test: Bool[np.ndarray, " row"]
    patient: Shaped[np.ndarray, " row"]
    dropped: int


def parse_folds(text: str) -> tuple[int, ...]:
    """ "1-7" or "1,2,5" or "1-3,8" as numbers, ascending; "" as none. Raises ValueError for anything else."""
    folds: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"folds {text!r} are no folds; write them as 1-7 or 1,2,5")
        folds |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(folds))


def cohort(
    store: Store,
    labels: str,
    train_folds: Sequence[int],
    valid_fold: int,
    test_fold: int,
    keep_unlabelled: bool = False,
) -> Cohort:
    """Rows with their labels as a table of true and false, split by fold.

    `labels` names a label set of the store (superclass, subclass, form, rhythm, all) or a CSV file (see
    `labels_of_csv`). Any statement counts, whatever its likelihood. Rows of which nothing is known, and so rows without
    a label in the set, are dropped and counted, or kept as negatives of every label. Raises ValueError where there are
    no such labels, SplitError where folds overlap, are empty or share a patient or a waveform.
    """
    split = split_by_fold(store.records, train_folds, valid_fold, test_fold)
    found = labels_of_csv(store, Path(labels)) if labels.endswith(".csv") else labels_of_set(store, labels)
    row = np.sort(np.concatenate(list(split.sides().values())))
    labelled = found.known[row].any(axis=1)
    kept = row if keep_unlabelled else row[labelled]
    made = Cohort(
        row=kept,
        labels=found.given[kept],
        known=found.known[kept] | ~found.known[kept].any(axis=1, keepdims=True),
        names=found.names,
        train=np.isin(kept, split.train),
        valid=np.isin(kept, split.valid),
        test=np.isin(kept, split.test),
        patient=patients(store.records).to_numpy()[kept],
        dropped=len(row) - len(kept),
    )
    _check(made, split, labels)
    return made


def choosing(group: Cohort) -> Cohort:
    """The same without the test fold: figures made of it are those of the validation fold."""
    seen = group.train | group.valid
    return replace(
        group, row=group.row[seen], labels=group.labels[seen], known=group.known[seen], train=group.train[seen],
        valid=group.valid[seen], test=group.valid[seen], patient=group.patient[seen],
    )  # fmt: skip


def labels_of_set(store: Store, label_set: str) -> Labels:
    """A label set of the store; superclasses in their usual order, others by name. A row without one is not known."""
    table = store.targets(NAMED_SETS.get(label_set, label_set))
    first = [name for name in SUPERCLASSES if name in table.columns]
    names = (*first, *(str(name) for name in table.columns if name not in first))
    return _of_statements(table[list(names)].to_numpy(np.bool_), names)


def labels_of_csv(store: Store, path: Path) -> Labels:
    """Labels of a CSV file with a column record_id and either a column label, a line a statement, or a line a record
    with a column of 0 (no), 1 (yes) and empty (not known) for each label.

    Where lines are statements, a record without one is not known; where they are records, one without a line is not.
    A record with two lines has a label where either says so. Raises ValueError for another layout or a record that is
    not in the store.
    """
    lines = pd.read_csv(path, dtype={"record_id": str})
    if "record_id" not in lines.columns or len(lines.columns) < 2:
        raise ValueError(f"{path} has columns {list(lines.columns)}; it needs record_id, and label or one a label")
    statements = "label" in lines.columns
    lines = lines[["record_id", "label"]].dropna().assign(given=1.0) if statements else _long(lines, path)
    ids = store.records["record_id"].astype(str)
    if unknown := sorted(set(lines["record_id"]) - set(ids)):
        raise ValueError(f"{len(unknown)} records of {path} are not in {store.path}, {unknown[0]!r} first")
    # A long record has several rows; its labels are those of all of them.
    joined = lines.merge(pd.DataFrame({"record_id": ids, "row": np.arange(len(store))}), on="record_id")
    names = tuple(sorted(lines["label"].astype(str).unique()))
    row, label = joined["row"].to_numpy(np.int64), np.searchsorted(names, joined["label"].to_numpy(str))
    given, known = np.zeros((2, len(store), len(names)), bool)
    yes = joined["given"].to_numpy(np.float64) > 0
    given[row[yes], label[yes]] = True
    known[row, label] = True
    return _of_statements(given, names) if statements else Labels(given, known, names)


def _long(lines: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A line a record as a line for every entry that is known."""
    wide = lines.set_index("record_id")
    entries = wide.apply(pd.to_numeric, errors="coerce")
    for name in wide.columns:
        strange = wide[name][wide[name].notna() & ~entries[name].isin([0, 1])]
        if len(strange):
            raise ValueError(
                f"{path} has entries other than 0, 1 and empty: {str(strange.iloc[0])!r} for {name!r} of record "
                f"{strange.index[0]!r}; write 1 for yes, 0 for no, and nothing where it is not known"
            )
    melted = entries.reset_index().melt("record_id", var_name="label", value_name="given")
    return melted.dropna(subset=["given"])


def _of_statements(given: Bool[np.ndarray, "row label"], names: tuple[str, ...]) -> Labels:
    """Who has one of the labels has no other than is said; of who has none, nothing is known."""
    return Labels(given, np.broadcast_to(given.any(axis=1, keepdims=True), given.shape).copy(), names)


def _check(made: Cohort, split: Split, labels: str) -> None:
    for name, side in (("train", made.train), ("valid", made.valid), ("test", made.test)):
        if not side.any():
            rows = len(split.sides()[name])
            raise ValueError(f"none of the {rows} {name} rows has a label of {labels!r}; pass other folds or labels")
