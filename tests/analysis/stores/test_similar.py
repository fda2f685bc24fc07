"""Look-alikes among the records of a store or of files."""

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
    assert f"Alike    {found.similar.records[0].record_id} (" in str(found)
    assert "Look-alikes" in found.to_html()


def test_of_several_rows_of_a_record_the_most_alike_counts() -> None:
    of = {"record_id": np.array(["a", "a", "b"]), "labels": {"b": ("SR",)}}
    numbers = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    nothing = {"mean": np.zeros(2, np.float32), "sd": np.ones(2, np.float32)}
    found = Searched(**of, **nothing, direction=numbers).nearest(np.array([0, 2], np.float32)).records
    assert found is not None
    assert [(one.record_id, round(one.similarity, 6), one.labels) for one in found] == [
        ("b", 1, ("SR",)),
        ("a", 0.8, ()),
    ]


def test_what_has_no_embedding_says_why(model: EcgModel) -> None:
    record = synthetic_record(0)
    other = record.replace(ecg_mv=record.ecg_mv[:1], leads=("MCL1",))
    for one in (other, record.replace(ecg_mv=np.tile(record.ecg_mv, 7))):
        found = model.analyze(one).similar
        assert found.records is None
        assert "no lead of the twelve, or over 60 s" in found.reason
    assert load(device="cpu").analyze(record).similar == Similar()


def test_files_and_the_command(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        synthetic_record(number).save(tmp_path / f"files/{number}.hea")
    config = AnalyzeConfig((tmp_path / "files",), similar_to=tmp_path / "files", device="cpu", json=True)
    assert analyze(config).records == 3
    out = tmp_path / "out"
    analyze(AnalyzeConfig((tmp_path / "files",), out, similar_to=tmp_path / "files", device="cpu"))
    table = pd.read_parquet(out / "records.parquet").set_index("record_id")
    assert (table["most_similar"] != table.index).all()
    assert table["similarity"].between(-1, 1).all()
    with pytest.raises(ValueError, match=r"holds 1 records that can be used; look-alikes take two at least"):
        Searched.of(BeatEncoder.from_pretrained("default"), tmp_path / "files/1.hea", "cpu")
