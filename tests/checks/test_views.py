"""The verb `views` on a small synthetic store: the page of a record, the realism table."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.checks.features import FeatureCheckConfig
from beatssl.checks.view_measuring import marks_s, measure_again, peaks_s, signals_of_rows
from beatssl.checks.views import ViewsCheckConfig, _beats_found, check_views, made_views
from beatssl.records.registry import READERS
from beatssl.reports.show_views import ShowViewsConfig, show_views
from beatssl.reports.views_page import views_page
from beatssl.signals.leads import LEADS
from beatssl.store.conditioning import Conditioned, condition
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store
from beatssl.views.registry import VIEWS
from beatssl.views.timing import BeatWarp, Retiming, TemporalScaling
from beatssl.views.view import Signals


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("views") / "store"
    prepare(PrepareConfig("synthetic", Path("40"), folder, salt="test", workers=1, clusters=4))
    return Store(folder)


@pytest.fixture(scope="module")
def figures(store: Store) -> dict:
    return check_views(store, ViewsCheckConfig(rows=12, strengths=(0.25, 1.0), diagnosis_rows=0))


def test_a_row_measured_again_is_the_stores(store: Store) -> None:
    rows = np.arange(5, 15)
    signals = signals_of_rows(store, rows)
    again = measure_again(signals, marks_s(signals)).features
    stored = store.features.iloc[rows].reset_index(drop=True)
    for name in ("rate_bpm", "qrs_duration_ms", "qt_interval_ms", "r_amplitude_mv_V5", "rr_rmssd_ms"):
        np.testing.assert_allclose(again[name], stored[name], rtol=0.03, atol=1e-3, err_msg=name)


def test_signals_carry_beats_masks_and_ends(store: Store) -> None:
    rows = np.array([3, 11])
    signals = signals_of_rows(store, rows)
    assert signals.ecg_mv.shape == (2, 12, 1000)
    assert signals.valid.tolist() == [1000, 1000]
    for place, row in enumerate(rows):
        own = store.beats[store.beats["row"] == row]["time_s"].to_numpy()
        np.testing.assert_allclose(signals.beat_at[signals.beat_record == place].numpy(), own * 100, atol=1e-2)


def test_the_table_says_what_views_do(figures: dict) -> None:
    overall, single = figures["views"], figures["moved_by_views"]
    assert overall["as stored"]["found"] > 0.99
    assert overall["as stored"]["R ms"] < 1
    assert overall["as stored"]["moved"] < 0.01
    # Marks that move with time lie where the detector finds the beats again.
    for name in ("temporal_scaling 1", "beat_warp 1"):
        assert overall[name]["found"] > 0.97
        assert overall[name]["R ms"] < 5
    assert single["temporal_scaling 1"]["rate"] > 5 * single["rotation full rank 1"]["rate"]
    assert single["rotation full rank 1"]["QRS axis"] > 0.1 > single["temporal_scaling 1"]["QRS axis"]
    assert overall["lead_mask 1"]["lost"] > 0.1 > overall["amplitude 1"]["lost"]
    for name in ("rotation full rank", "temporal_scaling", "wander"):
        assert overall[f"{name} 0.25"]["moved"] < overall[f"{name} 1"]["moved"]


def test_the_round_trip_spares_a_dipole_and_costs_lead_i(figures: dict) -> None:
    lost = figures["round_trip_dower"]
    assert list(lost) == list(LEADS)
    # The synthetic heart is a dipole seen by Dower's lead vectors, bent a little for each patient.
    assert all(0 < entry["QRS lost"] < 0.3 for entry in lost.values())
    assert lost["I"]["QRS lost"] > lost["II"]["QRS lost"]


def test_diagnoses_are_told_before_and_after(store: Store) -> None:
    quick = FeatureCheckConfig(
        train_folds=(1, 2, 3, 4, 5, 6), valid_fold=7, test_fold=8, inverse_penalties=(0.01,), tree_rounds=(5,),
        bootstrap_draws=5,
    )  # fmt: skip
    folds = set(store.records["fold"])
    if not folds >= {7, 8}:
        quick = FeatureCheckConfig(
            **{**quick.__dict__, "valid_fold": max(folds), "test_fold": max(folds), "train_folds": (min(folds),)}
        )
    entries = check_views(store, ViewsCheckConfig(rows=2, strengths=(), diagnosis_rows=38, diagnosis=quick))[
        "diagnosis"
    ]
    assert list(entries) == [
        f"{when}, {model}"
        for when in ("before", "after, dower", "after, kors")
        for model in ("logistic regression", "boosted trees")
    ]
    assert all(0 <= entry["macro AUROC"] <= 1 for entry in entries.values())


def test_the_page_shows_every_view_and_needs_nothing_else(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []
    loops = "beatssl.reports.views_page.vcg_loops"  # slow, and tested with the other figures
    monkeypatch.setattr(loops, lambda median_mv, fs_hz, waves: drawn.append(median_mv) or "<svg></svg>")
    record = str(store.records["record_id"].iloc[7])
    html = views_page(store, record, tmp_path / "deep" / "views.html").read_text(encoding="utf-8")
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


def test_the_verb_makes_either(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verb = "beatssl.reports.show_views"
    monkeypatch.setattr(f"{verb}.views_page", lambda store, record, out, strength, seed: out)
    assert show_views(ShowViewsConfig(store.path, "7")) == store.path / "views-7.html"
    monkeypatch.setattr(f"{verb}.check_views", lambda store, config: {"rows": config.rows, "none": np.float64(np.nan)})
    figures = show_views(ShowViewsConfig(store.path, out=tmp_path / "deep" / "table.json", rows=3))
    assert figures == {"rows": 3, "none": None}
    assert json.loads((tmp_path / "deep" / "table.json").read_text(encoding="utf-8")) == figures


def test_an_unknown_record_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"record '99' is not in .* first ones are synthetic-000000"):
        views_page(store, "99", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_views_are_made_for_the_rate(store: Store) -> None:
    signals = signals_of_rows(store, np.array([0]))
    names = made_views(signals, (0.5,))
    assert {"rotation full rank 0.5", "rotation low rank 0.5", "round trip", "preset beatssl"} <= set(names)
    assert len(names) == len(VIEWS) - 1 + 1 + 1 + 2  # no mains, rotation twice, the round trip, two presets


def test_the_detector_finds_moved_beats_of_real_records(data_root: Path) -> None:
    config = PrepareConfig("ptbxl", data_root / "ptb-xl", Path("unused"), salt="test")
    reader = READERS["ptbxl"]()
    kept = [condition(reader, source, config) for source in reader.sources(config.source)[:24:2]]
    assert all(isinstance(record, Conditioned) for record in kept)
    signals = Signals(
        torch.as_tensor(np.stack([record.ecg_mv for record in kept])),
        torch.ones((12, 12), dtype=torch.bool),
        torch.full((12,), 1000),
        torch.arange(12).repeat_interleave(torch.tensor([len(record.r_times_s) for record in kept])),
        torch.as_tensor(np.concatenate([record.r_times_s for record in kept]) * 100, dtype=torch.float32),
        100.0,
    )
    seen = Retiming((TemporalScaling(), BeatWarp()))(signals, torch.Generator().manual_seed(0))
    figures = _beats_found(marks_s(seen), peaks_s(seen))
    assert figures["found"] > 0.97
    assert figures["R ms"] < 3
