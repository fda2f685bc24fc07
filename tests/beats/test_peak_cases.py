"""R peaks where hearts, electrodes and pacemakers are not as usual: one design and one set of constants for all."""

from collections.abc import Sequence

import numpy as np
import pytest

from beatssl.beats.peaks import find_r_peaks, rate_r_peaks
from beatssl.records.synthetic import synthetic_record
from beatssl.records.synthetic.drawn import TWELVE, drawn_ecg, regular
from beatssl.records.synthetic.noise import electrode_motion
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.matching import match_times

FS_HZ = 100.0
ONE = TWELVE[1:2]


def all_found(r_s: np.ndarray, found_s: np.ndarray, within_s: float = 0.02) -> None:
    """Every beat once, and nothing else."""
    assert len(found_s) == len(r_s)
    assert np.abs(found_s - r_s).max() < within_s


@pytest.mark.parametrize("leads", [TWELVE, ONE], ids=["twelve", "one"])
@pytest.mark.parametrize("qrs_s", [0.08, 0.12], ids=["narrow", "wide"])
@pytest.mark.parametrize("rate", [20, 30, 60, 150, 250, 300])
def test_rates_from_20_to_300(rate: float, qrs_s: float, leads: Sequence[float]) -> None:
    r_s = regular(rate)
    all_found(r_s, find_r_peaks(drawn_ecg(r_s, leads=leads, qrs_s=qrs_s), FS_HZ))


