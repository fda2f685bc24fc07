"""Which records each network of a segmenter run is trained, validated and tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int64

from beatssl.store.own_data.sides import FOLDS, NO_FOLD, Sides, in_parts, parts_of, sided, sides_table
from beatssl.store.splits import Split, SplitError, check_split, patients, split_by_fold, split_ludb
from beatssl.store.store import Store


@dataclass(frozen=True)
class FoldSplits:
    """The split of every fold that is tested, by its number."""

    splits: dict[int, Split]
    valid_fold: dict[int, int]
    """The fold that validates, by the one that is tested."""
    table: pd.DataFrame | None
    """Record and side or part, to be saved; None where the folds are the protocol's."""

    @property
    def rows(self) -> Int64[np.ndarray, " row"]:
        """Rows of all folds, ascending."""
        return np.unique(np.concatenate(list(next(iter(self.splits.values())).sides().values())))


def splits_of(store: Store, split: str, fold_count: int, only: Sequence[int], seed: int) -> FoldSplits:
    """The folds `only`, or all, of a split; see `SegmentConfig.split`.

    Of parts each is tested once, and the next one validates. Of train, valid and test the fold is 2, and 1 validates.

    Raises ValueError for a split or a fold that is none, SplitError where a side is empty, or a patient or waveform
    stands on two.
    """
    if split == FOLDS:
        wanted = sorted(set(only)) or range(fold_count)
        splits = {fold: fold_split(store, fold, fold_count) for fold in wanted}
        return FoldSplits(splits, {fold: (fold + 1) % fold_count for fold in wanted}, None)
    if parts := parts_of(split):
        sides = Sides(in_parts(store, parts, None, seed), tuple(range(1, parts + 1)), NO_FOLD, NO_FOLD)
    else:
        sides = sided(store, split, ((), NO_FOLD, NO_FOLD), None, seed)
    valid_fold = _folds_of(sides, split)
    if unknown := set(only) - valid_fold.keys():
        known = ", ".join(map(str, valid_fold))
        raise ValueError(f"only={min(unknown)}: split {split!r} has the folds {known} to test")
    records, numbers = sides.store.records, sorted({*valid_fold, *valid_fold.values(), *sides.train})
    splits: dict[int, Split] = {}
    for test in sorted(set(only)) or valid_fold:
        train = [number for number in numbers if number not in (test, valid_fold[test])]
        splits[test] = split_by_fold(records, train, valid_fold[test], test)
    return FoldSplits(splits, valid_fold, sides_table(store=sides.store, sides=sides))


def _folds_of(sides: Sides, split: str) -> dict[int, int]:
    """The folds that may be tested, each with the one that validates."""
    if sides.test != NO_FOLD:
        return {sides.test: sides.valid}
    fold = sides.store.records["fold"]
    numbers = sorted({int(number) for number in fold.dropna() if number > NO_FOLD})
    if len(numbers) < 3:
        raise SplitError(f"split {split!r} has {len(numbers)} parts; three are needed to train, validate and test")
    return dict(zip(numbers, [*numbers[1:], numbers[0]], strict=True))


def fold_split(store: Store, fold: int, folds: int) -> Split:
    """LUDB by record number, others by patient as they come: fold k is tested, the next one validates, the others
    train."""
    if store.kind == "ludb":
        return split_ludb(store.records, fold, folds)
    people = patients(store.records)
    part = pd.factorize(people)[0] % folds
    valid = (fold + 1) % folds
    split = Split(*(np.flatnonzero(side) for side in ((part != fold) & (part != valid), part == valid, part == fold)))
    if empty := [name for name, rows in split.sides().items() if rows.size == 0]:
        raise SplitError(
            f"{people.nunique()} patients in {folds} folds leave none to {' and '.join(empty)}; pass fewer"
        )
    check_split(store.records, split)
    return split
