"""Signal quality of every lead and second, from what is known of an ECG; nothing is trained.

A second of a lead scores the product of five factors, each from 0 to 1:

- measured: share of samples that are there, and the lead is not flat (0.015 mV) over the three seconds about it;
- level: 1 / (1 + (x / 2 mV)²), x the lead's mean away from zero and from the second before: an electrode that is off;
- drift: 1 / (1 + (x / 0.5 mV)²), x the span within the second of what the 0.5 Hz high-pass takes away;
- noise: 1 / (1 + (x / 0.03 mV)²), x the SD of the noise between QRS complexes as `signals.quality` measures it, above
  5 % of the height of the QRS;
- agreement: the mean correlation of the beats about it with the lead's own median beat, the best of some shifts, 0.3
  and less counting as 0, 0.9 and more as 1; without beats 0.2.

The record scores the mean of its leads' mean score and of that of its three worst leads.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.windows import Beats, median_beats

_FLAT_MV, _LEVEL_MV, _DRIFT_MV, _NOISE_MV = 0.015, 2.0, 0.5, 0.03
_NOISE_SHARE = 0.05
_ALIKE = (0.3, 0.9)
_WITHOUT_BEATS = 0.2
_WORST = 3
_ROW_S = 300.0  # whose beats one median beat is made of
_SPAN_S = (-0.10, 0.40)  # of a beat, from R
_SHIFTS = (-6, -4, -2, 0, 2, 4, 6)  # samples that R may jump by between the waves of a QRS

Seconds = Float32[np.ndarray, "lead second"]


def lead_seconds(
    raw_mv: Float32[np.ndarray, "lead time"],
    fs_hz: float,
    filtered_mv: Float32[np.ndarray, "lead filtered_time"],
    beats: Beats,
) -> Seconds:
    """The score of every lead and second.

    Args:
        raw_mv: as recorded, NaN where not measured.
        fs_hz: its sampling rate.
        filtered_mv: the same leads band-passed (0.5–40 Hz), at the beats' rate.
        beats: of the same stretch, times from its start.
    """
    seconds = max(1, int(raw_mv.shape[1] / fs_hz))
    parts = _by_second(raw_mv, fs_hz, seconds)
    there = np.isfinite(parts)
    share = there.mean(axis=2)
    filled = np.where(there, parts, 0)
    count = np.maximum(there.sum(axis=2), 1)
    mean = filled.sum(axis=2) / count
    high, low = (np.where(there, parts, sign * -np.inf) for sign in (1, -1))
    span = np.where(share > 0, high.max(axis=2) - low.min(axis=2), 0)
    alive = _around(span).max(axis=0) >= _FLAT_MV
    jump = np.abs(np.diff(mean, axis=1, prepend=mean[:, :1]))
    jump = np.maximum(jump, np.roll(jump, -1, axis=1) * (np.arange(seconds) < seconds - 1))
    level = np.maximum(np.abs(mean), jump)
    drift = _drift(parts, _by_second(filtered_mv, beats.fs_hz, seconds))
    noise = _noise(filled, fs_hz)
    usual = np.median(span, axis=1, keepdims=True)
    noise = np.maximum(noise - _NOISE_SHARE * usual, 0)
    score = share * alive * _fall(level, _LEVEL_MV) * _fall(drift, _DRIFT_MV) * _fall(noise, _NOISE_MV)
    return (score * _agreement(beats, seconds, len(raw_mv))).astype(np.float32)


def record_score(scores: Float32[np.ndarray, " lead"]) -> float:
    """Of the leads' mean scores; 0 without leads."""
    if not len(scores):
        return 0.0
    return float((np.mean(scores) + np.mean(np.sort(scores)[:_WORST])) / 2)


def _fall(x: Float64[np.ndarray, "lead second"], half: float) -> Float64[np.ndarray, "lead second"]:
    return 1 / (1 + (x / half) ** 2)


def _by_second(x: Float32[np.ndarray, "lead time"], fs_hz: float, seconds: int) -> Float64[np.ndarray, "lead second s"]:
    """The signal cut into seconds of as many samples each; the last starts a sample earlier where it must."""
    length = max(1, min(int(fs_hz), x.shape[1]))
    start = np.minimum(np.round(np.arange(seconds) * fs_hz).astype(np.int64), x.shape[1] - length)
    return x[:, start[:, None] + np.arange(length)].astype(np.float64)