@pytest.mark.parametrize("rate", [50, 75, 100])
@pytest.mark.parametrize("r_mv", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("t_ratio", [0.5, 1.0, 2.0, 3.0])
def test_a_t_wave_taller_than_the_qrs_in_one_lead(t_ratio: float, r_mv: float, rate: float) -> None:
    r_s = regular(rate, 10.0)
    all_found(r_s, find_r_peaks(drawn_ecg(r_s, 10.0, leads=[r_mv], t_ratio=t_ratio), FS_HZ), 0.05)


@pytest.mark.parametrize("leads", [TWELVE, ONE], ids=["twelve", "one"])
@pytest.mark.parametrize("pause_s", [3.0, 4.0, 6.0, 8.0])
def test_pauses_hold_no_beats_and_cost_none(pause_s: float, leads: Sequence[float]) -> None:
    before_s = np.arange(0.6, 8.0, 0.8)
    r_s = np.concatenate([before_s, np.arange(before_s[-1] + pause_s, 29.5, 0.8)])
    all_found(r_s, find_r_peaks(drawn_ecg(r_s, leads=leads), FS_HZ))


@pytest.mark.parametrize("leads", [TWELVE, ONE], ids=["twelve", "one"])
@pytest.mark.parametrize(("spike_s", "qrs_s"), [(0.05, 0.15), (0.16, 0.09)], ids=["ventricle", "atrium"])
def test_spikes_of_a_pacemaker_are_no_beats(spike_s: float, qrs_s: float, leads: Sequence[float]) -> None:
    r_s = regular(70)
    all_found(r_s, find_r_peaks(drawn_ecg(r_s, leads=leads, qrs_s=qrs_s, spikes_before_s=(spike_s,)), FS_HZ))


def test_inverted_leads_have_the_same_peaks() -> None:
    for index in range(10):
        record = synthetic_record(index, seed=5)
        ecg_mv = resample(bandpass(record.ecg_mv, record.fs_hz), record.fs_hz, FS_HZ)
        turned_mv = ecg_mv * np.where(np.arange(12) % 3 == 0, -1, 1).astype(np.float32)[:, None]
        assert find_r_peaks(turned_mv, FS_HZ) == pytest.approx(find_r_peaks(ecg_mv, FS_HZ))


@pytest.mark.parametrize("fs_hz", [50.0, 128.0, 250.0, 333.0, 360.0, 1000.0])
def test_every_sampling_rate_gives_the_same_peaks(fs_hz: float) -> None:
    for index in range(12):
        record = synthetic_record(index, seed=5)
        usual_s = find_r_peaks(bandpass(record.ecg_mv, 500.0), 500.0)
        found_s = find_r_peaks(bandpass(resample(record.ecg_mv, 500.0, fs_hz), fs_hz), fs_hz)
        inside = (usual_s > 0.3) & (usual_s < 9.7)
        gap_s = np.abs(found_s[:, None] - usual_s[inside]).min(axis=0)
        assert np.median(gap_s) < 0.003
        assert np.quantile(gap_s, 0.9) < 0.008
        assert abs(len(found_s) - len(usual_s)) <= 1


def test_any_lead_alone() -> None:
    missed = false = beats = 0
    for index in range(30):
        record = synthetic_record(index, seed=5)
        ecg_mv = resample(bandpass(record.ecg_mv, record.fs_hz), record.fs_hz, FS_HZ)
        assert record.beats is not None
        inside_s = record.beats.time_s[(record.beats.time_s > 0.15) & (record.beats.time_s < 9.85)]
        for lead_mv in ecg_mv:
            found_s = find_r_peaks(lead_mv[None], FS_HZ)
            matched = len(match_times(record.beats.time_s, found_s, 0.075)[0])
            missed += max(0, len(inside_s) - matched)
            false += len(found_s) - matched
            beats += len(inside_s)
    assert missed <= 0.02 * beats
    assert false <= 0.01 * beats


@pytest.mark.parametrize(("snr_db", "least"), [(18.0, 0.99), (6.0, 0.93)])
def test_electrode_motion_costs_few_beats(snr_db: float, least: float) -> None:
    rng, r_s = np.random.default_rng(0), regular(72, 120.0)
    ecg_mv = drawn_ecg(r_s, 120.0, leads=(1.0, 0.8))
    noise = np.stack([electrode_motion(FS_HZ, ecg_mv.shape[1], rng) for _ in range(2)])
    height_mv = np.array([[1.4], [1.1]])  # R to S
    noisy_mv = ecg_mv + (noise * height_mv / np.sqrt(8 * 10 ** (snr_db / 10))).astype(np.float32)
    found_s = find_r_peaks(bandpass(noisy_mv, FS_HZ), FS_HZ)
    matched = len(match_times(r_s, found_s, 0.1)[0])
    assert matched >= least * len(r_s)
    assert matched >= least * len(found_s)


def test_confidence_is_high_for_beats_low_for_what_noise_makes_and_none_is_below_the_threshold() -> None:
    r_s = regular(60)
    ecg_mv = drawn_ecg(r_s, leads=ONE)
    rng = np.random.default_rng(0)
    ecg_mv[:, 1000:1500] += bandpass(0.25 * rng.normal(size=(1, 500)).astype(np.float32), FS_HZ)
    beats, candidates = rate_r_peaks(ecg_mv, FS_HZ), rate_r_peaks(ecg_mv, FS_HZ, least_confidence=0.0)
    assert beats.time_s.tolist() == find_r_peaks(ecg_mv, FS_HZ).tolist()
    assert beats.confidence.min() >= 0.35
    quiet = (beats.time_s < 9.5) | (beats.time_s > 15.5)
    assert beats.confidence[quiet].min() > 0.95
    of_noise = np.delete(np.arange(len(candidates.time_s)), match_times(r_s, candidates.time_s, 0.1)[1])
    assert len(of_noise) > 3
    assert np.median(candidates.confidence[of_noise]) < 0.2


def test_ventricular_flutter_is_no_row_of_beats() -> None:
    """Sines of 4.5 a second without a level line after normal beats, as in MIT-BIH 207."""
    r_s = regular(75, 20.0)
    ecg_mv = drawn_ecg(r_s, 30.0, leads=(1.0, 0.7))
    time_s = np.arange(3000) / FS_HZ
    wave = np.sin(2 * np.pi * 4.5 * time_s + 0.6 * np.sin(2 * np.pi * 0.3 * time_s)) * (time_s > 20.3)
    ecg_mv += bandpass((np.array([[0.9], [0.6]]) * wave).astype(np.float32), FS_HZ)
    found_s = find_r_peaks(ecg_mv, FS_HZ)
    assert np.count_nonzero(found_s > 20.8) <= 4
    assert len(match_times(r_s, found_s, 0.05)[0]) >= len(r_s) - 1
