"""The page of a store where rows lack something."""

from pathlib import Path

import numpy as np
import pytest

from beatssl import PrepareConfig, Store, prepare
from beatssl.drawing.ecg_paper import WAVE_COLOURS
from beatssl.reports.store_page import store_page
from beatssl.reports.store_pictures import draw_rows, ecg_of_row


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("page") / "store"
    prepare(PrepareConfig("synthetic", Path("64"), folder, workers=1))
    return Store(folder)


def without_p(store: Store) -> int:
    """A row whose median beat has no P though some single beats seem to."""
    seeming = store.beats.groupby("row")["p_onset_s"].count()
    rows = np.flatnonzero(store.features["p_duration_ms"].isna() & (seeming.reindex(range(len(store))) > 0))
    assert rows.size
    return int(rows[0])


def test_no_p_is_coloured_where_the_record_has_none(store: Store) -> None:
    row = without_p(store)
    legend = 1
    assert ecg_of_row(store, row).count(WAVE_COLOURS["P"]) == legend
    drawn = draw_rows(store, {"It": row})
    assert "none is coloured" in drawn["It"].note
    page = store_page(store, drawn, "Title", "Summary.")
    assert "none is coloured" in page
    assert not any(f"–{unit}" in page for unit in (" ms", "°", " mV"))


def test_a_cut_beat_has_no_letter(store: Store) -> None:
    cut = store.beats[store.beats["qrs_offset_s"].isna() | store.beats["qrs_onset_s"].isna()]
    row = int(cut["row"].iloc[0])
    whole = int((store.beats["row"] == row).sum() - (cut["row"] == row).sum())
    assert ecg_of_row(store, row).count('text-anchor="middle"') == whole
