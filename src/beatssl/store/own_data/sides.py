"""Which side of a split each row stands on: by the store's folds, a column, a file, or drawn by patient."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Bool, Float64, Int64

from beatssl.files import sha256_of
from beatssl.store.config import FOLDS as FOLDS
from beatssl.store.labels import Labels
from beatssl.store.own_data.id_matching import match_ids, unmatched
from beatssl.store.own_data.label_file import is_label_file, label_path
from beatssl.store.own_data.user_table import read_user_table
from beatssl.store.splits import SplitError, patients, split_by_fold
from beatssl.store.store import Store

NO_FOLD = -1
"""Of rows on no side; of cross-validation, whose parts are each tested once, of its validation and test fold."""

SPLIT = "split.csv"
"""Where a result keeps its sides."""

SHARES = (70.0, 15.0, 15.0)
SIDES = ("train", "valid", "test")
_SPELLED = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test", "holdout": "test",
}  # fmt: skip
_WAYS = "folds, column:NAME, random, random:70,15,15, kfold:5, or a CSV file of record_id and split"


@dataclass(frozen=True)
class Sides:
    """A store whose folds are the sides of a split, and the numbers of these folds."""

    store: Store
    train: tuple[int, ...]
    valid: int
    test: int


def sided(store: Store, split: str, folds: tuple[tuple[int, ...], int, int], labels: Labels | None, seed: int) -> Sides:
    """The store with the sides that `split` says as folds: 0 train, 1 valid, 2 test, and NO_FOLD for none.

    `split` is "folds" (the store's own, `folds` the numbers of training, validation and test), "column:NAME" (a column
    of the table of records with train, valid and test, or with fold numbers), a CSV file of record_id and split, or
    "random:70,15,15" (shares of the patients' rows in per cent, stratified by label, drawn by `seed`).

    Raises ValueError for anything else, a column that is not there or holds other words; that a patient or waveform
    stands on two sides is found by `split_by_fold`.
    """
    if split == FOLDS:
        return Sides(store, *folds)
    records = store.records
    if is_label_file(split):
        words, where = _of_file(store, label_path(split)), split
    elif split.startswith("column:"):
        words, where = _of_column(store, split.removeprefix("column:")), f"column {split[7:]!r} of {store.path}"
        if pd.api.types.is_numeric_dtype(words):
            return Sides(_with_folds(store, words.fillna(NO_FOLD).to_numpy(np.int64)), *folds)
    elif match := re.fullmatch(r"random(?::(.+))?", split):
        shares = _shares(match[1]) if match[1] else SHARES
        return Sides(_with_folds(store, draw_sides(records, labels, shares, np.random.default_rng(seed))), (0,), 1, 2)
    else:
        raise ValueError(f"split {split!r} is none; pass {_WAYS}")
    return Sides(_with_folds(store, _numbers(words, where)), (0,), 1, 2)


def one_split(store: Store, split: str, seed: int) -> Sides:
    """The sides of a store for what is learnt once, without labels: folds 0 (train), 1 (valid) and 2 (test).

    `split` is "column:NAME" of train, valid and test, "random", or a file; `seed` draws. Raises as `sided`; ValueError
    for parts, SplitError where a side is empty, or a patient or waveform stands on two.
    """
    if parts_of(split):
        raise ValueError(f"split={split!r} tests every part once; pass column:NAME, random, or a CSV file here")
    sides = sided(store, split, ((), NO_FOLD, NO_FOLD), None, seed)
    if sides.valid == NO_FOLD:
        raise ValueError(
            f"{split} of {store.path} holds numbers; write train, valid and test there, or name it fold in the table "
            "of records that prepare takes, and pass folds="
        )
    split_by_fold(sides.store.records, sides.train, sides.valid, sides.test)
    return sides


def asked_split(split: str) -> dict[str, str]:
    """A split among the settings that a run depends on: a file with its content, the store's own folds not at all.

    Raises FileNotFoundError where there is no such file.
    """
    if split == FOLDS:
        return {}
    if not is_label_file(split):
        return {"split": split}
    path = label_path(split)
    read_user_table(path)
    return {"split": str(path.resolve()), "split_sha256": sha256_of(path)}


def parts_of(split: str) -> int:
    """k of "kfold:k"; 0 for any other split. Raises ValueError where k is no number from 3 on."""
    if not split.startswith("kfold"):
        return 0
    match = re.fullmatch(r"kfold(?::(\d+))?", split)
    parts = int(match[1] or 5) if match else 0
    if parts < 3:
        raise ValueError(f"split {split!r}: pass kfold:3 or more; one part is tested, one validates, the others train")
    return parts


def in_parts(store: Store, parts: int, labels: Labels | None, seed: int) -> Store:
    """The store with folds 1 … `parts` of equal size, drawn by patient and stratified by label."""
    drawn = draw_sides(store.records, labels, (1.0,) * parts, np.random.default_rng(seed))
    return _with_folds(store, drawn + 1)


def draw_sides(
    records: pd.DataFrame, labels: Labels | None, shares: Sequence[float], rng: np.random.Generator
) -> Int64[np.ndarray, " row"]:
    """The side of each row, drawn at random in these shares. Rows of one patient, or of one waveform, stay together.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011): patients of the label that fewest of those
    left have go first, each to the side that lacks most of this label. A row of which something is known counts as a
    label too. Raises SplitError where there are fewer patients than sides.
    """
    group = _together(records)
    kinds = _kinds(labels, len(records))
    members = scipy.sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))))
    counts = np.asarray(members @ kinds)  # of each group, its rows of each kind
    if len(counts) < len(shares):
        raise SplitError(f"{len(counts)} patients for {len(shares)} sides; a patient stands on one side alone")
    wanted = np.outer(np.asarray(shares) / np.sum(shares), counts.sum(axis=0))
    side = np.full(len(counts), -1)
    left = rng.permutation(len(counts))
    while left.size:
        having = (counts[left] > 0).sum(axis=0)
        kind = int(np.argmin(np.where(having > 0, having, len(counts) + 1)))
        for one in left[counts[left, kind] > 0]:
            side[one] = np.lexsort((wanted[:, -1], wanted[:, kind]))[-1]  # where two lack as much, the smaller
            wanted[side[one]] -= counts[one]
        left = left[side[left] < 0]
    return side[group]


def sides_table(store: Store, sides: Sides) -> pd.DataFrame:
    """Record and side, a line a record: what is saved, and taken as a split again; of parts their numbers."""
    records = store.records.drop_duplicates("record_id")
    words = {sides.valid: "valid", sides.test: "test"} | dict.fromkeys(sides.train, "train")
    fold = records["fold"].fillna(NO_FOLD).astype(int)
    word = fold.where(fold > NO_FOLD) if sides.test == NO_FOLD else fold.map(words)
    table = pd.DataFrame({"record_id": records["record_id"], "split": word}).dropna()
    return table.astype({"split": int}) if sides.test == NO_FOLD else table


def _together(records: pd.DataFrame) -> Int64[np.ndarray, " row"]:
    """A number for all rows that share patients or waveforms, also by way of others."""
    person = patients(records).to_numpy()
    waveform = np.where(records["waveform_hash"] == "", "row " + records.index.astype(str), records["waveform_hash"])
    _, one = np.unique(person, return_inverse=True)
    _, other = np.unique(waveform.astype(str), return_inverse=True)
    size = int(one.max(initial=0) + other.max(initial=0)) + 2
    edges = scipy.sparse.coo_matrix((np.ones(len(one)), (one, one.max() + 1 + other)), shape=(size, size))
    _, component = scipy.sparse.csgraph.connected_components(edges, directed=False)
    return np.unique(component[one], return_inverse=True)[1].astype(np.int64)


def _kinds(labels: Labels | None, rows: int) -> Float64[np.ndarray, "row kind"]:
    """What is to be spread evenly: positives of each label, rows of which something is known, and all rows (last)."""
    everyone: Bool[np.ndarray, "row 1"] = np.ones((rows, 1), bool)
    if labels is None:
        return everyone.astype(np.float64)
    something = labels.known.any(axis=1, keepdims=True)
    return np.concatenate([labels.given & labels.known, something, everyone], axis=1).astype(np.float64)


def _with_folds(store: Store, fold: Int64[np.ndarray, " row"]) -> Store:
    return store.with_tables(records=store.records.assign(fold=pd.array(fold, dtype="Int32")))


def _of_column(store: Store, name: str) -> pd.Series:
    if name not in store.records.columns:
        named = ", ".join(one for one in store.records.columns if not one.startswith("flag_"))
        raise ValueError(
            f"{store.path} has no column {name!r} of records; it has {named}; a table of records adds some in prepare"
        )
    return store.records[name]


def _of_file(store: Store, path: Path) -> pd.Series:
    """The side of each row that a file says."""
    table = read_user_table(path)
    title = next((title for title in table.columns if title.lower() in ("split", "side", "set", "fold")), None)
    if title is None:
        raise ValueError(f"{path} has no column split; its columns are {', '.join(table.columns)}")
    ids = store.records["record_id"].astype(str).tolist()
    matched = match_ids(table.ids, [*ids, *store.rejects["record_id"].astype(str)], path)
    if missing := [text for text, found in matched.items() if found is None]:
        without = [one for one in dict.fromkeys(ids) if one not in set(matched.values())]
        raise unmatched(missing, len(matched), without, path, str(store.path))
    said: dict[str, str] = {}
    for text, cell in zip(table.ids, table.columns[title], strict=True):
        if said.setdefault(str(matched[text]), cell) != cell:
            raise ValueError(f"{path}: two lines of record {text!r} contradict each other; keep one")
    return pd.Series([said.get(one, "") for one in ids])


def _numbers(words: pd.Series, where: str) -> Int64[np.ndarray, " row"]:
    plain = words.fillna("").astype(str).str.strip().str.lower()
    if other := sorted(set(plain) - _SPELLED.keys() - {""}):
        raise ValueError(f"{where} holds {other[0]!r}; write train, valid and test, or nothing for neither")
    sides = plain.map(_SPELLED)
    if absent := [side for side in SIDES if side not in set(sides)]:
        raise SplitError(
            f"{where} says {', '.join(sorted(set(sides.dropna())))}, but no {absent[0]}; training, validation (it "
            "decides penalties, epochs and thresholds) and test are needed: take some patients from train, or pass "
            "split='random'"
        )
    return sides.map({side: number for number, side in enumerate(SIDES)}).fillna(NO_FOLD).to_numpy(np.int64)


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in re.split(r"[,/ ]+", text))
    except ValueError:
        shares = ()
    if len(shares) != len(SIDES) or min(shares, default=0) <= 0:
        raise ValueError(f"shares {text!r} are none; write three numbers above 0 for train, valid and test: 70,15,15")
    return shares
