import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.peaks import find_r_peaks
from beatssl.records.ludb import LudbReader
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.filters import bandpass, resample

FS_HZ = 100.0


def filtered(record):
    return resample(bandpass(record.ecg_mv, record.fs_hz), record.fs_hz, FS_HZ)


def bumps(times_s, duration_s=10.0, fs_hz=FS_HZ, height_mv=1.0):
    """Twelve leads of narrow bumps at the given times."""
    t = np.arange(round(duration_s * fs_hz)) / fs_hz
    wave = sum(height_mv * np.exp(-0.5 * ((t - at) / 0.015) ** 2) for at in times_s)
    return (np.linspace(-1, 1, 12)[:, None] * wave).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(rate=st.floats(40, 180), start=st.floats(0.3, 0.6), scale=st.floats(0.2, 4.0))
def test_regular_beats_are_all_found_at_their_times(rate, start, scale):
    times = np.arange(start, 9.7, 60 / rate)
    found = find_r_peaks(bumps(times, height_mv=scale), FS_HZ)
    assert len(found) == len(times)
    assert np.abs(found - times).max() < 0.006


def test_a_missed_small_beat_is_searched_back():
    times = np.arange(0.5, 9.7, 0.8)
    ecg = bumps(times[np.arange(len(times)) != 5]) + bumps(times[5:6], height_mv=0.25)
    assert np.abs(find_r_peaks(ecg, FS_HZ) - times).max() < 0.01


def test_a_large_t_wave_is_no_beat():
    times = np.arange(0.5, 9.3, 0.9)
    t = np.arange(1000) / FS_HZ
    t_wave = sum(np.exp(-0.5 * ((t - at - 0.3) / 0.05) ** 2) for at in times)
    found = find_r_peaks(bumps(times) + t_wave.astype(np.float32), FS_HZ)
    assert len(found) == len(times)


def test_noise_in_one_lead_makes_no_beats():
    times = np.arange(0.5, 29.5, 0.8)
    ecg = bumps(times, duration_s=30.0)
    rng = np.random.default_rng(0)
    ecg[3, 1000:1400] += rng.normal(0, 0.6, 400).astype(np.float32)
    assert len(find_r_peaks(ecg, FS_HZ)) == len(times)


@pytest.mark.parametrize("leads", [(), (1,), (0, 6)])
def test_missing_leads_are_left_out(leads):
    times = np.arange(0.5, 9.7, 0.8)
    ecg = np.full((12, 1000), np.nan, np.float32)
    ecg[list(leads)] = bumps(times)[list(leads)]
    assert len(find_r_peaks(ecg, FS_HZ)) == (len(times) if leads else 0)


@pytest.mark.parametrize("noise_mv", [0.001, 0.005, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("leads", [1, 2, 12])
def test_noise_has_no_beats(leads, noise_mv):
    rng = np.random.default_rng(leads)
    ecg = bandpass((0.3 + rng.normal(0, noise_mv, (leads, 1000))).astype(np.float32), FS_HZ)
    assert len(find_r_peaks(ecg, FS_HZ)) == 0


def test_a_pause_holds_no_beats():
    times = np.array([0.5, 1.3, 2.1, 8.5, 9.3])
    noise = np.random.default_rng(0).normal(0, 0.005, (12, 1000)).astype(np.float32)
    assert np.abs(find_r_peaks(bumps(times) + noise, FS_HZ) - times).max() < 0.01


def test_gaps_cost_only_the_beats_inside_them():
    times = np.arange(0.5, 29.5, 0.8)
    ecg = bumps(times, duration_s=30.0)
    ecg[:, 500:503] = np.nan  # all leads, between beats
    for lead in range(12):
        ecg[lead, 100 + 7 * lead] = np.nan  # every lead somewhere
    ecg[:, 1600:1800] = np.nan  # two seconds of nothing
    inside = (times > 15.9) & (times < 18.1)
    found = find_r_peaks(ecg, FS_HZ)
    assert not ((found > 16.05) & (found < 17.95)).any()
    assert np.abs(found[:, None] - times[~inside]).min(axis=0).max() < 0.03


@pytest.mark.parametrize("ecg", [np.zeros((12, 1000), np.float32), np.zeros((2, 20), np.float32)])
def test_a_flat_line_has_no_beats(ecg):
    assert len(find_r_peaks(ecg, FS_HZ)) == 0


def test_the_synthetic_cohort_is_found():
    missed = false = beats = 0
    for index in range(60):
        record = synthetic_record(index, seed=3)
        truth = record.beats.time_s
        truth = truth[(truth > 0.15) & (truth < record.duration_s - 0.15)]
        found = find_r_peaks(filtered(record), FS_HZ)
        gap = np.abs(found[:, None] - truth[None])
        missed += int((gap.min(axis=0) > 0.075).sum())
        inside = (found > 0.15) & (found < record.duration_s - 0.15)
        false += int((gap.min(axis=1)[inside] > 0.075).sum())
        beats += len(truth)
    assert missed <= 0.01 * beats
    assert false <= 0.01 * beats


def test_a_real_record_that_other_detectors_fail_on(data_root):
    """LUDB 83: sleepecg on the multi-lead RMS misses six of its beats."""
    root = data_root / "ludb"
    source = next(s for s in LudbReader().sources(root) if s.id.lstrip("0").endswith("83"))
    record = LudbReader().read(root, source)
    found = find_r_peaks(filtered(record), FS_HZ)
    r = np.array([p for p, w, lead in zip(record.waves.peak_s, record.waves.wave, record.waves.lead, strict=True)
                  if w == "QRS" and lead == "II"])  # fmt: skip
    assert np.abs(found[:, None] - r).min(axis=0).max() < 0.075
