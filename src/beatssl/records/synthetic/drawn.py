"""ECGs drawn wave by wave, where the cohort's hearts end: any rate, any T wave, pacing spikes, pauses."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.signals.filters import bandpass, resample

TWELVE = (0.5, 0.9, 0.4, -0.7, 0.2, 0.6, -0.5, 0.4, 0.7, 1.1, 1.0, 0.8)
"""R amplitude of each lead, mV."""

_SPIKE_MV, _SPIKE_S = 3.0, 0.002


def regular(rate: float, duration_s: float = 30.0, start_s: float = 0.6) -> Float64[np.ndarray, " beat"]:
    """R times at a rate per minute; none within 0.3 s of the record's end."""
    return np.arange(start_s, duration_s - 0.3, 60 / rate)


def conducted_p_s(r_s: Float64[np.ndarray, " beat"]) -> Float64[np.ndarray, " beat"]:
    """The peak of a P before every R: 160 ms, less where beats follow one another faster than 100 a minute."""
    return r_s - 0.16 * _squeeze(r_s)


def drawn_ecg(
    r_s: Float64[np.ndarray, " beat"],
    duration_s: float = 30.0,
    leads: Sequence[float] = TWELVE,
    qrs_s: float = 0.09,
    p_ratio: float = 0.12,
    t_ratio: float = 0.3,
    spikes_before_s: Sequence[float] = (),
    p_s: Float64[np.ndarray, " p"] | None = None,
    atrial_mv: Float64[np.ndarray, "lead time"] | float = 0.0,
    noise_mv: float = 0.01,
    fs_hz: float = 500.0,
    to_hz: float = 100.0,
    seed: int = 0,
) -> Float32[np.ndarray, "lead time"]:
    """Leads of the R amplitudes given, band-passed (0.5-40 Hz) at `fs_hz` and resampled to `to_hz`, mV.

    QRS of a duration, P and T of a share of R (T's varies between leads), all drawn together where beats follow one
    another faster than 100 a minute; spikes of a pacemaker (2 ms, 3 mV in every lead) before R; white noise. `p_s`: the
    peaks of P where atria beat on their own, None: one before every R. `atrial_mv` is added at `fs_hz`. Two beats at
    least.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * fs_hz)) / fs_hz
    heart, t_wave, spikes = np.zeros((3, len(time_s)))
    sd_s = qrs_s / 6
    for at_s, squeeze in zip(r_s.tolist(), _squeeze(r_s).tolist(), strict=True):
        for offset_s, size in ((-1.6 * sd_s, -0.15), (0.0, 1.0), (1.8 * sd_s, -0.3)):
            heart += size * np.exp(-0.5 * ((time_s - at_s - offset_s) / sd_s) ** 2)
        t_at_s = at_s + 0.5 * qrs_s + 0.25 * squeeze
        t_wave += t_ratio * np.exp(-0.5 * ((time_s - t_at_s) / (0.05 * squeeze)) ** 2)
        for before_s in spikes_before_s:
            spikes[np.abs(time_s - at_s + before_s) <= _SPIKE_S / 2] = _SPIKE_MV
    p_squeeze = _squeeze(r_s if p_s is None else p_s)
    for at_s, squeeze in zip((conducted_p_s(r_s) if p_s is None else p_s).tolist(), p_squeeze.tolist(), strict=True):
        heart += p_ratio * squeeze * np.exp(-0.5 * ((time_s - at_s) / (0.022 * squeeze)) ** 2)
    t_share = 1 + 0.2 * rng.normal(size=(len(leads), 1))
    ecg_mv = np.asarray(leads)[:, None] * (heart + t_share * t_wave) + spikes + atrial_mv
    ecg_mv += noise_mv * rng.normal(size=ecg_mv.shape)
    return resample(bandpass(ecg_mv.astype(np.float32), fs_hz), fs_hz, to_hz)


def _squeeze(times_s: Float64[np.ndarray, " beat"]) -> Float64[np.ndarray, " beat"]:
    """How much closer together than at 100 a minute waves lie, at most 1."""
    if len(times_s) < 2:
        return np.ones(len(times_s))
    return np.minimum(1.0, np.diff(times_s, append=2 * times_s[-1] - times_s[-2]) / 0.6)