def _around(x: Float64[np.ndarray, "lead second"]) -> Float64[np.ndarray, "3 lead second"]:
    """Of each second the one before, itself and the one after."""
    padded = np.pad(x, ((0, 0), (1, 1)), mode="edge")
    return np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]])


def _drift(
    raw: Float64[np.ndarray, "lead second s"], filtered: Float64[np.ndarray, "lead second f"]
) -> Float64[np.ndarray, "lead second"]:
    """Span of tenths' means of the raw signal less those of the filtered one: what lies below the band."""
    tenths = [
        np.stack([part.mean(axis=2) for part in np.array_split(np.nan_to_num(x), 10, axis=2) if part.shape[2]], axis=2)
        for x in (raw, filtered)
    ]
    if tenths[0].shape != tenths[1].shape:
        return np.zeros(raw.shape[:2])
    below = tenths[0] - tenths[1]
    return below.max(axis=2) - below.min(axis=2)


def _noise(seconds: Float64[np.ndarray, "lead second s"], fs_hz: float) -> Float64[np.ndarray, "lead second"]:
    """SD of the noise in each second: the median of |x(t−10 ms) − 2x(t) + x(t+10 ms)| over 0.6745·√6."""
    y = seconds[:, :, :: max(1, round(0.01 * fs_hz))]
    if y.shape[2] < 3:
        return np.zeros(y.shape[:2])
    return np.median(np.abs(y[:, :, 2:] - 2 * y[:, :, 1:-1] + y[:, :, :-2]), axis=2) / (0.6745 * np.sqrt(6.0))


def _agreement(beats: Beats, seconds: int, leads: int) -> Float64[np.ndarray, "lead second"]:
    """How alike the beats about each second are to the lead's median beat, from 0 to 1."""
    if not len(beats):
        return np.full((leads, seconds), _WITHOUT_BEATS)
    row: Int64[np.ndarray, " beat"] = (beats.time_s // _ROW_S).astype(np.int64)
    grouped = replace(beats, row=row.astype(np.int32))
    median_mv = median_beats(grouped, int(row[-1]) + 1, np.ones(len(beats), bool))
    alike = np.max([_alike(beats, median_mv[row], shift) for shift in _SHIFTS], axis=0)
    good = np.clip((alike - _ALIKE[0]) / (_ALIKE[1] - _ALIKE[0]), 0, 1)
    at = np.minimum(beats.time_s.astype(np.int64), seconds - 1)
    total, count = np.zeros((seconds, leads)), np.zeros(seconds)
    np.add.at(total, at, good)
    np.add.at(count, at, 1)
    total, count = (_around(x.T.reshape(-1, seconds)).sum(axis=0) for x in (total, count))
    return np.where(count > 0, total / np.maximum(count, 1), _WITHOUT_BEATS)


def _alike(beats: Beats, usual: Float32[np.ndarray, "beat lead time"], shift: int) -> Float32[np.ndarray, "beat lead"]:
    """Correlation of each beat's leads with its median beat's, that shifted by some samples; 0 where unmeasured."""
    start, stop = (beats.r_index + round(s * beats.fs_hz) for s in _SPAN_S)
    own, other = beats.window_mv[:, :, start:stop], usual[:, :, start + shift : stop + shift]
    seen: Bool[np.ndarray, "beat lead time"] = np.isfinite(own) & np.isfinite(other)
    own, other = (_centred(np.where(seen, x, 0), seen) for x in (own, other))
    size = np.sqrt(np.einsum("blt,blt->bl", own, own) * np.einsum("blt,blt->bl", other, other))
    return (np.einsum("blt,blt->bl", own, other) / np.where(size > 0, size, np.inf)).astype(np.float32)


def _centred(values: Float32[np.ndarray, "beat lead time"], seen: Bool[np.ndarray, "beat lead time"]) -> np.ndarray:
    mean = values.sum(axis=2, keepdims=True) / np.maximum(seen.sum(axis=2, keepdims=True), 1)
    return np.where(seen, values - mean, 0)
