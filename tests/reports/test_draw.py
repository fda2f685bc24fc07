"""The verb `draw` on the folder of a segmenter."""

import json
from pathlib import Path

import pytest

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
    (tmp_path / "config.json").write_text(json.dumps({"store": str(store.path)}))
    store.waves.to_parquet(tmp_path / "waves.parquet")
    written = draw(tmp_path)
    assert set(written) == {"best", "median", "worst"}
    assert all(file.read_text().lstrip().startswith("<") for file in written.values())
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "gone")}))
    with pytest.raises(ValueError, match="prepare it there again"):
        draw(tmp_path)
