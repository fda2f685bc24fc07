"""The page of a record through every view."""

import re
from pathlib import Path

import numpy as np
import pytest

from beatssl.reports.views_page import views_page
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("views") / "store"
    prepare(PrepareConfig("synthetic", Path("40"), folder, salt="test", workers=1, clusters=4))
    return Store(folder)


def test_the_page_shows_every_view_and_needs_nothing_else(
    forty: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []
    loops = "beatssl.reports.views_page.vcg_loops"  # slow, and tested with the other figures
    monkeypatch.setattr(loops, lambda median_mv, fs_hz, waves: drawn.append(median_mv) or "<svg></svg>")
    record = str(forty.records["record_id"].iloc[7])
    html = views_page(forty, record, tmp_path / "deep" / "views.html").read_text(encoding="utf-8")
    assert f"Views of record {record}" in html
    for name in ("Temporal scaling", "Beat warp", "Rotation low rank", "Time mask", "Preset 3kg"):
        assert f">{name}</label>" in html
    panes = html.count('<div class="pane">')
    assert (
        f"input:nth-of-type({panes}):checked ~ .panes > .pane:nth-child({panes})" in html
    )  # the last one can be chosen
    assert "Mains" not in html  # 100 samples/s cannot hold it
    assert html.count("<figure>") == 2 * (1 + panes)
    assert len(drawn) == 1 + panes
    assert not re.search(r'(src|href)="(?!#)', html)


def test_an_unknown_record_is_named(forty: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"record '99' is not in .* first ones are synthetic-000000"):
        views_page(forty, "99", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
