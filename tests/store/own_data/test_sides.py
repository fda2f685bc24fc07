"""Sides of a split: by column, by file, at random by patient; what is refused."""

import numpy as np
import pandas as pd
import pytest

from beatssl.store.labels import Labels
from beatssl.store.own_data.sides import draw_sides, in_parts, parts_of, sided, sides_table
from beatssl.store.splits import Split, SplitError, check_split, patients
from beatssl.store.store import Store

FOLDS = ((1,), 2, 3)


def store_of(count: int = 120, **columns: object) -> Store:
    """Two rows of each patient; patients 0 and 1 share a waveform."""
    records = pd.DataFrame(
        {
            "record_id": [f"r{index}.csv" for index in range(count)],
            "patient_id": [f"p{index // 2}" for index in range(count)],
            "source": "files",
            "fold": pd.array([None] * count, dtype="Int32"),
            "waveform_hash": ["same" if index in (1, 2) else f"h{index}" for index in range(count)],
        }
        | columns
    )
    return Store.in_memory(records=records, path="stores/own")


def labels_of_rows(count: int = 120, seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    given = rng.random((count, 2)) < (0.3, 0.1)
    known = np.broadcast_to(rng.random((count, 1)) < 0.8, given.shape).copy()
    return Labels(given & known, known, ("often", "seldom"))


def test_random_sides_keep_patients_and_waveforms_together():
    store, labels = store_of(), labels_of_rows()
    for seed in range(5):
        sides = sided(store, "random", FOLDS, labels, seed)
        fold = sides.store.records["fold"].to_numpy()
        assert (sides.train, sides.valid, sides.test) == ((0,), 1, 2)
        check_split(store.records, Split(*(np.flatnonzero(fold == side) for side in range(3))))
        assert fold[1] == fold[2]
        assert fold.tolist() == sided(store, "random", FOLDS, labels, seed).store.records["fold"].tolist()
    others = sided(store, "random", FOLDS, labels, 7).store.records["fold"]
    assert others.tolist() != fold.tolist()


def test_random_sides_have_the_shares_asked_for_of_every_label():
    store, labels = store_of(), labels_of_rows()
    fold = sided(store, "random:50,25,25", FOLDS, labels, 0).store.records["fold"].to_numpy()
    for of in (labels.given[:, 0], labels.given[:, 1], labels.known[:, 0], np.ones(120, bool)):
        shares = np.bincount(fold[of], minlength=3) / of.sum()
        assert np.abs(shares - (0.5, 0.25, 0.25)).max() < 4.5 / of.sum()  # two patients of two rows each


def test_few_positives_reach_every_side():
    labels = Labels(np.arange(60)[:, None] < 6, np.ones((60, 1), bool), ("few",))
    records = store_of(60).records.assign(patient_id=[f"p{index}" for index in range(60)], waveform_hash="")
    for seed in range(10):
        side = draw_sides(records, labels, (4, 1, 1), np.random.default_rng(seed))
        assert np.bincount(side[:6], minlength=3).tolist() == [4, 1, 1]
        assert np.bincount(side).tolist() == [40, 10, 10]


def test_parts_are_of_equal_size_and_by_patient():
    store = in_parts(store_of(), 5, labels_of_rows(), 0)
    fold = store.records["fold"]
    assert sorted(fold.unique()) == [1, 2, 3, 4, 5]
    assert fold.value_counts().max() - fold.value_counts().min() <= 4
    assert fold.groupby(patients(store.records)).nunique().max() == 1
    assert [parts_of(split) for split in ("folds", "random", "kfold", "kfold:10")] == [0, 0, 5, 10]


def test_sides_of_a_column_in_words():
    words = ["Train", "training", "val", "validation", "test", "", None, "dev"]
    store = store_of(8, my_split=words, patient_id=list("abcdefgh"), waveform_hash="")
    assert sided(store, "column:my_split", FOLDS, None, 0).store.records["fold"].tolist() == [0, 0, 1, 1, 2, -1, -1, 1]


def test_a_column_of_numbers_is_folds():
    sides = sided(store_of(4, site=[1.0, 2.0, 3.0, np.nan]), "column:site", FOLDS, None, 0)
    assert (sides.train, sides.valid, sides.test) == FOLDS
    assert sides.store.records["fold"].tolist() == [1, 2, 3, -1]


def test_the_sides_saved_are_a_split_again(tmp_path):
    store = store_of()
    sides = sided(store, "random", FOLDS, labels_of_rows(), 0)
    sides_table(sides.store, sides).to_csv(tmp_path / "split.csv", index=False)
    again = sided(store, str(tmp_path / "split.csv"), FOLDS, None, 0)
    assert again.store.records["fold"].tolist() == sides.store.records["fold"].tolist()


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("randomly", "split 'randomly' is none; pass folds, column:NAME, random"),
        ("random:80,20", "shares '80,20' are none; write three numbers above 0"),
        ("random:80,20,0", "shares '80,20,0' are none"),
        (
            "column:site",
            "stores/own has no column 'site' of records; it has record_id, .* prepare --table adds columns",
        ),
        ("column:side", r"column 'side' of stores/own holds 'other'; write train, valid and test"),
        ("column:two", r"column 'two' of stores/own says test, train, but no valid; .*pass split='random'"),
    ],
)
def test_what_is_no_split(split, said):
    store = store_of(4, side=["train", "other", "valid", "test"], two=["train", "train", "test", "test"])
    with pytest.raises(ValueError, match=said):
        sided(store, split, FOLDS, None, 0)


def test_files_of_sides_that_are_refused(tmp_path):
    path = tmp_path / "split.csv"
    for text, said in (
        ("record_id,split\nr0,train\nr0.csv,test\n", "two lines of record 'r0.csv' contradict each other"),
        ("record_id,split\nr9,train\n", "1 of 1 records of .*split.csv are not in stores/own, 'r9' first"),
        ("record_id,part\nr0,train\n", "has no column split; its columns are part"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            sided(store_of(4), str(path), FOLDS, None, 0)


def test_fewer_patients_than_sides():
    with pytest.raises(SplitError, match="2 patients for 3 sides"):
        sided(store_of(4, waveform_hash=""), "random", FOLDS, None, 0)
    with pytest.raises(ValueError, match="'kfold:2': pass kfold:3 or more"):
        parts_of("kfold:2")
