"""A segmenter at marks that name no lead: the figures of a segmenter whose errors are known."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

from beatssl.analysis.waves import Found
from beatssl.checks.marked_points import check_marked_points
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

MODULE = "beatssl.checks.marked_points"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Synthetic records whose marks of lead II stand for marks that name no lead."""
    folder = tmp_path_factory.mktemp("points") / "store"
    prepare(PrepareConfig("synthetic", Path("2"), folder, leads="as-recorded", workers=1))
    store = Store(folder)
    return store.with_tables(waves=store.waves[store.waves["lead"] == "II"].assign(lead=""))


def test_a_late_segmenter_is_late(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = torch.nn.Identity()

    def late(segmenter: torch.nn.Module, of: Store) -> Iterator[Found]:
        assert segmenter is opened
        for _, waves in of.waves.groupby("record_id"):
            times = {name: waves[name] + 0.012 for name in ("onset_s", "peak_s", "offset_s")}
            both = [waves.assign(lead="II", **times), waves.assign(lead="I", onset_s=waves["onset_s"] + 0.05)]
            yield Found(1, pd.concat(both))

    monkeypatch.setattr(f"{MODULE}.EcgSegmenter.from_pretrained", {"somewhere": opened}.get)
    monkeypatch.setattr(f"{MODULE}.of_store", late)
    figures = check_marked_points(store, "somewhere", "cpu")
    assert figures.records == 2
    better, first = (getattr(figures.segmenter, lead)["QRS_on"] for lead in ("better_lead", "first_lead"))
    assert better.se == first.se == 1.0
    assert better.mean_ms == pytest.approx(12)
    assert first.mean_ms == pytest.approx(50)  # the file's first lead is I
    assert figures.rules_each_lead.better_lead["QRS_on"].se >= 0.9


def test_marks_of_single_leads_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no marks that name no lead"):
        check_marked_points(Store(store.path))
