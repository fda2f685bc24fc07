"""The verb `views`: the page of a record, or the realism table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from beatssl.checks.views import ViewEffect, ViewsFigures
from beatssl.reports.show_views import ShowViewsConfig, show_views
from beatssl.results import to_json
from beatssl.store.store import Store


def made(rows: int) -> ViewsFigures:
    effect = ViewEffect(found=1.0, extra=0.0, r_ms=float("nan"), moved=0.1, moved_most=0.2, lost=0.0)
    return ViewsFigures(rows, {"as stored": effect}, {}, {}, {}, {})


def test_the_verb_makes_either(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beatssl.reports.views_page.views_page", lambda store, record, out, strength, seed: out)
    assert show_views(ShowViewsConfig(store.path, "7")) == store.path / "views-7.html"
    monkeypatch.setattr("beatssl.checks.views.check_views", lambda store, config: made(config.rows))
    figures = show_views(ShowViewsConfig(store.path, out=tmp_path / "deep" / "table.json", rows=3))
    assert figures.rows == 3
    assert json.loads((tmp_path / "deep" / "table.json").read_text(encoding="utf-8")) == to_json(figures)
    again = ShowViewsConfig(store.path, out=tmp_path / "deep" / "table.json", rows=4)
    with pytest.raises(ValueError, match=r"table.json is there already"):
        show_views(again)
    assert show_views(replace(again, overwrite=True)).rows == 4
