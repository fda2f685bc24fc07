"""Labels in a table of the user's own, however they are written, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.store.labels import labels_of
from beatssl.store.own_data.label_file import is_label_file, read_label_file
from beatssl.store.store import Store

IDS = ("ecg1.csv", "ward7/00010", "ward7/ecg2.csv", "ward8/ecg2.csv")


@pytest.fixture
def store() -> Store:
    records = pd.DataFrame({"record_id": [*IDS, "ecg1.csv"]})  # a long record has two rows
    rejects = pd.DataFrame({"file": ["bad.csv"], "record_id": ["bad.csv"], "reason": ["nan"], "message": [""]})
    return Store.in_memory(records=records, rejects=rejects, path="stores/own")


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, encoding: str = "utf-8") -> str:
        (tmp_path / "my.csv").write_bytes(text.encode(encoding))
        return str(tmp_path / "my.csv")

    return write


@pytest.mark.parametrize("name", ["ecg1", "ecg1.csv", "data/ecg1.csv", "./ecg1", "data\\ecg1.csv"])
def test_ids_with_or_without_folder_and_ending(name, store, written):
    found = labels_of(store, str(written(f"record_id,AF\n{name},1\n00010,0\nward8/ecg2,yes\n")))
    assert found.given[:, 0].tolist() == [True, False, False, True, True]
    assert found.known[:, 0].tolist() == [True, True, False, True, True]


def test_zeros_in_front_are_kept_and_their_loss_is_named(store, written):
    message = (
        r"1 of 1 records of .*my.csv are not in stores/own, '10' first; 4 .* 'ecg1.csv' first; leading zeros are lost"
    )
    with pytest.raises(ValueError, match=message):
        labels_of(store, str(written("record_id,AF\n10,1\n")))


@pytest.mark.parametrize("name", ["ward9/ecg1", "ecg1.edf", "ward9/ecg2.csv"])
def test_another_folder_or_ending_is_another_record(name, written):
    store = Store.in_memory(records=pd.DataFrame({"record_id": ["ward7/ecg1.csv", "ward8/ecg2.csv"]}))
    with pytest.raises(ValueError, match=f"'{name}' first; 2 records there have no line, 'ward7/ecg1.csv' first"):
        labels_of(store, str(written(f"record_id,AF\n{name},1\n")))


def test_an_id_that_may_be_two_is_refused(store, written):
    with pytest.raises(ValueError, match=r"'ecg2' may be 'ward7/ecg2.csv' or 'ward8/ecg2.csv'"):
        labels_of(store, str(written("record_id,AF\necg2,1\n")))


def test_an_id_that_is_a_hash_is_found_by_its_file(written, monkeypatch):
    from beatssl.records.clinical import hashed_path

    monkeypatch.setenv("BEATSSL_SALT", "a secret")
    records = pd.DataFrame({"record_id": [hashed_path("ward7/smith.dcm", b"a secret")]})
    found = labels_of(Store.in_memory(records=records), str(written("file,AF\nward7/smith.dcm,1\n")))
    assert found.given.tolist() == [[True]]


def test_records_that_were_set_aside_are_passed_over(store, written):
    assert labels_of(store, str(written("record_id,AF\nbad,1\n00010,1\n"))).known.sum() == 1


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("record_id,AF,VT\n00010,1,\necg1,0,1\n", "utf-8-sig"),
        ("record_id;AF;VT\n00010;yes;NA\necg1;no;yes\n", "utf-8"),
        ("File\tAF\tVT\n00010\tTrue\t\necg1\tFALSE\ttrue\n", "utf-16"),
        (",record_id,AF,VT\n0,00010,1.0,\n1,ecg1,0.0,1.0\n", "utf-8"),
        ("Unnamed: 0|id|AF|VT\n0|00010|Y|?\n1|ecg1|n|y\n\n", "utf-8"),
        ('record_id,AF,VT\n"00010", "1" ,nan\n ecg1,0,1\n', "cp1252"),
    ],
)
def test_yes_and_no_separators_and_byte_order_marks(text, encoding, store, written):
    found = labels_of(store, str(written(text, encoding)))
    assert found.names == ("AF", "VT")
    assert np.argwhere(found.given).tolist() == [[0, 1], [1, 0], [4, 1]]
    assert np.argwhere(found.known).tolist() == [[0, 0], [0, 1], [1, 0], [4, 0], [4, 1]]


def test_one_column_of_names_becomes_a_label_each(store, written):
    found = labels_of(store, str(written("record_id,diagnosis\necg1,MI\n00010,NORM\nward8/ecg2,MI\n")))
    assert found.names == ("MI", "NORM")
    assert found.given.tolist() == [[True, False], [False, True], [False, False], [True, False], [True, False]]
    assert found.known.all(axis=1).tolist() == [True, True, False, True, True]


def test_some_columns_of_a_file(store, written):
    text = "record_id,AF,age,site,note\necg1,1,61,north,\n00010,0,44.5,south,\n"
    path = written(text)
    assert labels_of(store, f"{path}:AF").names == ("AF",)
    assert labels_of(store, f"{path}:site").names == ("north", "south")
    file = read_label_file(f"{path}:age")
    assert file.numbers
    assert [line.value for line in file.lines] == [61, 44.5]
    with pytest.raises(ValueError, match="no column 'sex'; it has AF, age, site, note"):
        labels_of(store, f"{path}:sex")


def test_equal_lines_of_one_record_are_one(store, written):
    assert labels_of(store, str(written("record_id,AF\necg1,1\necg1.csv,1\n"))).given[0].tolist() == [True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record_id,AF\necg1,1\necg1.csv,0\n", r"record 'ecg1.csv' contradict each other in 'AF' \(1 and 0\)"),
        ("record_id,AF\necg1,1\n00010,maybe\n", "other than 0, 1 and empty: 'maybe' for 'AF' of record '00010'"),
        ("record_id,NYHA\necg1,1\n00010,3\n", "'NYHA' holds whole numbers such as 3, classes it seems"),
        ("record_id,AF,age\necg1,1,61\n00010,0,44\n", r"several kinds, .*AF \(yes or no\), age \(numbers\).*my.csv:AF"),
        ("record_id,a,b\necg1,x,u\n00010,z,w\n", r"several of names: a \(names\), b \(names\)"),
        ("record_id,time,event\necg1,300,1\n00010,20,0\n", "'time' and 'event' are a time to an event"),
        ("record_id,days_to_death,dead\necg1,300,1\n00010,20,0\n", r"survival"),
        ("record_id,age\necg1,61.5\n00010,44\n", r"holds numbers \(age\), where labels of yes or no are needed"),
        ("record_id,AF\necg1,\n00010,NA\n", "column 'AF' is empty"),
        ("record_id,label\necg1,\n", "column 'label' is empty"),
        ("name,AF\necg1,1\n", "no column of record ids; its columns are name, AF; call one of them record_id"),
        ("record_id\necg1\n", "has ids alone"),
        ("record_id,AF,AF\necg1,1,0\n", "two columns 'AF'"),
        ("record_id,AF\necg1,1\n00010\n", "line 3 has 1 cells, the titles 2"),
        ("record_id,AF\n,1\n", "line 2 has no record_id"),
        ("record_id,AF\n", "has 1 lines; it needs titles"),
        ("", "has 0 lines"),
    ],
)  # fmt: skip
def test_what_is_refused(text, said, store, written):
    with pytest.raises(ValueError, match=said):
        labels_of(store, str(written(text)))


def test_a_file_that_is_not_there(store):
    with pytest.raises(FileNotFoundError, match=r"there is no file nowhere\.csv"):
        labels_of(store, "nowhere.csv")


def test_files_and_label_sets_are_told_apart():
    assert all(map(is_label_file, ("my.csv", "a/b.TSV", "my.csv:AF", "x.txt:a,b", "C:\\my.csv")))
    assert not any(map(is_label_file, ("superclass", "all", "csv", "my.parquet")))
