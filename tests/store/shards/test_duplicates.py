"""Records that another store holds already are set aside, with their reason."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.reader import Source
from beatssl.records.record import Record, RecordError
from beatssl.records.synthetic import SyntheticReader, synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import StoreError
from beatssl.store.prepare import prepare
from beatssl.store.shards.duplicates import Held, held_by, refuse_held, row_hashes
from beatssl.store.store import Store


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The synthetic records from `first` on, said to be of another source."""

    first: int
    kind: str = field(default="synthetic", init=False)

    def sources(self, root: Path) -> list[Source]:
        return SyntheticReader().sources(root)[self.first :]

    def read(self, root: Path, source: Source) -> Record:
        return SyntheticReader().read(root, source).replace(source="elsewhere")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four synthetic records."""
    folder = tmp_path_factory.mktemp("held") / "store"
    prepare(PrepareConfig("synthetic", Path("4"), folder, workers=1, clusters=0))
    return Store(folder)


def test_records_and_waveforms_of_another_store_are_set_aside(held: Store, tmp_path: Path) -> None:
    for out, reader in (("a", None), ("b", Elsewhere(3))):
        config = PrepareConfig(
            "synthetic", Path("6"), tmp_path / out, workers=1, clusters=0, distinct_from=(held.path,)
        )
        found = prepare(config, reader)
        assert (found.records, found.rejects) == (2, {"duplicate": 1 if reader else 4})
    said = Store(tmp_path / "a").rejects["message"], Store(tmp_path / "b").rejects["message"]
    assert said[0].str.contains("another store holds this record of synthetic; leave that store out").all()
    assert said[1].str.contains("another store holds the same waveform").all()
    assert prepare(config, Elsewhere(3)).shards_kept == 1
    with pytest.raises(StoreError, match="distinct_from"):  # of another plan
        prepare(PrepareConfig("synthetic", Path("6"), tmp_path / "b", workers=1, clusters=0), Elsewhere(3))


def test_hashes_of_rows_are_those_of_the_store(held: Store) -> None:
    assert held.records["waveform_hash"].tolist() == [
        row_hashes(ecg_mv, 1, ecg_mv.shape[1])[0] for ecg_mv in held.ecg_mv(np.arange(len(held)))
    ]
    assert row_hashes(np.full((2, 30), np.nan, np.float32), 2, 20) == ["", ""]


def test_a_database_under_its_two_names_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Held(frozenset({"ptbdb"}), frozenset(), frozenset())
    monkeypatch.setattr("beatssl.store.shards.duplicates.held_by", lambda stores: there)
    record = synthetic_record(0)
    ecg_mv = record.ecg_mv
    with pytest.raises(RecordError, match="its source ptb is the database ptbdb") as error:
        refuse_held(record.replace(source="ptb"), ecg_mv, 1, ecg_mv.shape[1], (Path("other"),))
    assert error.value.reason == "duplicate"
    refuse_held(record.replace(source="georgia"), ecg_mv, 1, ecg_mv.shape[1], (Path("other"),))
    refuse_held(record.replace(source="ptb"), ecg_mv, 1, ecg_mv.shape[1], ())


@pytest.mark.parametrize(("source", "kept"), [("files", True), ("array", True), ("georgia", False)])
def test_names_of_files_are_no_ids(source: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sites may both have a 1.csv; of such sources only the waveform says that a record is another's."""
    record = synthetic_record(0).replace(source=source, id="1")
    size = record.ecg_mv.shape[1]
    waveform = row_hashes(record.ecg_mv, 1, size)[0]

    def refused(*waveforms: str) -> str:
        there = Held(frozenset({source}), frozenset({(source, "1")}), frozenset(waveforms))
        monkeypatch.setattr("beatssl.store.shards.duplicates.held_by", lambda stores: there)
        try:
            refuse_held(record, record.ecg_mv, 1, size, (Path("other"),))
        except RecordError as error:
            return str(error)
        return ""

    assert (refused() == "") == kept
    assert ("the same waveform" in refused(waveform)) == kept


def test_a_store_that_cannot_be_compared_is_refused(held: Store, tmp_path: Path) -> None:
    config = PrepareConfig("synthetic", Path("2"), tmp_path / "a", fs_hz=125.0, distinct_from=(held.path,))
    with pytest.raises(StoreError, match=r"was prepared otherwise \(fs_hz 100.0 against 125.0\)"):
        prepare(config)
    config = PrepareConfig("synthetic", Path("2"), tmp_path / "a", baseline="medians", distinct_from=(held.path,))
    with pytest.raises(StoreError, match=r"was prepared otherwise \(baseline as-recorded against medians\)"):
        prepare(config)
    with pytest.raises(StoreError, match="is no finished store"):
        prepare(PrepareConfig("synthetic", Path("2"), tmp_path / "a", distinct_from=(tmp_path,)))
    assert held_by((held.path,)).sources == {"synthetic"}
