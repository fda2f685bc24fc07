"""Training, validation and test rows: the protocol's folds, label shares by patient, and a check against leaks."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from beatssl.records.mitdb import DS1, DS2

SAME_PATIENT = frozenset({"201", "202"})
"""MIT-BIH records of one patient, in DS1 and DS2: the one leak that `check_split` lets pass."""


BY_FOLD = "fold of the records"


class SplitError(ValueError):
    """A patient or a waveform stands on two sides of a split, or a side is empty."""


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of a store, ascending."""

    train: Int64[np.ndarray, " train"]
    valid: Int64[np.ndarray, " valid"]
    test: Int64[np.ndarray, " test"]

    def sides(self) -> dict[str, Int64[np.ndarray, " _row"]]:
        return {"train": self.train, "valid": self.valid, "test": self.test}


def split_by_fold(
    records: pd.DataFrame, train_folds: Collection[int] = range(1, 8), valid_fold: int = 8, test_fold: int = 9
) -> Split:
    """Rows by the fold that their source gives them (PTB-XL: 1–7 training, 8 validation, 9 test).

    `records` is a store's table. Raises SplitError for a fold named twice, an empty side, or a leak.
    """
    if valid_fold == test_fold or {valid_fold, test_fold} & set(train_folds):
        raise SplitError(f"folds {sorted(train_folds)}, {valid_fold} and {test_fold} overlap; name each once")
    fold = records["fold"].to_numpy(np.float64, na_value=np.nan)
    return _checked(records, np.isin(fold, list(train_folds)), fold == valid_fold, fold == test_fold, BY_FOLD)


def split_ludb(records: pd.DataFrame, test_fold: int, folds: int = 5) -> Split:
    """LUDB: fold = (record − 1) mod `folds`; the fold after the test fold validates, the others train."""
    fold = (records["record_id"].str.extract(r"(\d+)$", expand=False).astype(np.int64).to_numpy() - 1) % folds
    if not 0 <= test_fold < folds:
        raise SplitError(f"test fold {test_fold} of {folds}; folds count from 0 to {folds - 1}")
    valid_fold = (test_fold + 1) % folds
    train = (fold != test_fold) & (fold != valid_fold)
    return _checked(records, train, fold == valid_fold, fold == test_fold, "record numbers")


def split_mitdb(records: pd.DataFrame, valid: Collection[str] = ("114", "124", "205", "223")) -> Split:
    """MIT-BIH: DS1 without the records `valid`, these, and DS2 (de Chazal et al. 2004). Paced records are left out."""
    if unknown := set(valid) - set(DS1):
        raise SplitError(f"records {sorted(unknown)} are not in DS1; choose valid= from {', '.join(DS1)}")
    ids = records["record_id"].astype(str)
    inner = ids.isin(list(valid)).to_numpy(np.bool_)
    train = ids.isin(DS1).to_numpy(np.bool_) & ~inner
    return _checked(records, train, inner, ids.isin(DS2).to_numpy(np.bool_), "MIT-BIH record numbers")


def take_share(
    records: pd.DataFrame, rows: Int64[np.ndarray, " row"], share: float, rng: np.random.Generator
) -> Int64[np.ndarray, " some_row"]:
    """The rows of `share` of the patients, drawn at random, at least one. A patient comes whole or not at all."""
    if not 0 < share <= 1:
        raise SplitError(f"label share {share} is no share; pass a number above 0, at most 1")
    patient = patients(records).to_numpy()[rows]
    everyone = np.unique(patient)
    drawn = rng.permutation(len(everyone))[: max(1, round(share * len(everyone)))]
    return rows[np.isin(patient, everyone[drawn])]


def patients(records: pd.DataFrame) -> pd.Series:
    """Whose a row is: its source and patient id; a record without one is a patient of its own."""
    known = records["patient_id"].notna()
    own = "record " + records["record_id"].astype(str)
    return records["source"].astype(str) + "/" + records["patient_id"].where(known, own).astype(str)


def check_split(records: pd.DataFrame, split: Split) -> None:
    """Raises SplitError, with examples, where a patient or an identical waveform stands on two sides.

    Rows with no signal at all share an empty `waveform_hash` and count for nothing. MIT-BIH's records 201 and 202 are
    one patient on two sides of the canonical split; this one pair passes.
    """
    exempt = records["source"].eq("mitdb") & records["record_id"].astype(str).isin(SAME_PATIENT)
    # Each of the two counts as a person of its own: neither may itself stand on two sides.
    person = patients(records).where(~exempt, records["record_id"].astype(str))
    waveform = records["waveform_hash"].where(records["waveform_hash"] != "")
    sides = split.sides()
    names = list(sides)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            _refuse("patient", person, records, (one, sides[one]), (other, sides[other]))
            _refuse("waveform", waveform, records, (one, sides[one]), (other, sides[other]))


def _refuse(
    what: str,
    key: pd.Series,
    records: pd.DataFrame,
    one: tuple[str, Int64[np.ndarray, " _row"]],
    other: tuple[str, Int64[np.ndarray, " _row"]],
) -> None:
    on_one = key.iloc[one[1]].dropna()
    on_other = key.iloc[other[1]].dropna()
    shared = on_other[on_other.isin(on_one)]
    if shared.empty:
        return
    first = shared.iloc[0]
    pair = (
        records["record_id"].loc[on_one.index[on_one == first][0]],
        records["record_id"].loc[shared.index[0]],
    )
    raise SplitError(
        f"{shared.nunique()} {what}s stand in both {one[0]} and {other[0]}, such as that of {pair[0]} and {pair[1]}; "
        "leave them out of one side or split by patient"
    )


def _checked(
    records: pd.DataFrame,
    train: Bool[np.ndarray, " row"],
    valid: Bool[np.ndarray, " row"],
    test: Bool[np.ndarray, " row"],
    by: str,
) -> Split:
    split = Split(*(np.flatnonzero(side) for side in (train, valid, test)))
    if empty := [name for name, rows in split.sides().items() if rows.size == 0]:
        folds = sorted(records["fold"].dropna().unique().tolist()) if by == BY_FOLD else []
        there = f"; they are in folds {', '.join(map(str, folds))}" if folds else ""
        none = "; they have none: pass split='random', or split='column:NAME' (prepare's table= adds folds and columns)"
        raise SplitError(
            f"no row in {' and '.join(empty)} by {by}"
            f"{there or (none if by == BY_FOLD else '')}; see the store's table of records"
        )
    check_split(records, split)
    return split
