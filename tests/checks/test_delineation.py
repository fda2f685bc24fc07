"""Rivals' waves on the synthetic cohort, whose truth is known, and best, median and worst of them on paper."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.checks import delineation_rivals
from beatssl.checks.annotation_repeatability import marks_from_other_beats
from beatssl.checks.delineation import check_delineation, figures_by_fold
from beatssl.checks.delineation_rivals import COLUMNS, neurokit_waves, rule_waves
from beatssl.drawing.ecg_paper import WAVE_COLOURS
from beatssl.reports.draw import draw
from beatssl.reports.segment_pictures import choose_examples, draw_examples, draw_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("delineation") / "store"
    prepare(PrepareConfig("synthetic", Path("4"), folder, workers=1))
    return Store(folder)


@pytest.mark.parametrize("each_lead", [True, False])
def test_rules_find_the_waves_of_every_lead(store: Store, each_lead: bool) -> None:
    waves = rule_waves(store, each_lead)
    assert list(waves.columns) == list(COLUMNS)
    figures = figures_by_fold(store, waves)
    assert figures["leads"] == 48
    assert figures["boundaries"]["QRS_on"]["150"]["f1"] >= 0.95
    assert figures["sample_f1"]["QRS"] >= 0.75
    assert sum(fold["records"] for fold in figures["folds"].values()) == 4
    # The leads share their boundaries, or each has its own.
    onsets = waves[(waves["record_id"] == waves["record_id"].iloc[0]) & (waves["wave"] == "QRS")]
    assert (onsets.groupby("lead")["onset_s"].first().nunique() == 1) == (not each_lead)


def test_neurokit_on_the_store_and_on_the_source_agree(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delineation_rivals, "_stored", lambda of: list(stored(of))[:1])
    monkeypatch.setattr(delineation_rivals, "_recorded", lambda of, source: list(recorded(of, source))[:1])
    for waves in (neurokit_waves(store), neurokit_waves(store, Path("4"))):
        assert list(waves.columns) == list(COLUMNS)
        assert waves["lead"].nunique() == 12
        marks = store.waves[store.waves["record_id"] == waves["record_id"].iloc[0]]
        true, found = (t[t["wave"] == "QRS"].groupby("lead").size() for t in (marks, waves))
        assert (found / true).median() == pytest.approx(1, abs=0.25)


def test_marks_told_by_the_leads_other_beats(store: Store) -> None:
    marks = store.waves.copy()
    marks.loc[marks.index[40], "onset_s"] = float("nan")
    told = marks_from_other_beats(marks)
    assert len(told) == len(marks)
    assert told["onset_s"].isna().sum() == marks["onset_s"].isna().sum()
    record_id = marks["record_id"].iloc[0]
    lead = marks[(marks["record_id"] == record_id) & (marks["lead"] == "V2")].sort_values("peak_s")
    r_s = lead.loc[lead["wave"] == "QRS", "peak_s"].to_numpy()
    own = lead[lead["wave"] == "T"]
    before = np.array([r_s[r_s < peak].max(initial=-9.0) for peak in own["peak_s"]])
    away = np.where(own["peak_s"] - before < 0.7, own["offset_s"] - before, np.nan)
    found = told[(told["record_id"] == record_id) & (told["lead"] == "V2") & (told["wave"] == "T")]
    found_s = dict(zip(found["peak_s"], found["offset_s"], strict=True))
    for at, peak_s in enumerate(own["peak_s"]):
        others = np.delete(away, at)
        expected = before[at] + np.nanmean(others) if np.isfinite(away[at]) else own["offset_s"].iloc[at]
        assert found_s[peak_s] == pytest.approx(expected)


def test_marks_that_do_not_change_are_told_exactly() -> None:
    r_s = np.arange(1.0, 6.0)
    lines = [
        {"record_id": "a", "lead": "II", "wave": wave, "onset_s": r + on, "peak_s": r + peak, "offset_s": r + off}
        for r in r_s
        for wave, on, peak, off in (("P", -0.2, -0.15, -0.1), ("QRS", -0.05, 0.0, 0.05), ("T", 0.2, 0.3, 0.4))
    ]
    marks = pd.DataFrame(lines)
    pd.testing.assert_frame_equal(marks_from_other_beats(marks), marks)


stored, recorded = delineation_rivals._stored, delineation_rivals._recorded


def test_figures_of_all_methods_side_by_side(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "beatssl.checks.delineation.neurokit_waves"
    monkeypatch.setattr(module, lambda of, source: store.waves.iloc[::2])
    figures = check_delineation(store)
    assert set(figures) == {
        "neurokit2_dwt", "rules_each_lead", "rules_all_leads", "marks_of_other_beats", "neurokit2_signals"
    }  # fmt: skip
    # Every second wave of the truth: half is found, and nothing of it is wrong.
    assert figures["neurokit2_dwt"]["boundaries"]["T_off"]["40"]["ppv"] == 1.0
    assert figures["neurokit2_dwt"]["boundaries"]["T_off"]["40"]["se"] == pytest.approx(0.5, abs=0.1)


def test_another_source_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="1 of the 4 records"):
        neurokit_waves(store, Path("1"))


def test_marks_without_leads_are_refused(store: Store) -> None:
    bare = store.with_tables(waves=store.waves.assign(lead=""))
    with pytest.raises(ValueError, match="no waves marked lead by lead"):
        check_delineation(bare)


def test_best_median_and_worst_are_drawn(store: Store, tmp_path: Path) -> None:
    ids = list(store.waves["record_id"].unique())
    shift = store.waves["record_id"].map({name: 0.005 * at for at, name in enumerate(ids)})
    times = {name: store.waves[name] + shift for name in ("onset_s", "peak_s", "offset_s")}
    waves: pd.DataFrame = store.waves.assign(**times)
    chosen = choose_examples(store, waves)
    assert [name for name, _ in chosen.values()] == [ids[0], ids[1], ids[3]]
    assert chosen["best"][1] == 1.0
    for name, file in draw_examples(store, waves, tmp_path).items():
        root = ET.fromstring(file.read_text(encoding="utf-8"))
        assert name in (root.get("aria-label") or "")
        bars = [
            path.get("stroke") for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("class") == "bar"
        ]
        assert set(bars) <= set(WAVE_COLOURS.values())
        assert bars.count(WAVE_COLOURS["QRS"]) == 13  # twelve leads and the rhythm strip


def test_a_folder_of_segment_is_drawn_from_its_store(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"store": str(store.path)}))
    store.waves.to_parquet(tmp_path / "waves.parquet")
    written = draw(tmp_path)
    assert set(written) == {"best", "median", "worst"}
    assert all(file.read_text().lstrip().startswith("<") for file in written.values())
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "gone")}))
    with pytest.raises(ValueError, match="prepare it there again"):
        draw(tmp_path)


def test_a_wave_is_drawn_on_its_own_lead(store: Store) -> None:
    record = str(store.records["record_id"].iloc[0])
    one = pd.DataFrame(
        [{"record_id": record, "lead": "V6", "wave": "T", "onset_s": 8.0, "peak_s": 8.1, "offset_s": 8.2}]
    )
    bare = store.with_tables(waves=store.waves.iloc[:0])
    root = ET.fromstring(draw_record(bare, one, record))
    strokes = [path.get("stroke") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    assert strokes.count(WAVE_COLOURS["T"]) == 2  # the legend, and V6
    with pytest.raises(ValueError, match="record 'x' is not in"):
        draw_record(bare, one, "x")
