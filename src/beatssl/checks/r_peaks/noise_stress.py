"""The noise stress test of Moody, Muldrow and Mark (1984): a clean record with noise of a stated strength added."""

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.records.synthetic.noise import electrode_motion

SNRS_DB = (24.0, 18.0, 12.0, 6.0, 0.0, -6.0)
START_S = 300.0
"""Five minutes stay clean; then two with noise and two without take turns. Beats count from here on."""

_TURN_S = 120.0
_BEFORE_R_S, _AFTER_R_S = 0.05, 0.10
_CUT_SHARE = 0.05  # of the largest and of the smallest values, left out of a mean


def with_electrode_motion(
    ecg_mv: Float32[np.ndarray, "lead time"],
    fs_hz: float,
    beat_s: Float64[np.ndarray, " beat"],
    snr_db: float,
    seed: int,
) -> Float32[np.ndarray, "lead time"]:
    """The record with made-up electrode motion at a signal-to-noise ratio, other noise in every lead.

    Both powers are those of WFDB's `nst`: of the signal, an eighth of the squared peak-to-peak amplitude of the QRS
    complex (50 ms before to 100 ms after the R of the first 300 beats); of the noise, the squared RMS amplitude of
    seconds; both amplitudes are means without the largest and the smallest twentieth. SNR = 10 log10(S/N) in each lead.
    """
    rng = np.random.default_rng(seed)
    noisy_mv = ecg_mv.copy()
    time_s = np.arange(ecg_mv.shape[1]) / fs_hz
    on = (time_s >= START_S) & ((time_s - START_S) // _TURN_S % 2 == 0)
    for lead_mv in noisy_mv:
        noise = electrode_motion(fs_hz, len(lead_mv), rng)
        power = _qrs_amplitude_mv(lead_mv, fs_hz, beat_s) ** 2 / 8 / 10 ** (snr_db / 10)
        lead_mv += np.where(on, noise * np.sqrt(power) / _amplitude(noise, fs_hz), 0.0).astype(np.float32)
    return noisy_mv


def _qrs_amplitude_mv(
    lead_mv: Float32[np.ndarray, " time"], fs_hz: float, beat_s: Float64[np.ndarray, " beat"]
) -> float:
    spans = [
        np.ptp(lead_mv[max(0, round((at - _BEFORE_R_S) * fs_hz)) : round((at + _AFTER_R_S) * fs_hz) + 1])
        for at in beat_s[:300]
    ]
    return _trimmed_mean(np.array(spans, np.float64))


def _amplitude(noise: Float64[np.ndarray, " time"], fs_hz: float) -> float:
    second = round(fs_hz)
    seconds = noise[: len(noise) // second * second].reshape(-1, second)[:300]
    return _trimmed_mean(seconds.std(axis=1))


def _trimmed_mean(values: Float64[np.ndarray, " value"]) -> float:
    cut = int(_CUT_SHARE * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())
