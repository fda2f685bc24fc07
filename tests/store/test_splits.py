import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.records.mitdb import DS1, DS2
from beatssl.store.splits import (
    Split,
    SplitError,
    check_split,
    patients,
    split_by_fold,
    split_ludb,
    split_mitdb,
    take_share,
)


def table(patient_ids: list[str | None], folds: list[int], source: str = "ptbxl") -> pd.DataFrame:
    count = len(patient_ids)
    return pd.DataFrame(
        {
            "record_id": [f"r{index}" for index in range(count)],
            "patient_id": patient_ids,
            "source": source,
            "fold": pd.array(folds, dtype="Int32"),
            "waveform_hash": [f"h{index}" for index in range(count)],
        }
    )


def ten_folds() -> pd.DataFrame:
    return table([f"p{index}" for index in range(20)], [index % 10 + 1 for index in range(20)])


def test_protocol_folds():
    split = split_by_fold(ten_folds())
    assert split.valid.tolist() == [7, 17]
    assert split.test.tolist() == [8, 18]
    assert split.train.tolist() == [index for index in range(20) if index % 10 < 7]


def test_overlapping_or_empty_folds_are_refused():
    with pytest.raises(SplitError, match="overlap"):
        split_by_fold(ten_folds(), train_folds=(1, 8))
    with pytest.raises(SplitError, match="no row in test"):
        split_by_fold(ten_folds(), test_fold=12)
    with pytest.raises(SplitError, match="no row in train and valid and test"):
        split_by_fold(ten_folds().assign(fold=pd.array([None] * 20, dtype="Int32")))


def test_a_patient_on_two_sides_is_refused():
    records = ten_folds()
    records.loc[[0, 8], "patient_id"] = "same"
    with pytest.raises(SplitError, match="1 patients stand in both train and test, such as that of r0 and r8"):
        split_by_fold(records)


def test_an_identical_waveform_on_two_sides_is_refused_unless_it_is_no_signal():
    records = ten_folds()
    records.loc[[0, 7], "waveform_hash"] = "same"
    with pytest.raises(SplitError, match="waveforms stand in both train and valid"):
        split_by_fold(records)
    records.loc[[0, 7], "waveform_hash"] = ""
    split_by_fold(records)


def test_a_record_without_a_patient_id_is_a_patient_of_its_own():
    records = table([None, None, "a"], [1, 8, 9])
    assert patients(records).nunique() == 3
    split_by_fold(records, train_folds=(1,))


def test_ludb_folds_hold_every_subject_once():
    records = table([f"p{n}" for n in range(1, 201)], [0] * 200, "ludb")
    records["record_id"] = [str(n) for n in range(1, 201)]
    tested = [split_ludb(records, fold).test for fold in range(5)]
    assert sorted(np.concatenate(tested).tolist()) == list(range(200))
    split = split_ludb(records, 4)
    assert split.valid[0] == 0  # record 1 lies in fold 0, the validation fold of fold 4
    assert len(split.train) == 120


def test_mitdb_split_is_the_canonical_one_and_passes_its_one_known_leak():
    ids = [*DS1, *DS2, "102", "104", "107", "217"]
    records = table([f"p{n}" for n in ids], [0] * len(ids), "mitdb").assign(record_id=ids)
    records.loc[records["record_id"].isin(["201", "202"]), "patient_id"] = "one person"
    split = split_mitdb(records)
    assert set(records["record_id"].iloc[split.test]) == set(DS2)
    assert set(records["record_id"].iloc[np.r_[split.train, split.valid]]) == set(DS1)
    both = pd.concat([records, records], ignore_index=True)
    own = np.flatnonzero(both["record_id"] == "201")
    with pytest.raises(SplitError, match="patient"):
        check_split(both, Split(own[:1], split.test, own[1:]))
    records.loc[records["record_id"].isin(["203", "202"]), "patient_id"] = "another person"
    records.loc[records["record_id"].isin(["205", "213"]), "patient_id"] = "a third person"
    with pytest.raises(SplitError, match="patient"):
        split_mitdb(records)


@given(st.lists(st.integers(0, 8), min_size=3, max_size=30), st.integers(0, 99))
def test_check_split_finds_every_shared_patient(patient, seed):
    records = table([f"p{number}" for number in patient], [0] * len(patient))
    side = np.random.default_rng(seed).integers(0, 3, len(patient))
    split = Split(*(np.flatnonzero(side == number) for number in range(3)))
    shared = any(len({side[i] for i in range(len(patient)) if patient[i] == p}) > 1 for p in set(patient))
    if shared:
        with pytest.raises(SplitError):
            check_split(records, split)
    else:
        check_split(records, split)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.floats(0.01, 1.0), st.integers(0, 99))
def test_a_share_takes_whole_patients(patient, share, seed):
    records = table([f"p{number}" for number in patient], [0] * len(patient))
    rows = np.arange(0, len(patient), 2)
    taken = take_share(records, rows, share, np.random.default_rng(seed))
    assert set(taken) <= set(rows)
    of = records["patient_id"].to_numpy()
    assert np.isin(of[rows], of[taken]).sum() == len(taken)
    assert len(set(of[taken])) == max(1, round(share * len(set(of[rows]))))
    np.testing.assert_array_equal(taken, take_share(records, rows, share, np.random.default_rng(seed)))
    np.testing.assert_array_equal(take_share(records, rows, 1.0, np.random.default_rng(seed)), rows)
