"""Waves and intervals of arrays, files and stores, by the bundled segmenter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.analysis.waves import Found, of_array, of_files, of_store
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.formats.options import FileOptions
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import StoreError
from beatssl.store.prepare import prepare
from beatssl.store.shards.reading import Reject
from beatssl.store.store import Store

OPTIONS = FileOptions(csv_fs_hz=100.0, unit="mV", lead_names=("II", "belly"))


@pytest.fixture(scope="module")
def segmenter() -> EcgSegmenter:
    return EcgSegmenter.from_pretrained("default")


def two_leads(store: Store, row: int) -> np.ndarray:
    return store.ecg_mv([row])[0, [1, 7]]


def test_an_array_gives_waves_and_intervals_of_the_record(segmenter, store):
    ecg_mv = two_leads(store, 20)
    found = of_array(segmenter, ecg_mv, ("MLII", "belly"), 100.0, "mine")
    assert found.records == 1
    assert set(found.waves["record_id"]) == set(found.intervals["record_id"]) == {"mine"}
    assert set(found.waves["lead"]) == {"II", "belly"}
    waves = segmenter.predict(ecg_mv, ("II", "belly"), 100.0)
    pd.testing.assert_frame_equal(found.waves.drop(columns="record_id"), waves)
    rate = found.intervals.set_index("measure")["value"]["rate_bpm"]
    assert rate == pytest.approx(store.features["rate_bpm"][20], rel=0.05)


def test_two_leads_of_one_place_are_told_apart(segmenter, store):
    ecg_mv = store.ecg_mv([20])[0, [1, 1, 7]]
    ecg_mv[2] = np.nan
    found = of_array(segmenter, ecg_mv, ("II", "MLII", "V2"), 100.0)
    assert found.waves["lead"].unique().tolist() == ["II", "MLII"]


def test_a_file_gives_what_its_array_gives(segmenter, store, tmp_path: Path):
    ecg_mv = two_leads(store, 20)
    np.save(tmp_path / "one.npy", ecg_mv)
    (found,) = of_files(segmenter, tmp_path / "one.npy", OPTIONS)
    alone = of_array(segmenter, ecg_mv, ("II", "belly"), 100.0, "one.npy")
    pd.testing.assert_frame_equal(found.waves, alone.waves)
    pd.testing.assert_frame_equal(found.intervals, alone.intervals)


def one_beat(store: Store) -> np.ndarray:
    """Ten seconds in which the heart beats once."""
    at = round(store.beats.loc[store.beats["row"] == 20, "time_s"].iloc[3] * 100)
    ecg_mv = np.zeros((2, 1000), np.float32)
    ecg_mv[:, 400:500] = two_leads(store, 20)[:, at - 40 : at + 60] * np.hanning(100).astype(np.float32)
    return ecg_mv


@pytest.mark.parametrize(("rate", "reason"), [(0, "no-beats"), (6, "impossible-rate")])
def test_what_prepare_sets_aside_for_its_beats_is_segmented(segmenter, store, tmp_path: Path, rate, reason):
    np.save(tmp_path / "slow.npy", one_beat(store) if rate else np.linspace((0, 0), 0.05, 1000, dtype=np.float32).T)
    config = PrepareConfig(
        "files", tmp_path, tmp_path / "store", leads="as-recorded", csv_fs_hz=100.0, unit="mV",
        lead_names=OPTIONS.lead_names, workers=1,
    )  # fmt: skip
    with pytest.raises(StoreError, match=f"1 {reason}"):
        prepare(config)
    (found,) = of_files(segmenter, tmp_path, OPTIONS)
    assert isinstance(found, Found)
    assert found.records == 1
    assert set(found.intervals["record_id"]) == {"slow.npy"}
    peaks = found.waves.loc[(found.waves["wave"] == "QRS") & (found.waves["lead"] == "II"), "peak_s"]
    assert peaks.tolist() == ([pytest.approx(4.4, abs=0.03)] if rate else [])


def test_no_detector_of_r_peaks_stands_before_the_network(segmenter, store, tmp_path: Path, monkeypatch):
    np.save(tmp_path / "one.npy", two_leads(store, 20))
    for place in ("beatssl.beats.peaks.find_r_peaks", "beatssl.store.shards.conditioning.find_r_peaks"):
        monkeypatch.setattr(place, lambda *signal: pytest.fail("looked for R peaks"))
    (found,) = of_files(segmenter, tmp_path, OPTIONS)
    assert (found.waves["wave"] == "QRS").sum() > 4


def test_gaps_are_taken_and_only_what_holds_nothing_is_refused(segmenter, store, tmp_path: Path):
    gaps = two_leads(store, 20)
    gaps[:, 300:700] = np.nan
    np.save(tmp_path / "gaps.npy", gaps)
    np.save(tmp_path / "nothing.npy", np.full((2, 1000), np.nan, np.float32))
    np.save(tmp_path / "short.npy", gaps[:, :150])
    np.save(tmp_path / "volts.npy", 1000 * two_leads(store, 20))
    (tmp_path / "broken.npy").write_bytes(b"no array")
    found = list(of_files(segmenter, tmp_path, OPTIONS))
    refused = [one for one in found if isinstance(one, Reject)]
    assert {one.record_id: one.reason for one in refused} == {
        "nothing.npy": "nan", "short.npy": "too-short", "volts.npy": "amplitude", "broken.npy": "unreadable",
    }  # fmt: skip
    assert not any(str(tmp_path) in one.message for one in refused)
    (waves,) = (one.waves for one in found if isinstance(one, Found))
    assert len(waves)
    assert not waves["peak_s"].between(3.05, 6.95).any()


def test_a_missing_path_is_told_from_an_empty_folder(segmenter, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*gone; pass an ECG file"):
        list(of_files(segmenter, tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="no ECG below"):
        list(of_files(segmenter, tmp_path))


def test_rows_of_a_store_with_unlike_numbers_of_leads(segmenter, store, tmp_path: Path):
    source = tmp_path / "files"
    source.mkdir()
    for row, leads in enumerate((("II", "V5"), ("I", "II", "V1"))):
        table = pd.DataFrame(store.ecg_mv([row])[0, : len(leads)].T, columns=list(leads))
        table.to_csv(source / f"{row}.csv", index=False)
    config = PrepareConfig(
        "files", source, tmp_path / "store", leads="as-recorded", csv_fs_hz=100.0, unit="mV", workers=1, clusters=0
    )
    prepare(config)
    (found,) = of_store(segmenter, Store(tmp_path / "store"))
    leads = found.waves.groupby("record_id")["lead"].unique().map(sorted).to_dict()
    assert leads == {"0.csv": ["II", "V5"], "1.csv": ["I", "II", "V1"]}


def test_rows_of_a_long_record_are_joined(segmenter, store):
    few = store.take(range(12))
    records = few.records.assign(record_id=np.repeat(["a", "b"], 6), start_s=np.tile(np.arange(6) * 10.0, 2))
    found = list(of_store(segmenter, few.with_tables(records=records)))
    assert [set(part.waves["record_id"]) for part in found] == [{"a"}, {"b"}]
    assert found[0].waves["offset_s"].max() > 50


def test_many_records_at_once_give_what_each_gives_alone(segmenter, store):
    found = list(of_store(segmenter, store.take(range(18))))
    assert [part.records for part in found] == [16, 2]
    together = pd.concat([part.waves for part in found])
    for row in (0, 17):
        record_id = store.records["record_id"].iloc[row]
        alone = segmenter.predict(store.ecg_mv([row])[0], store.leads, store.fs_hz, already_filtered=True)
        same = together[together["record_id"] == record_id].reset_index(drop=True)
        assert same["wave"].tolist() == alone["wave"].tolist()
        np.testing.assert_allclose(same["onset_s"], alone["onset_s"], atol=0.002)


def test_a_store_prepared_otherwise_is_refused(segmenter, store):
    with pytest.raises(CheckpointError, match="low_hz"):
        list(of_store(segmenter, store.with_config(low_hz=0.05)))
