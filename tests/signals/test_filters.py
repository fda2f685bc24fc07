import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from beatssl.signals.filters import Filter, bandpass, resample, zero_phase


def sine(frequency_hz, fs_hz, duration_s=10.0):
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * fs_hz)) / fs_hz)[None].astype(np.float32)


def amplitude(x):
    middle = x[:, x.shape[1] // 4 : -x.shape[1] // 4]
    return float(np.sqrt(2 * np.mean(middle**2)))


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 500.0, 1000.0])
@pytest.mark.parametrize(("frequency_hz", "low", "high"), [(0.05, 0.0, 0.02), (2.0, 0.95, 1.01), (10.0, 0.97, 1.01)])
def test_the_band_passes_and_the_rest_does_not(fs_hz, frequency_hz, low, high):
    assert low <= amplitude(bandpass(sine(frequency_hz, fs_hz, 60.0), fs_hz)) <= high


def test_mains_is_stopped_where_the_rate_can_hold_it():
    assert amplitude(bandpass(sine(60.0, 500.0), 500.0)) < 0.2


def test_no_wave_is_shifted():
    t = np.arange(1000) / 100
    bump = np.exp(-0.5 * ((t - 5.0) / 0.03) ** 2)[None].astype(np.float32)
    assert np.argmax(bandpass(bump, 100.0)) == np.argmax(bump)


@pytest.mark.parametrize("pad", [0, 15, 200])
def test_zero_phase_is_scipys(pad):
    x = np.random.default_rng(0).normal(size=(3, 1000)).cumsum(axis=1)
    design = Filter.butterworth(2, (0.5, 40.0), "bandpass", 100.0)
    assert np.array_equal(zero_phase(x, design, pad), signal.sosfiltfilt(design.sos, x, axis=1, padlen=pad))


def test_an_empty_band_is_refused():
    with pytest.raises(ValueError, match="band 40"):
        bandpass(sine(5.0, 100.0), 100.0, low_hz=40.0, high_hz=0.5)


@settings(max_examples=40, deadline=None)
@given(
    fs_hz=st.sampled_from([100.0, 128.0, 250.0, 257.0, 360.0, 500.0, 1000.0]),
    to_hz=st.sampled_from([100.0, 250.0, 500.0]),
    frequency_hz=st.floats(1.0, 20.0),
)
def test_resampling_keeps_time_and_amplitude(fs_hz, to_hz, frequency_hz):
    out = resample(sine(frequency_hz, fs_hz), fs_hz, to_hz)
    assert abs(out.shape[1] - 10 * to_hz) <= 1
    n = min(out.shape[1], round(10 * to_hz))
    error = out[:, :n] - sine(frequency_hz, to_hz)[:, :n]
    assert np.abs(error[:, n // 10 : -n // 10]).max() < 0.02


def test_missing_stays_missing():
    ecg = np.repeat(sine(5.0, 500.0), 3, axis=0)
    ecg[1] = np.nan
    ecg[2, 1000:1500] = np.nan
    out = resample(bandpass(ecg, 500.0), 500.0, 100.0)
    assert np.isfinite(out[0]).all()
    assert np.isnan(out[1]).all()
    assert np.isnan(out[2, 201:299]).all()
    assert np.isfinite(np.delete(out[2], np.arange(199, 301))).all()
