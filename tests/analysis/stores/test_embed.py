"""Embeddings of stores and files at once."""

from pathlib import Path

import numpy as np
import pytest

import beatssl
from beatssl import BeatEncoder, FileOptions
from beatssl.inference.embedding import embed
from beatssl.inference.model_config import CheckpointError
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.records.synthetic import synthetic_record
from beatssl.store.store import Store


@pytest.fixture
def model(store: Store) -> BeatEncoder:
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.1, embedding=16))
    return BeatEncoder(encoder, store.preparation, {}).eval()


def test_a_store_gives_a_line_a_row(model: BeatEncoder, store: Store) -> None:
    expected = embed(model.encoder, store, range(len(store)))
    for source in (store, store.path, str(store.path)):
        for cache in (True, False):
            found = beatssl.embed(model, source, device="cpu", cache=cache)
            np.testing.assert_array_equal(found.values, expected)
            assert found.record_id.tolist() == store.records["record_id"].astype(str).tolist()
            assert len(found) == len(store)
            assert found.refused == ()


def test_files_give_what_the_model_gives_and_the_refused_are_named(model: BeatEncoder, tmp_path: Path) -> None:
    records = [synthetic_record(seed) for seed in (0, 1)]
    for name, record in zip("ab", records, strict=True):
        record.save(tmp_path / "ecg" / f"{name}.hea")
    (tmp_path / "ecg" / "c.npy").write_bytes(b"no array")
    found = beatssl.embed(model, tmp_path / "ecg", device="cpu")
    assert found.record_id.tolist() == ["a", "b"]
    for line, name in zip(found.values, "ab", strict=True):
        read = beatssl.read(tmp_path / "ecg" / f"{name}.hea")
        np.testing.assert_allclose(line, model.predict(read.ecg_mv, read.leads, read.fs_hz), atol=1e-5)
    assert [(one.file, one.reason) for one in found.refused] == [("c.npy", "unreadable")]


def test_several_places_come_in_order(model: BeatEncoder, store: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", store[3])
    options = FileOptions(csv_fs_hz=store.fs_hz, unit="mV", lead_names=store.leads)
    found = beatssl.embed(model, [tmp_path / "one.npy", store], files=options, device="cpu")
    assert found.record_id[0] == "one.npy"
    assert len(found) == 1 + len(store)


def test_what_is_not_there_is_an_error(model: BeatEncoder, store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        beatssl.embed(model, tmp_path / "none")
    with pytest.raises(CheckpointError, match="there is no folder"):
        beatssl.embed(str(tmp_path / "none" / "deep"), store)
    with pytest.raises(CheckpointError, match="was prepared otherwise"):
        beatssl.embed(model, store.with_config(high_hz=30.0), device="cpu")
