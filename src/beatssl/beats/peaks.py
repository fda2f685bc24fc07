"""R peaks from all leads (first version: sleepecg on the multi-lead RMS)."""

import numpy as np
from jaxtyping import Float32, Float64


def find_r_peaks(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Float64[np.ndarray, " beat"]:
    """R times in seconds."""
    import sleepecg
    rms = np.sqrt(np.nanmean(np.nan_to_num(ecg_mv.astype(np.float64)) ** 2, axis=0))
    return np.asarray(sleepecg.detect_heartbeats(rms, fs_hz), np.float64) / fs_hz
