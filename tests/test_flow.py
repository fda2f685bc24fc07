"""The whole way on the synthetic cohort: prepare, store, checks with floors under their accuracy, splits, page."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from beatssl import CheckConfig, PrepareConfig, Store, check, prepare
from beatssl.demo.config import DemoConfig
from beatssl.demo.demo import EXAMPLES, demo
from beatssl.features import DEFINITIONS
from beatssl.reports.store_page import example_rows
from beatssl.store.splits import check_split, patients, split_by_fold, take_share

RECORDS = 160


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("flow") / "store"
    summary = prepare(PrepareConfig("synthetic", Path(str(RECORDS)), folder, shard_records=64, workers=1))
    assert summary.records + sum(summary.rejects.values()) == RECORDS
    return Store(folder)


def test_the_store_holds_what_was_prepared(store: Store) -> None:
    assert len(store) == len(store.records) == len(store.features)
    assert len(store) >= 0.98 * RECORDS
    ecg_mv = store.ecg_mv(range(len(store)))
    assert ecg_mv.shape == (len(store), 12, 1000)
    assert np.isfinite(ecg_mv).all()
    limb = ecg_mv[:, 1] - ecg_mv[:, 0] - ecg_mv[:, 2]
    assert np.abs(limb).max() < 0.003  # III = II − I to the rounding of 1 µV


def test_every_feature_has_a_definition(store: Store) -> None:
    assert set(store.features.columns) <= set(DEFINITIONS)
    assert not np.isinf(store.features.to_numpy(np.float64)).any()


def test_r_peaks(store: Store) -> None:
    figures = check(CheckConfig(store.path, "peaks"))
    assert figures.sensitivity >= 0.99
    assert figures.ppv >= 0.99
    assert (store.path / "check-peaks.json").exists()


def test_boundaries(store: Store) -> None:
    figures = check(CheckConfig(store.path, "fiducials")).beats.marks
    floors_ms = {
        "p_onset": 15, "p_offset": 20, "qrs_onset": 12, "qrs_offset": 12, "t_peak": 12, "t_offset": 25,
    }  # fmt: skip
    for mark, floor_ms in floors_ms.items():
        assert figures[mark].compared > 0.75 * len(store.beats), mark
        assert figures[mark].median_absolute_error_ms <= floor_ms, mark


def test_beat_classes(store: Store) -> None:
    figures = check(CheckConfig(store.path, "beat-classes")).sets["all"].per_class
    assert figures["V"].sensitivity >= 0.8
    assert figures["N"].sensitivity >= 0.9


def test_measured_rate_and_intervals_follow_the_labels(store: Store) -> None:
    labels = store.labels.groupby("label")["row"].apply(list)
    rate, qrs_ms = store.features["rate_bpm"], store.features["qrs_duration_ms"]
    assert rate.loc[labels["sinus-bradycardia"]].median() < 60
    assert qrs_ms.loc[labels["lbbb"]].median() > 20 + qrs_ms.loc[labels["normal"]].median()


def test_splits_keep_patients_apart(store: Store) -> None:
    split = split_by_fold(store.records)
    check_split(store.records, split)
    some = take_share(store.records, split.train, 0.5, np.random.default_rng(0))
    person = patients(store.records).to_numpy()
    assert 0 < len(some) < len(split.train)
    assert set(person[some]).isdisjoint(person[np.setdiff1d(split.train, some)])


def test_examples_are_the_clearest_rows_and_never_the_same(store: Store) -> None:
    rows = example_rows(store, EXAMPLES)
    assert len(set(rows.values())) == len(rows)
    assert {"Normal", "Atrial fibrillation", "Ventricular ectopy"} <= set(rows)
    for name, row in rows.items():
        assert set(EXAMPLES[name]) <= set(store.labels[store.labels["row"] == row]["label"])


def test_the_demo_makes_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    path = demo(DemoConfig(tmp_path / "demo", records=24, workers=1, epochs=0))
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "demo" / "index.html"
    assert text.count("ecg-paper") > 3
    assert set(re.findall(r'(?:src|href)="(?!#)([^"]*)', text)) == {"analysis.html"}
    assert 'src="http' not in (tmp_path / "demo" / "analysis.html").read_text(encoding="utf-8")
    assert "Found against true" in text
    assert list((tmp_path / "demo" / "pictures").glob("ecg-*.svg"))
    demo(DemoConfig(tmp_path / "demo", records=8, workers=1, epochs=0))
    assert len(Store(tmp_path / "demo" / "store")) == 8  # an old demo is replaced


def test_the_demo_spares_a_folder_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    mine = tmp_path / "store" / "mine.txt"
    mine.write_text("keep", encoding="utf-8")
    with pytest.raises(ValueError, match="is a folder with store; demo writes to an empty one"):
        demo(DemoConfig(tmp_path, records=8, epochs=0))
    with pytest.raises(ValueError, match="no store"):
        demo(DemoConfig(tmp_path, records=8, epochs=0, overwrite=True))
    manifest = {"format": 1, "config": {"kind": "ptbxl"}, "signal": {}}
    (tmp_path / "store" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="store is a store of kind ptbxl, not of an earlier demo"):
        demo(DemoConfig(tmp_path, records=8, epochs=0, overwrite=True))
    assert mine.read_text(encoding="utf-8") == "keep"
