"""P wave of each lead, and what the atria do between the beats."""

import numpy as np
from jaxtyping import Float32, Int32

from beatssl.features.definition import Definition, columns, lead_columns, of_each_lead
from beatssl.features.ragged import row_mean, row_median
from beatssl.features.waves import Waves

_V1, _II = 6, 1
_F_BAND_HZ = (4.0, 9.0)
_ALL_BAND_HZ = (2.0, 20.0)

FAMILIES = {
    "p_amplitude_mv": Definition("mV", "Value of the P wave's largest deflection of either sign, above its onset."),
    "p_max_mv": Definition("mV", "Highest point of the P wave above its onset."),
    "p_min_mv": Definition("mV", "Lowest point of the P wave below its onset."),
    "p_area_mvms": Definition("mV·ms", "Integral of the P wave from its onset to its offset."),
}
_WHOLE = {
    "p_present_share": Definition(
        "1", "Share of the beats whose window reaches back 0.25 s in which a P wave was found."
    ),
    "p_constancy": Definition("1", "Median correlation of a beat's 180 ms before the QRS with the median beat's."),
    "p_terminal_force_v1_mvms": Definition("mV·ms", "Negative area of the P wave's second half in V1 (Morris)."),
    "f_wave_share_v1": Definition(
        "1", "Share of 4–9 Hz in the 2–20 Hz power of lead V1 once the median beat is subtracted at every R."
    ),
    "f_wave_share_ii": Definition("1", "The same share in lead II."),
    "f_wave_rms_v1_uv": Definition("µV", "RMS of V1 within 4–9 Hz once the median beat is subtracted."),
    "f_wave_rms_ii_uv": Definition("µV", "RMS of II within 4–9 Hz once the median beat is subtracted."),
    "f_wave_peak_v1_hz": Definition("Hz", "Frequency of the strongest line of that residual in V1 within 3–10 Hz."),
    "f_wave_peak_share_v1": Definition("1", "Share of that line (±0.5 Hz) in the residual's 2–20 Hz power in V1."),
}
DEFINITIONS = of_each_lead(FAMILIES) | _WHOLE


def measure_p(waves: Waves) -> dict[str, Float32[np.ndarray, " row"]]:
    """The P wave families and V1's terminal force, NaN where no P wave was found or the lead is missing."""
    start_s, end_s = waves.marks.p_onset_s, waves.marks.p_offset_s
    earlier = waves.at_s <= 0
    mv = waves.mv[:, :, earlier]
    mask = waves.between(start_s, end_s)[:, earlier]
    level = waves.value_at(np.fmax(start_s, waves.at_s[0]))
    inside = np.where(mask[:, None], mv - level[..., None], 0)
    high, low = inside.max(axis=2), inside.min(axis=2)
    step_ms = 1000 * (waves.at_s[1] - waves.at_s[0])
    second = mask & (waves.at_s[earlier] >= ((start_s + end_s) / 2)[:, None])
    terminal = (np.minimum(inside[:, _V1], 0) * second).sum(axis=1) * step_ms
    families = {
        "p_amplitude_mv": np.where(high >= -low, high, low),
        "p_max_mv": high,
        "p_min_mv": low,
        "p_area_mvms": inside.sum(axis=2) * step_ms,
    }
    has_p = np.asarray(mask.any(axis=1))
    return lead_columns(families, waves.present & has_p[:, None]) | columns(
        {"p_terminal_force_v1_mvms": terminal}, has_p & waves.present[:, _V1]
    )


def measure_activity(
    ecg_mv: Float32[np.ndarray, "row lead time"],
    fs_hz: float,
    beat_row: Int32[np.ndarray, " beat"],
    beat_index: np.ndarray,
    median_mv: Float32[np.ndarray, "row lead window"],
    r_index: int,
) -> dict[str, Float32[np.ndarray, " row"]]:
    """Spectrum of what is left of V1 and II when the row's median beat is taken away at every R peak.

    Sinus P waves are part of the median beat and go with it; fibrillation and flutter waves are not locked to the
    QRS, and stay.
    """
    leads = [_V1, _II]
    left = ecg_mv[:, leads] - _repeated(median_mv[:, leads], beat_row, beat_index, r_index, ecg_mv.shape[2])
    measured = np.isfinite(left)
    left = np.where(measured, left, 0)
    left -= left.sum(axis=2, keepdims=True) / np.maximum(measured.sum(axis=2, keepdims=True), 1)
    left *= measured * np.hanning(left.shape[2]).astype(np.float32)
    power = np.abs(np.fft.rfft(left, axis=2)) ** 2
    hz = np.fft.rfftfreq(left.shape[2], 1 / fs_hz)
    band = power[..., (hz >= _F_BAND_HZ[0]) & (hz <= _F_BAND_HZ[1])].sum(axis=2)
    whole = power[..., (hz >= _ALL_BAND_HZ[0]) & (hz <= _ALL_BAND_HZ[1])].sum(axis=2)
    # Parseval for a one-sided spectrum under a Hann window (mean square 3/8).
    rms = np.sqrt(2 * band / (3 / 8 * np.maximum(measured.sum(axis=2), 1) * left.shape[2])) * 1000
    line_hz, line = _strongest_line(power[:, 0], hz)
    whole = np.where(whole > 0, whole, np.nan)
    out = {"f_wave_peak_v1_hz": line_hz, "f_wave_peak_share_v1": line / whole[:, 0]}
    for at, name in enumerate(("v1", "ii")):
        out |= {f"f_wave_share_{name}": band[:, at] / whole[:, at], f"f_wave_rms_{name}_uv": rms[:, at]}
    return columns(out, np.asarray(measured[:, 0].any(axis=1)))


