"""The verb `check`: one entry for all checks, and the file that it writes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from beatssl.checks.check import CHECKS, CheckConfig, check
from beatssl.checks.r_peaks.peaks import PeakFigures
from beatssl.results import to_json
from beatssl.store.store import Store


def test_the_file_holds_the_figures_and_what_made_the_store(four: Store, tmp_path: Path) -> None:
    figures = check(CheckConfig(four.path, "peaks", tmp_path / "new"))
    assert isinstance(figures, PeakFigures)
    written = json.loads((tmp_path / "new" / "check-peaks.json").read_text(encoding="utf-8"))
    store = written.pop("store")
    assert written == to_json(figures)
    assert store["config"] == four.manifest["config"]
    assert store["counts"]["rows"] == 4


@pytest.mark.parametrize("what", ["features", "marked-points", "beat-embeddings"])
def test_a_store_without_what_a_check_needs_is_refused(four: Store, tmp_path: Path, what: str) -> None:
    assert what in CHECKS
    with pytest.raises(ValueError, match=r"prepare|fold|no row in train"):
        check(CheckConfig(four.path, what, tmp_path, encoder="random", device="cpu"))
    assert not list(tmp_path.iterdir())


def test_figures_of_another_store_are_not_replaced(four: Store, tmp_path: Path) -> None:
    config = CheckConfig(four.path, "peaks", tmp_path)
    check(config)
    check(config)  # the same store: the same figures
    file = tmp_path / "check-peaks.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"store": {}}))
    with pytest.raises(ValueError, match=r"check-peaks.json is there already; pass another out=, or overwrite=True"):
        check(config)
    check(replace(config, overwrite=True))
    assert json.loads(file.read_text())["store"] != {}
