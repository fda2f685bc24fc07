"""Two running medians as the baseline of an ECG."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.datasets.baseline import WithoutBaseline, median_baseline
from beatssl.records.synthetic import SyntheticReader


@pytest.mark.parametrize("fs_hz", [128.0, 257.0, 360.0])
def test_a_slow_wave_is_taken_and_beats_are_left(fs_hz: float) -> None:
    time_s = np.arange(round(20 * fs_hz)) / fs_hz
    slow = 0.5 * np.sin(2 * np.pi * 0.15 * time_s)
    beats = np.exp(-0.5 * ((time_s % 0.9 - 0.4) / 0.012) ** 2)
    ecg_mv = np.stack([slow + beats, slow, np.full_like(slow, np.nan)]).astype(np.float32)
    found = median_baseline(ecg_mv, fs_hz)
    inner = slice(round(fs_hz), -round(fs_hz))
    assert np.abs(found[:2, inner] - slow[inner]).max() < 0.06
    assert np.isnan(found[2]).all()


def test_a_gap_is_bridged_and_stays_a_gap() -> None:
    ecg_mv = np.linspace(0, 1, 600, dtype=np.float32)[None].repeat(3, axis=0)
    ecg_mv[0, 200:230], ecg_mv[1, 0], ecg_mv[2] = np.nan, np.nan, np.nan
    found = median_baseline(ecg_mv, 100.0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(ecg_mv))
    np.testing.assert_allclose(found[:2, 50:-50], ecg_mv[:2, 50:-50], atol=1e-5)


def test_by_a_slow_loop() -> None:
    ecg_mv = np.random.default_rng(0).normal(size=(1, 400)).astype(np.float32)

    def running(x: np.ndarray, half: int) -> np.ndarray:
        padded = np.pad(x, half, mode="symmetric")
        return np.array([np.median(padded[i : i + 2 * half + 1]) for i in range(len(x))])

    np.testing.assert_allclose(median_baseline(ecg_mv, 100.0)[0], running(running(ecg_mv[0], 10), 30), atol=1e-6)


def test_a_reader_without_its_baseline_reads_the_same_records() -> None:
    reader, root = SyntheticReader(), Path("2")
    changed = pickle.loads(pickle.dumps(WithoutBaseline(reader)))
    assert changed == WithoutBaseline(reader)
    assert (changed.kind, changed.sources(root)) == (reader.kind, reader.sources(root))
    record, other = (one.read(root, one.sources(root)[1]) for one in (reader, changed))
    assert other.id == record.id
    np.testing.assert_allclose(other.ecg_mv + median_baseline(record.ecg_mv, record.fs_hz), record.ecg_mv, atol=1e-5)
