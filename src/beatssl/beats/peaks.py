"""R peaks from all leads at once.

1. Each lead's QRS band (7–22 Hz, zero phase), rectified. A stretch in which a lead's background stands above its own
   usual background counts for less, so that a burst of noise in one lead does not make beats.
2. The root mean square over leads, smoothed to about the width of a QRS complex: the envelope.
3. Candidates are its maxima. Those above a share of the local QRS level are beats, except those soon after (or just
   before) a clearly larger one, which are T (or P) waves.
4. Where a beat seems to be missing, the largest smaller candidate in the gap is taken too (search-back).
5. Each R peak is the largest multi-lead amplitude near its candidate, interpolated between samples. Amplitudes count
   less the further they lie from where R peaks usually stand (20 ms before the envelope's maximum), so that a deep S
   of a wide complex is not taken for R.

The pattern of steps 3 and 4 is that of Pan and Tompkins (1985), on an envelope of all leads and with levels that look
both ways in time, since the whole record is at hand.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import uniform_filter1d

from beatssl.signals.filters import Filter, without_gaps, zero_phase
from beatssl.signals.median import row_medians

_LEAST_MEASURED = 0.5
_QRS_BAND_HZ = (7.0, 22.0)
_PAD_S = 0.15  # one period of the band's lower edge
_SMOOTH_S = (0.06, 0.05)
_BLOCK_S = 1.0  # stretch over which a lead's background is measured
_BACKGROUND_RISE = 1.5  # a background this many times the usual one begins to cost weight
_QUIET_MV = 0.005  # a background this small is no noise, however much it varies
_LEVEL_BLOCK_S = 1.5  # long enough to hold a beat at 40 a minute
_LEVEL_BLOCKS_EACH_SIDE = 3
_LEVEL_SHARE = 0.35
_SEARCH_BACK_SHARE = 0.2
# QRS complexes stand this far above the envelope's median, noise does not: white noise reaches 1.3 on twelve leads and
# 2.8 on one; of 1,748 records of PTB-XL, LUDB and MIT-BIH the lowest has 3.3.
_NOISE_RATIO, _NOISE_RATIO_ONE_LEAD = 1.2, 1.6
_LEAST_QRS_MV = 0.015  # of the envelope; the smallest local level in those records is 0.038
_SEARCH_BACK_GAP = 1.5  # in median RR intervals
_REFRACTORY_S = 0.2
_T_WAVE_S, _P_WAVE_S, _T_WAVE_SHARE = 0.36, 0.25, 0.55
_PEAK_SEARCH_S, _PEAK_EARLIER_S, _PEAK_SPREAD_S = 0.10, 0.02, 0.05


def find_r_peaks(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Float64[np.ndarray, " beat"]:
    """Times of the R peaks in seconds from the first sample, ascending; empty where there are none.

    `ecg_mv` is band-passed (0.5–40 Hz), any set of leads, NaN where unmeasured; any length, `fs_hz` ≥ 50. Gaps are
    bridged, and hold no beats where all leads have them; a lead that is mostly gap is left out. Noise without complexes
    has no beats.
    """
    from scipy.signal import find_peaks  # a second to import, see `signals.filters`

    usable = np.isfinite(ecg_mv).mean(axis=1) > _LEAST_MEASURED
    if not usable.any() or ecg_mv.shape[1] < fs_hz:
        return np.zeros(0)
    ecg, measured = without_gaps(ecg_mv[usable])
    envelope = _qrs_envelope(ecg, fs_hz)
    candidate, _ = find_peaks(envelope, distance=max(1, round(_REFRACTORY_S * fs_hz)))
    height = envelope[candidate]
    level = _local_level(envelope, fs_hz)
    if row_medians(level) < (_NOISE_RATIO + _NOISE_RATIO_ONE_LEAD / np.sqrt(len(ecg))) * row_medians(envelope):
        return np.zeros(0)
    level = np.maximum(level[candidate], _LEAST_QRS_MV / _LEVEL_SHARE)
    times = candidate / fs_hz
    beat = _without_t_waves(times, height, height > _LEVEL_SHARE * level)
    beat = _search_back(times, height, beat, height > np.maximum(_SEARCH_BACK_SHARE * level, _LEAST_QRS_MV))
    return _at_largest_amplitude(ecg, candidate[beat & np.asarray(measured.any(axis=0))[candidate]], fs_hz)


def _qrs_envelope(ecg: Float64[np.ndarray, "lead time"], fs_hz: float) -> Float64[np.ndarray, " time"]:
    band = np.abs(zero_phase(ecg, _qrs_filter(fs_hz), min(round(_PAD_S * fs_hz), ecg.shape[1] - 1)))
    block = round(_BLOCK_S * fs_hz)
    count = ecg.shape[1] // block
    if count >= 3:
        background = row_medians(band[:, : count * block].reshape(len(band), count, block))
        usual = row_medians(background)[:, None] + _QUIET_MV
        weight = np.minimum(1.0, _BACKGROUND_RISE * usual / (background + _QUIET_MV))
        at = np.minimum(np.arange(ecg.shape[1]) // block, count - 1)
        band *= uniform_filter1d(weight[:, at], block, axis=1)
    envelope = np.sqrt(np.einsum("lt,lt->t", band, band) / len(band))
    for width_s in _SMOOTH_S:
        envelope = uniform_filter1d(envelope, max(1, round(width_s * fs_hz)))
    return envelope


@lru_cache(maxsize=32)
def _qrs_filter(fs_hz: float) -> Filter:
    return Filter.butterworth(2, _QRS_BAND_HZ, "bandpass", fs_hz)


def _local_level(envelope: Float64[np.ndarray, " time"], fs_hz: float) -> Float64[np.ndarray, " time"]:
    """The usual QRS height around each sample: the median of the maxima of the blocks about it."""
    block = round(_LEVEL_BLOCK_S * fs_hz)
    starts = np.arange(0, max(1, len(envelope) - block // 3), block)
    top = np.maximum.reduceat(envelope, starts)
    side = _LEVEL_BLOCKS_EACH_SIDE
    around = np.lib.stride_tricks.sliding_window_view(np.pad(top, side, mode="symmetric"), 2 * side + 1)
    return row_medians(around)[np.minimum(np.arange(len(envelope)) // block, len(top) - 1)]


def _without_t_waves(
    times: Float64[np.ndarray, " peak"], height: Float64[np.ndarray, " peak"], beat: Bool[np.ndarray, " peak"]
) -> Bool[np.ndarray, " peak"]:
    """`beat` less those that a clearly larger one, itself kept, precedes or follows too closely; largest first."""
    keep = beat.copy()
    for big in np.flatnonzero(beat)[np.argsort(-height[beat], kind="stable")]:
        if not keep[big]:
            continue
        first, last = np.searchsorted(times, (times[big] - _P_WAVE_S, times[big] + _T_WAVE_S))
        near = slice(first, last)
        keep[near] &= height[near] >= _T_WAVE_SHARE * height[big]
    return keep


def _search_back(
    times: Float64[np.ndarray, " peak"],
    height: Float64[np.ndarray, " peak"],
    beat: Bool[np.ndarray, " peak"],
    eligible: Bool[np.ndarray, " peak"],
) -> Bool[np.ndarray, " peak"]:
    """`beat` with the largest eligible candidate added in every gap far longer than the usual interval."""
    found = beat.copy()
    for _ in range(3):  # a gap may hold several beats
        at = np.flatnonzero(found)
        if len(at) < 3:
            break
        gaps = np.diff(times[at])
        usual = float(row_medians(gaps))
        margin = max(0.3, 0.4 * usual)
        added = False
        for k in np.flatnonzero(gaps > _SEARCH_BACK_GAP * usual):
            inside = np.arange(at[k] + 1, at[k + 1])
            clear = (times[inside] - times[at[k]] > margin) & (times[at[k + 1]] - times[inside] > margin)
            inside = inside[clear & eligible[inside]]
            if inside.size:
                found[inside[np.argmax(height[inside])]] = added = True
        if not added:
            break
    return found


def _at_largest_amplitude(
    ecg: Float64[np.ndarray, "lead time"], near: Int64[np.ndarray, " beat"], fs_hz: float
) -> Float64[np.ndarray, " beat"]:
    """The time of the largest multi-lead amplitude about each sample, by a parabola through three samples."""
    amplitude = np.sqrt(np.einsum("lt,lt->t", ecg, ecg) / len(ecg))
    reach = round(_PEAK_SEARCH_S * fs_hz)
    offset = np.arange(-reach, reach + 1)
    around = np.clip(near[:, None] + offset, 1, ecg.shape[1] - 2)
    nearness = np.exp(-0.5 * ((offset / fs_hz + _PEAK_EARLIER_S) / _PEAK_SPREAD_S) ** 2)
    top = near + offset[np.argmax(amplitude[around] * nearness, axis=1)]
    top = np.clip(top, 1, ecg.shape[1] - 2)
    before, here, after = amplitude[top - 1], amplitude[top], amplitude[top + 1]
    bend = before - 2 * here + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    return np.unique(top + np.clip(shift, -0.5, 0.5)) / fs_hz
