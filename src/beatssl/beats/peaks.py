"""R peaks from all leads at once.

1. Each lead's QRS band (8–25 Hz, zero phase), rectified. A stretch in which a lead's background stands above its own
   usual background counts for less, so that a burst of noise in one lead does not make beats.
2. The root mean square over leads, smoothed to about the width of a QRS complex: the envelope.
3. Candidates are its maxima above a small share of the local QRS level.
4. Each gets the probability of being a QRS complex (`peak_evidence`); those above a threshold are beats, of two that no
   heart makes so fast the likelier one.
5. Each R peak is the largest multi-lead amplitude near its candidate, interpolated between samples. Amplitudes count
   less the further they lie from where R peaks usually stand (20 ms before the envelope's maximum), so that a deep S
   of a wide complex is not taken for R.

All is done at 100 Hz, whatever the record's rate. Levels look both ways in time, since the whole record is at hand.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import uniform_filter1d

from beatssl.beats.peak_evidence import EVIDENCE, Candidates, Evidence, evidence, following, largest_before, probability
from beatssl.signals.filters import Filter, resample, without_gaps, zero_phase
from beatssl.signals.median import row_medians

_FS_HZ = 100.0
_LEAST_MEASURED = 0.5
_QRS_BAND_HZ = (8.0, 25.0)
_PAD_S = 0.15  # one period of the band's lower edge
_SMOOTH_S = (0.06, 0.05)
_BLOCK_S = 1.0  # stretch over which a background is measured
_BACKGROUND_RISE = 1.5  # a background this many times the usual one begins to cost weight
_QUIET_MV = 0.005  # a background this small is no noise, however much it varies
_BACKGROUND_SHARE = 0.4  # of a second's samples lie below its background
_LEVEL_BLOCK_S = 1.5  # long enough to hold a beat at 40 a minute
_LEVEL_BLOCKS_EACH_SIDE = 3
_LEVEL_SHARE = 0.35
_CANDIDATE_SHARE = 0.12
_LEAST_QRS_MV = 0.015  # of the envelope; of 1,748 records of PTB-XL, LUDB and MIT-BIH the smallest local level is 0.038
_LEAST_CANDIDATE_MV = 0.004
_CANDIDATES_APART_S = 0.16
_REFRACTORY_S = 0.19
_T_WAVE_S, _P_WAVE_S, _T_WAVE_SHARE = 0.36, 0.25, 0.55
_PEAK_SEARCH_S, _PEAK_EARLIER_S, _PEAK_SPREAD_S = 0.10, 0.02, 0.05

BEAT_CONFIDENCE = 0.36
"""A candidate of at least this probability is a beat: fewest errors on the records of the fit (`fit_r_peaks`)."""

# All is noise unless the likeliest quarter of peaks has this confidence (white noise has 0.8 in one lead, 0.6 in two),
# or half of them, ten at least, this correlation with the median QRS: a fast heart without a level line.
_NOISE_CONFIDENCE, _NOISE_LIKENESS, _FAST_BEATS = 0.83, 0.95, 10


class RPeaks(NamedTuple):
    """R peaks with the probability that each is one."""

    time_s: Float64[np.ndarray, " beat"]
    """From the first sample, ascending."""
    confidence: Float64[np.ndarray, " beat"]
    """Probability that it is a QRS complex; how reliable it is stands in docs/evaluation.md."""


def find_r_peaks(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Float64[np.ndarray, " beat"]:
    """Times of the R peaks in seconds from the first sample, ascending; empty where there are none.

    `ecg_mv` is band-passed (0.5–40 Hz), any set of leads, NaN where unmeasured; any length, `fs_hz` ≥ 50. Gaps are
    bridged, and hold no beats where all leads have them; a lead that is mostly gap is left out. Noise without complexes
    has no beats.
    """
    return rate_r_peaks(ecg_mv, fs_hz).time_s


def rate_r_peaks(
    ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float, least_confidence: float = BEAT_CONFIDENCE
) -> RPeaks:
    """The R peaks of `find_r_peaks`, each with its confidence; with `least_confidence` 0, all candidates."""
    usable = np.isfinite(ecg_mv).mean(axis=1) > _LEAST_MEASURED
    if not usable.any() or ecg_mv.shape[1] < fs_hz:
        return RPeaks(np.zeros(0), np.zeros(0))
    ecg, measured = without_gaps(resample(ecg_mv[usable], fs_hz, _FS_HZ))
    found = candidates_of(ecg)
    if found is None:
        return RPeaks(np.zeros(0), np.zeros(0))
    at, confidence = found[0], probability(found[1])
    if _is_noise(confidence, found[1]):
        return RPeaks(np.zeros(0), np.zeros(0))
    kept = _apart(at, confidence, (confidence >= least_confidence) & np.asarray(measured.any(axis=0))[at])
    return _at_largest_amplitude(ecg, at[kept], confidence[kept])


def candidates_of(ecg_mv: Float64[np.ndarray, "lead time"]) -> tuple[Int64[np.ndarray, " peak"], Evidence] | None:
    """What may be a QRS complex in a signal of 100 Hz without gaps: samples and evidence; None: nothing."""
    from scipy.signal import find_peaks  # a second to import, see `signals.filters`

    band, envelope = _qrs_envelope(ecg_mv)
    at, _ = find_peaks(envelope, distance=round(_CANDIDATES_APART_S * _FS_HZ))
    level = _local_level(envelope, at)
    high = envelope[at] > np.maximum(_CANDIDATE_SHARE * level, _LEAST_CANDIDATE_MV)
    if not high.any():
        return None
    at, level = at[high], np.maximum(level[high], _LEAST_QRS_MV / _LEVEL_SHARE)
    height = envelope[at]
    beat = (height > _LEVEL_SHARE * level) & ~_beside_larger(at / _FS_HZ, height)
    if not beat.any():
        return None
    return at, evidence(Candidates(at, height, level, beat), ecg_mv, band, _background(envelope), _FS_HZ)


def _beside_larger(
    times_s: Float64[np.ndarray, " peak"], height: Float64[np.ndarray, " peak"]
) -> Bool[np.ndarray, " peak"]:
    """Which candidates a clearly larger one precedes or follows so closely that they may be its T or P wave."""
    larger = np.maximum(largest_before(times_s, height, _T_WAVE_S), following(times_s, height, _P_WAVE_S))
    return height < _T_WAVE_SHARE * larger


def _is_noise(confidence: Float64[np.ndarray, " peak"], of: Evidence) -> bool:
    beat = confidence >= BEAT_CONFIDENCE
    if not beat.any():
        return True
    likeness = of.quantities[beat, list(EVIDENCE).index("like_median")]
    alike = len(likeness) >= _FAST_BEATS and row_medians(likeness) >= _NOISE_LIKENESS
    rank = (3 * len(likeness)) // 4
    return not alike and bool(np.partition(confidence[beat], rank)[rank] < _NOISE_CONFIDENCE)


def _apart(
    at: Int64[np.ndarray, " peak"], confidence: Float64[np.ndarray, " peak"], beat: Bool[np.ndarray, " peak"]
) -> Int64[np.ndarray, " beat"]:
    """Of beats nearer to each other than the heart can beat, the likelier ones; of a chain of them the least likely
    goes first."""
    kept = np.flatnonzero(beat)
    while True:
        close = np.diff(at[kept]) < _REFRACTORY_S * _FS_HZ
        if not close.any():
            return kept
        rises = np.diff(confidence[kept]) > 0
        of_likelier = np.append(close & rises, False) | np.append(False, close & ~rises)
        of_lesser = np.append(close & ~rises, False) | np.append(False, close & rises)
        kept = kept[~(of_likelier & ~of_lesser)]


def _background(envelope: Float64[np.ndarray, " time"]) -> Float64[np.ndarray, " second"]:
    """A low quantile of the envelope in every second: what lies between the beats, whatever the rate."""
    block = round(_BLOCK_S * _FS_HZ)
    seconds = envelope[: len(envelope) // block * block].reshape(-1, block)
    rank = round(_BACKGROUND_SHARE * block)
    return np.partition(seconds, rank, axis=1)[:, rank]


def _qrs_envelope(
    ecg: Float64[np.ndarray, "lead time"],
) -> tuple[Float64[np.ndarray, "lead time"], Float64[np.ndarray, " time"]]:
    """The QRS band of each lead, weighted by how quiet the lead is, and the envelope over the leads."""
    band = zero_phase(ecg, _qrs_filter(), min(round(_PAD_S * _FS_HZ), ecg.shape[1] - 1))
    block = round(_BLOCK_S * _FS_HZ)
    count = ecg.shape[1] // block
    if count >= 3:
        every_other = np.abs(band[:, : count * block : 2])
        background = row_medians(every_other.reshape(len(band), count, block // 2))
        usual = row_medians(background)[:, None] + _QUIET_MV
        weight = np.minimum(1.0, _BACKGROUND_RISE * usual / (background + _QUIET_MV))
        if weight.min() < 1:
            at = np.minimum(np.arange(ecg.shape[1]) // block, count - 1)
            band *= uniform_filter1d(weight[:, at], block, axis=1)
    envelope = np.sqrt(np.einsum("lt,lt->t", band, band) / len(band))
    for width_s in _SMOOTH_S:
        envelope = uniform_filter1d(envelope, round(width_s * _FS_HZ))
    return band, envelope


@lru_cache(maxsize=1)
def _qrs_filter() -> Filter:
    return Filter.butterworth(2, _QRS_BAND_HZ, "bandpass", _FS_HZ)


def _local_level(
    envelope: Float64[np.ndarray, " time"], at: Int64[np.ndarray, " peak"]
) -> Float64[np.ndarray, " peak"]:
    """The usual QRS height around each sample given: the median of the maxima of the blocks about it."""
    block, side = round(_LEVEL_BLOCK_S * _FS_HZ), _LEVEL_BLOCKS_EACH_SIDE
    top = np.maximum.reduceat(envelope, np.arange(0, max(1, len(envelope) - block // 3), block))
    if len(top) >= side:
        mirrored = np.concatenate([top[:side][::-1], top, top[-side:][::-1]])
    else:
        mirrored = np.pad(top, side, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(mirrored, 2 * side + 1)
    return row_medians(around)[np.minimum(at // block, len(top) - 1)]


def _at_largest_amplitude(
    ecg: Float64[np.ndarray, "lead time"], near: Int64[np.ndarray, " beat"], confidence: Float64[np.ndarray, " beat"]
) -> RPeaks:
    """The time of the largest multi-lead amplitude about each sample, by a parabola through three samples."""
    amplitude = np.sqrt(np.einsum("lt,lt->t", ecg, ecg) / len(ecg))
    reach = round(_PEAK_SEARCH_S * _FS_HZ)
    offset = np.arange(-reach, reach + 1)
    around = np.clip(near[:, None] + offset, 1, ecg.shape[1] - 2)
    nearness = np.exp(-0.5 * ((offset / _FS_HZ + _PEAK_EARLIER_S) / _PEAK_SPREAD_S) ** 2)
    top = near + offset[np.argmax(amplitude[around] * nearness, axis=1)]
    top = np.clip(top, 1, ecg.shape[1] - 2)
    before, here, after = amplitude[top - 1], amplitude[top], amplitude[top + 1]
    bend = before - 2 * here + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    times, first = np.unique(top + np.clip(shift, -0.5, 0.5), return_index=True)
    return RPeaks(times / _FS_HZ, confidence[first])
