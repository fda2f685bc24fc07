"""The verb `draw` on the folder of a segmenter."""

import json
from pathlib import Path

import pytest

from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CheckpointError
from beatssl.reports.draw import draw
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("draw") / "store"
    prepare(PrepareConfig("synthetic", Path("4"), folder, workers=1))
    return Store(folder)


def test_a_folder_of_segment_is_drawn_from_its_store(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"store": str(store.path), "fit": {}, "fold_count": 5}))
    store.waves.to_parquet(tmp_path / "waves.parquet")
    line = {"confidence": 0.9, "right": 0.8, "boundaries": 5}
    presence = {wave: {"expected_calibration_error": 0.1, "bins": [line]} for wave in ("P", "QRS", "T")}
    (tmp_path / "metrics.json").write_text(json.dumps({"presence": presence}))
    written = draw(tmp_path)
    assert set(written) == {"best", "median", "worst", "reliability"}
    assert "off by 0.100" in written["reliability"].read_text()
    assert all(file.read_text().lstrip().startswith("<") for file in written.values())
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "gone"), "fit": {}, "fold_count": 5}))
    with pytest.raises(ValueError, match="prepare it there again"):
        draw(tmp_path)


def test_a_folder_of_another_kind_is_called_what_it_is(store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"store is a prepared store \(.*\); draw takes a folder that probe, finetune, segment or"
    ):
        draw(store.path)
    (tmp_path / "config.json").write_text(json.dumps({"pretrain": {}}))
    with pytest.raises(ValueError, match=r"is a folder that pretrain wrote \(.*\); draw takes"):
        draw(tmp_path)
    with pytest.raises(ValueError, match="none is a path where nothing is"):
        draw(tmp_path / "none")


def test_a_folder_of_another_kind_is_no_encoder(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint.* but a prepared store; pass the folder of a saved enc"):
        BeatEncoder.from_pretrained(store.path)
    (tmp_path / "config.json").write_text(json.dumps({"finetune": {}}))
    with pytest.raises(CheckpointError, match=r"is a folder that finetune wrote; pass the folder of a saved encoder"):
        BeatEncoder.from_pretrained(tmp_path)