def measure_constancy(
    window_mv: Float32[np.ndarray, "beat lead time"],
    at_s: Float32[np.ndarray, " time"],
    has_p: Float32[np.ndarray, " beat"],
    median: Waves,
    beat_row: Int32[np.ndarray, " beat"],
    rows: int,
) -> dict[str, Float32[np.ndarray, " row"]]:
    """How alike the stretch before the QRS is from beat to beat, and in how many beats a P wave was found."""
    end = median.marks.qrs_onset_s[beat_row, None] - np.float32(0.02)
    mask = ((at_s >= end - np.float32(0.18)) & (at_s <= end))[:, None]
    earlier = at_s <= 0
    leads = [_II, _V1]
    beat = np.nan_to_num(window_mv[:, leads][:, :, earlier])
    own = _centred(beat, mask[:, :, earlier])
    usual = _centred(median.mv[:, leads][:, :, earlier][beat_row], mask[:, :, earlier])
    size = np.sqrt((own**2).sum(axis=(1, 2)) * (usual**2).sum(axis=(1, 2)))
    alike = (own * usual).sum(axis=(1, 2)) / np.where(size > 0, size, np.nan)
    return columns(
        {
            "p_constancy": row_median(alike.astype(np.float32), beat_row, rows),
            "p_present_share": row_mean(has_p, beat_row, rows),
        }
    )


def _centred(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    inside = values * mask
    mean = inside.sum(axis=2, keepdims=True) / np.maximum(mask.sum(axis=2, keepdims=True), 1)
    return (inside - mean * mask).astype(np.float32)


def _repeated(
    median_mv: Float32[np.ndarray, "row lead window"],
    beat_row: Int32[np.ndarray, " beat"],
    beat_index: np.ndarray,
    r_index: int,
    samples: int,
) -> Float32[np.ndarray, "row lead time"]:
    """Each row's median beat put at its beats, each sample taken from the nearest beat's copy (0 beyond a window)."""
    rows, leads, window = median_mv.shape
    nearest = np.full((rows, samples), -window, np.int64)  # sample of the R peak nearest to each sample
    padded = np.zeros((rows, leads, window + 1), np.float32)
    padded[..., :window] = np.nan_to_num(median_mv)
    same = np.flatnonzero(np.diff(beat_row) == 0)
    start = beat_index - r_index
    stop = start + window
    # The border lies where two thirds of the interval have gone: a T wave belongs to the beat before.
    border = beat_index[same] + np.round((beat_index[same + 1] - beat_index[same]) * 2 / 3).astype(np.int64)
    stop[same] = np.minimum(stop[same], border)
    start[same + 1] = np.maximum(start[same + 1], border)
    at = np.arange(samples)
    _fill(nearest, beat_row, beat_index, np.clip(start, 0, samples), np.clip(stop, 0, samples))
    offset = at - nearest + r_index
    offset = np.where((offset >= 0) & (offset < window), offset, window)
    return np.take_along_axis(padded, np.broadcast_to(offset[:, None], (rows, leads, samples)), axis=2)


def _fill(
    nearest: np.ndarray, beat_row: np.ndarray, beat_index: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> None:
    """Write each beat's R sample over its own stretch, without a loop over beats."""
    length = np.maximum(stop - start, 0)
    first = np.repeat(start - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    nearest[np.repeat(beat_row, length), np.arange(length.sum()) + first] = np.repeat(beat_index, length)


def _strongest_line(power: np.ndarray, hz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    searched = np.where((hz >= 3) & (hz <= 10), power, 0)
    peak_hz = hz[searched.argmax(axis=1)]
    near = np.abs(hz - peak_hz[:, None]) <= 0.5
    return peak_hz, (power * near).sum(axis=1)
