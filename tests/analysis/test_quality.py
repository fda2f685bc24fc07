"""Signal quality: what lowers it, and how well it tells acceptable records of CinC 2011 from others."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from sklearn.metrics import roc_auc_score

from beatssl.analysis.quality import lead_seconds, record_score
from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.windows import beats_of_rows
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.leads import without_constant
from beatssl.signals.preparation import Preparation


def seconds_of(ecg_mv: np.ndarray, fs_hz: float = 500.0) -> np.ndarray:
    recorded = without_constant(ecg_mv.astype(np.float32))
    filtered = Preparation(100.0, 0.5, 40.0, ()).filtered(recorded, fs_hz)
    r_s = find_r_peaks(filtered, 100.0) if np.isfinite(filtered).any() else np.zeros(0)
    return lead_seconds(recorded, fs_hz, filtered, beats_of_rows([filtered], [r_s], 100.0))


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return synthetic_record(0).ecg_mv


def test_a_clean_record_scores_high(clean: np.ndarray) -> None:
    found = seconds_of(clean)
    assert found.shape == (12, 10)
    assert found.min() > 0.7
    assert record_score(found.mean(axis=1)) > 0.9


@pytest.mark.parametrize("fault", ["noise", "flat", "gap", "offset", "drift"])
def test_a_fault_lowers_its_own_lead_and_seconds_alone(clean: np.ndarray, fault: str) -> None:
    rng, bad = np.random.default_rng(0), clean.copy()
    part = slice(2500, 4000)  # seconds 5 to 7 of V1
    time_s = np.arange(1500) / 500
    bad[6, part] = {
        "noise": bad[6, part] + rng.normal(0, 0.2, 1500),
        "flat": 0.0,
        "gap": np.nan,
        "offset": bad[6, part] + 8,
        "drift": bad[6, part] + 1.5 * np.sin(2 * np.pi * 0.4 * time_s),
    }[fault]
    before, after = seconds_of(clean), seconds_of(bad)
    assert after[6, 5:8].mean() < 0.6 * before[6, 5:8].mean()
    others = [lead for lead in range(12) if lead != 6]
    assert np.abs(after[others] - before[others]).max() < 0.3  # R moves a little, and with it the beats
    assert np.abs(after[6, :3] - before[6, :3]).max() < 0.25


def test_any_length_and_rate(clean: np.ndarray) -> None:
    assert seconds_of(clean[:, :1300]).shape == (12, 2)
    assert seconds_of(clean[:1, ::4], 125.7).shape == (1, 9)
    assert record_score(np.zeros(0, np.float32)) == 0.0


def test_acceptable_records_of_cinc_2011_are_told_from_others(data_root: Path) -> None:
    folder = data_root / "cinc2011"
    if not folder.is_dir():
        pytest.skip("no CinC 2011 here")
    good, scores = [], []
    for name, acceptable in (("RECORDS-acceptable", True), ("RECORDS-unacceptable", False)):
        for record in (folder / name).read_text().split()[:75]:
            signal = wfdb.rdrecord(str(folder / record)).p_signal.T
            scores.append(record_score(seconds_of(signal).mean(axis=1)))
            good.append(acceptable)
    assert roc_auc_score(good, scores) > 0.93
