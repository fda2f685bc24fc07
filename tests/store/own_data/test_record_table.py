"""A table of records: patient, age, sex, fold and columns of its own go into the store, names do not."""

import numpy as np
import pytest

from beatssl.records.privacy import salted_hash
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import StoreError
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

TABLE = (
    "record_id;patient_id;age;sex;fold;name;site;LVEF\n"
    "p0/ecg0;007;61;F;1;Smith;north;55,5\n"
    "p0/ecg1.csv;007;62;female;1;Smith;north;\n"
    "p1/ecg0;8;95;m;2;Jones;;40\n"
    "p1/ecg1;8;;unknown;2;Jones;south;41\n"
    "p2/ecg0;9;44;male;;Miller;south;42\n"
)


def test_what_the_table_says_is_in_the_store(prepared, tmp_path):
    summary = prepared(TABLE)
    records = Store(tmp_path / "store").records.set_index("record_id")
    assert records.index.tolist() == [f"p{patient}/ecg{n}.csv" for patient in range(3) for n in range(2)]
    assert np.array_equal(records["age_years"], [61, 62, 90, np.nan, 44, np.nan], equal_nan=True)
    assert records["sex"].astype(object).where(records["sex"].notna(), None).tolist() == [
        "female", "female", "male", None, "male", None,
    ]  # fmt: skip
    assert records["fold"].fillna(-1).tolist() == [1, 1, 2, 2, -1, -1]
    assert records["site"].fillna("").tolist() == ["north", "north", "", "south", "south", ""]
    assert np.array_equal(records["LVEF"], [55.5, np.nan, 40, 41, 42, np.nan], equal_nan=True)
    assert (summary.without_line, summary.left_out) == (1, ("name",))
    assert "without a line in the table: 1 records" in str(summary)
    assert "left out of the table, to name nobody: name" in str(summary)


def test_patient_ids_are_hashed_as_those_in_files(prepared, tmp_path):
    prepared(TABLE)
    store = Store(tmp_path / "store")
    own = salted_hash(salted_hash("007", b"a salt").join(["files/", ""]), b"a salt")
    assert store.records["patient_id"].tolist()[:2] == [own, own]
    assert store.records["patient_id"].nunique() == 3
    kept = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert not any(word in kept for word in (b"Smith", b"Jones", b"Miller"))
    assert b"north" not in (tmp_path / "store" / "manifest.json").read_bytes()


def test_identifiers_are_kept_on_purpose_alone(prepared, tmp_path):
    assert prepared(TABLE, keep_identifiers=True).left_out == ()
    records = Store(tmp_path / "store").records
    assert records["patient_id"].fillna("").tolist() == ["007", "007", "8", "8", "9", ""]
    assert records["name"].iloc[0] == "Smith"
    assert records["age_years"].iloc[2] == 95


def test_the_same_table_continues_and_another_is_another_plan(prepared):
    prepared(TABLE)
    assert prepared(TABLE.replace(";", "\t").replace("55,5", "55,5")).shards_kept == 3
    with pytest.raises(StoreError, match=r"made to another plan .* config.table: "):
        prepared(TABLE.replace("north", "west"))


def test_without_a_table_the_plan_is_as_before(prepared, tmp_path):
    prepared(None)
    assert "table" not in Store(tmp_path / "store").manifest["config"]


def test_numbers_that_one_shard_alone_has(prepared, tmp_path):
    prepared("record_id,potassium,note\np2/ecg1,4.5,x\n")
    records = Store(tmp_path / "store").records
    assert np.array_equal(records["potassium"], [np.nan] * 5 + [4.5], equal_nan=True)
    assert records["note"].fillna("").tolist() == [""] * 5 + ["x"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record_id,age\np0/ecg7,5\n", r"records of .*meta.csv are not in .*ecgs, 'p0/ecg7' first; 6 .* 'p0/ecg0.csv'"),
        ("record_id,age\necg0,5\n", "'ecg0' may be 'p0/ecg0.csv' or 'p1/ecg0.csv'; write the folder"),
        ("record_id,age\np0/ecg0,old\n", "age 'old' of record 'p0/ecg0' is no age; write years"),
        ("record_id,sex\np0/ecg0,w\n", "sex 'w' of record 'p0/ecg0' is no sex; write female or male"),
        ("record_id,fold\np0/ecg0,train\n", "fold 'train' of record 'p0/ecg0' is no fold; .* call a column .* `split`"),
        ("record_id,fold\np0/ecg0,1\np0/ecg0.csv,2\n", "two lines of record 'p0/ecg0.csv' contradict each other"),
        ("record_id,samples\np0/ecg0,1\n", "has a column 'samples' of its own; rename that of yours"),
        ("patient,age\n7,61\n", "no column of record ids; its columns are patient, age"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_no_store(text, said, prepared, tmp_path):
    with pytest.raises(ValueError, match=said):
        prepared(text)
    assert not (tmp_path / "store").exists()


def test_a_table_that_is_not_there(ecgs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.csv"):
        prepare(PrepareConfig("files", ecgs, tmp_path / "store", table=tmp_path / "nowhere.csv"))
