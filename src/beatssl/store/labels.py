"""Labels of yes or no that a probe is trained on, and its training, validation and test rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.store.own_data.id_matching import match_ids, unmatched
from beatssl.store.own_data.label_file import LabelFile, is_label_file, label_lines, read_label_file
from beatssl.store.own_data.user_table import records_table
from beatssl.store.splits import Split, patients, split_by_fold
from beatssl.store.store import Store
from beatssl.store.vocabularies.statements import KINDS, statements

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
NAMED_SETS = {"all": "scp"}
"""Names of label sets in the protocol, where the store calls them otherwise."""
OF_COLUMNS = "column:"
"""How labels that are columns of the store's records begin."""


@dataclass(frozen=True)
class Labels:
    """Which labels every row of a store has, and of which that is known; what is not known is false in `given`."""

    given: Bool[np.ndarray, "row label"]
    known: Bool[np.ndarray, "row label"]
    names: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Groups of them that figures are given for too."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a store, what is known of them, and the side of the split that each stands on."""

    row: Int64[np.ndarray, " row"]
    known: Bool[np.ndarray, "row label"]  # where false, the label is neither trained on nor scored
    names: tuple[str, ...]
    train: Bool[np.ndarray, " row"]
    valid: Bool[np.ndarray, " row"]
    test: Bool[np.ndarray, " row"]
    patient: Shaped[np.ndarray, " row"]
    dropped: int
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True, kw_only=True)
class Cohort(Rows):
    """Labels of yes or no of such rows."""

    labels: Bool[np.ndarray, "row label"]


Some = TypeVar("Some", bound=Rows)


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

    `labels` names a label set of the store (superclass, subclass, form, rhythm, all), several of
    them (all+superclass), a CSV file (see
    `read_label_file`), or columns of the records (column:AF). Any statement counts, whatever its likelihood. Rows of
    which nothing is known, and so rows without a label in the set, are dropped and counted, or kept as negatives of
    every label. Raises ValueError where there are no such labels, SplitError where folds overlap, are empty or share a
    patient or a waveform.
    """
    split = split_by_fold(store.records, train_folds, valid_fold, test_fold)
    found = labels_of(store, labels)
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
        sets=found.sets,
    )
    _check(made, split, labels)
    return made


def validation_only(group: Some) -> Some:
    """The same without the test fold: figures made of it are those of the validation fold."""
    seen = group.train | group.valid
    taken = {name: of_rows[seen] for name, of_rows in vars(group).items() if isinstance(of_rows, np.ndarray)}
    return replace(group, **taken | {"test": group.valid[seen]})


def labels_of(store: Store, labels: str) -> Labels:
    """Those of a file or of columns of the store's records, or of a label set of the store."""
    file = label_file(store, labels)
    return labels_of_set(store, labels) if file is None else labels_of_file(store, file)


def label_file(store: Store, labels: str) -> LabelFile | None:
    """Entries of a CSV file, or of columns of the records ("column:age_years"); None for a label set of the store."""
    if labels.startswith(OF_COLUMNS):
        names = [name.strip() for name in labels.removeprefix(OF_COLUMNS).split(",")]
        if "" in names:
            raise ValueError(f"labels={labels!r} lacks a name; write a column of the records, such as column:age_years")
        return label_lines(records_table(store.records, store.path), names, OF_COLUMNS)
    return read_label_file(labels) if is_label_file(labels) else None


def labels_of_set(store: Store, label_sets: str) -> Labels:
    """One label set of the store, or several ("all+superclass"); superclasses in their usual order, others by name.

    A row without a label of a set is not known in it. A name that two sets have is one label where they agree on every
    row, else that of the later set is "NAME (SET)". `sets` of several are these, and of all statements the three kinds.
    """
    given: dict[str, Bool[np.ndarray, " row"]] = {}
    known: dict[str, Bool[np.ndarray, " row"]] = {}
    sets: dict[str, tuple[str, ...]] = {}
    for label_set in label_sets.split("+"):
        own: list[str] = []
        table = store.targets(NAMED_SETS.get(label_set, label_set))
        first = [name for name in SUPERCLASSES if name in table.columns]
        for name in (*first, *(str(name) for name in table.columns if name not in first)):
            column = table[name].to_numpy(np.bool_)
            other = name in given and not np.array_equal(given[name], column)
            own.append(f"{name} ({label_set})" if other else name)
            given[own[-1]] = column
            known[own[-1]] = known.get(own[-1], False) | table.any(axis=1).to_numpy(np.bool_)
        sets[label_set] = tuple(own)
        if NAMED_SETS.get(label_set) == "scp":
            sets |= _kinds(own)
    made = np.stack(list(given.values()), axis=1), np.stack(list(known.values()), axis=1)
    return Labels(*made, tuple(given), sets if len(sets) > 1 else {})


def _kinds(codes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Statements of PTB-XL among the codes, by kind."""
    of = {kind: tuple(code for code in codes if code in statements() and kind in statements()[code].kinds)
          for kind in KINDS}  # fmt: skip
    return {kind: found for kind, found in of.items() if found}


def labels_of_file(store: Store, file: LabelFile) -> Labels:
    """Labels of every row of the store.

    Where lines are statements, a record without one is not known; where they are records, one without a line is not.
    Lines of records that `prepare` set aside are passed over. Ids match as `match_ids` says.

    Raises ValueError for numbers, for a record that is not in the store, and for lines that contradict each other.
    """
    if file.numbers:
        raise ValueError(f"{file.path} holds numbers ({', '.join(file.names)}), where labels of yes or no are needed")
    found = entries_of_rows(store, file)
    given, known = found == 1, ~np.isnan(found)
    return _of_statements(given, file.names) if file.statements else Labels(given, known, file.names)


def entries_of_rows(store: Store, file: LabelFile) -> Float64[np.ndarray, "row name"]:
    """The entries of a file for every row of a store, NaN where not known; a long record has them in all its rows.

    Raises ValueError as `labels_of_file`.
    """
    ids = store.records["record_id"].astype(str).tolist()
    aside = store.rejects["record_id"].astype(str).tolist()
    matched = match_ids(file.records, [*dict.fromkeys(ids), *aside], file.path)
    if missing := [record for record, found in matched.items() if found is None]:
        without = [one for one in dict.fromkeys(ids) if one not in set(matched.values())]
        raise unmatched(missing, len(matched), without, file.path, str(store.path))
    entries: dict[tuple[str, str], float] = {}
    for line in file.lines:
        key = str(matched[line.record]), line.name
        if (before := entries.setdefault(key, line.value)) != line.value:
            raise ValueError(
                f"{file.path}: two lines of record {line.record!r} contradict each other in {line.name!r} ({before:g} "
                f"and {line.value:g}); keep one"
            )
    values = pd.Series(entries, dtype=np.float64)
    if values.empty:
        return np.full((len(ids), len(file.names)), np.nan)
    table = values.unstack().reindex(index=ids, columns=list(file.names))
    return table.to_numpy(np.float64)


def _of_statements(given: Bool[np.ndarray, "row label"], names: tuple[str, ...]) -> Labels:
    """Who has one of the labels has no other than is said; of who has none, nothing is known."""
    return Labels(given, np.broadcast_to(given.any(axis=1, keepdims=True), given.shape).copy(), names)


def _check(made: Cohort, split: Split, labels: str) -> None:
    for name, side in (("train", made.train), ("valid", made.valid), ("test", made.test)):
        if not side.any():
            rows = len(split.sides()[name])
            raise ValueError(f"none of the {rows} {name} rows has a label of {labels!r}; pass other folds or labels")
