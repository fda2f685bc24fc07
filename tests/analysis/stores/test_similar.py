"""Look-alikes among the records of a store or of files."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.analysis.analyze import analyze
from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.result import Similar
from beatssl.analysis.stores.similar import NEAREST, Searched
from beatssl.analysis.waves import store_record
from beatssl.inference.encoder import BeatEncoder
from beatssl.records.formats.options import FileOptions
from beatssl.records.synthetic import synthetic_record
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def model(store: Store) -> EcgModel:
    return load(device="cpu", similar_to=store.path)


def test_a_record_that_is_changed_a_little_is_most_like_itself(model: EcgModel, store: Store) -> None:
    ids = store.records["record_id"].astype(str)
    for row in (0, 5, 11):
        true = store_record(store, ids[row])
        found = model.analyze(true.replace(id="another", ecg_mv=1.02 * true.ecg_mv), already_filtered=True).similar
        assert found.reason == ""
        assert found.records is not None
        assert len(found.records) == NEAREST
        first = found.records[0]
        assert (first.record_id, first.similarity > 0.9) == (ids[row], True)
        cosines = [one.similarity for one in found.records]
        assert cosines == sorted(cosines, reverse=True)
        assert len({one.record_id for one in found.records}) == NEAREST
        stated = store.labels[store.labels["record_id"].astype(str) == ids[row]]["label"].astype(str)
        assert first.labels == tuple(dict.fromkeys(stated))


def test_a_record_is_no_look_alike_of_itself(model: EcgModel, store: Store) -> None:
    record = store_record(store, str(store.records["record_id"].iloc[3]))
    found = model.analyze(record, already_filtered=True)
    assert found.similar.records is not None
    assert record.id not in {one.record_id for one in found.similar.records}
    renamed = model.analyze(record.replace(id="another"), already_filtered=True)
    assert renamed.similar == found.similar
    assert f"Alike    {found.similar.records[0].record_id} (" in str(found)
    assert "Look-alikes" in found.to_html()


def test_of_several_rows_of_a_record_the_most_alike_counts() -> None:
    of = {"record_id": np.array(["a", "a", "b"]), "labels": {"b": ("SR",)}}
    numbers = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    nothing = {"mean": np.zeros(2, np.float32), "sd": np.ones(2, np.float32)}
    found = Searched(**of, **nothing, direction=numbers).nearest(np.array([0.1, 2], np.float32)).records
    assert found is not None
    assert [(one.record_id, one.labels) for one in found] == [("b", ("SR",)), ("a", ())]
    np.testing.assert_allclose([one.similarity for one in found], (0.99875, 0.82896), atol=1e-5)


def test_what_has_no_embedding_says_why(model: EcgModel) -> None:
    record = synthetic_record(0)
    other = record.replace(ecg_mv=record.ecg_mv[:1], leads=("MCL1",))
    long = record.replace(ecg_mv=np.tile(record.ecg_mv, 7))
    for one, why in ((other, "it has no lead of the twelve"), (long, "the record is longer than 60 s")):
        found = model.analyze(one)
        assert found.similar == Similar(None, why)
        assert f"Alike    none, because {why}" in str(found)
    assert load(device="cpu").analyze(record).similar == Similar()


def test_files_and_the_command(tmp_path: Path) -> None:
    for number in range(3):
        synthetic_record(number).save(tmp_path / f"files/{number}.hea")
    out, given = tmp_path / "out", {"similar_to": tmp_path / "files", "device": "cpu"}
    assert analyze(AnalyzeConfig((tmp_path / "files",), **given, json=True)).records == 3
    analyze(AnalyzeConfig((tmp_path / "files",), out, **given))
    table = pd.read_parquet(out / "records.parquet").set_index("record_id")
    assert (table["most_similar"] != table.index).all()
    assert table["similarity"].between(-1, 1).all()
    with pytest.raises(ValueError, match=r"1\.hea: look-alikes take two records at least, 1 can be used$"):
        Searched.of(BeatEncoder.from_pretrained("default"), tmp_path / "files/1.hea", device="cpu")


def test_files_that_say_too_little_take_the_same_options(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", synthetic_record(number).ecg_mv[:2])
    told = FileOptions(csv_fs_hz=500.0, unit="mV", lead_names=("I", "II"))
    assert analyze(AnalyzeConfig((folder,), similar_to=folder, files=told, device="cpu")).records == 3
    with pytest.raises(ValueError, match=r"0 can be used; 3 were refused, such as .*sampling rate"):
        Searched.of(BeatEncoder.from_pretrained("default"), folder, device="cpu")


def test_what_is_searched_is_the_same_from_a_file(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    one = Searched(np.array(["a", "b", "c", "c"]), numbers, numbers[0], numbers[1], {"b": ("SR", "NORM")})
    one.save(tmp_path / "searched.npz")
    again = Searched.load(tmp_path / "searched.npz")
    assert again.sha256 == one.sha256
    assert again.nearest(numbers[2]) == one.nearest(numbers[2])
    assert dataclasses.replace(one, labels={}).sha256 != one.sha256
