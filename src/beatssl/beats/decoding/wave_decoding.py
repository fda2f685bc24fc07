"""From the probability of each wave at each sample to waves with onset, peak, offset and how sure each boundary is."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from beatssl.beats.decoding.absent import ends_of_t, given_to_t, seldom_t
from beatssl.beats.decoding.presence import confidence, with_presence
from beatssl.beats.decoding.smoothing import smoothed
from beatssl.beats.decoding.viterbi import Segments, wave_segments
from beatssl.signals.waves import WAVE_CLASSES

CONFIDENCE_S = 0.04
"""A boundary's confidence is the probability that it lies within this time of where it is stated."""

LEAST_CONFIDENCE = 0.5
"""A P or T below this is absent: it is likelier not to be there. QRS complexes stay; R peaks decide about beats."""

SILENT_MV = 0.01
"""A lead whose signal spans less than this over a whole second shows no heart there."""

_SILENT_S = 1.0
_QRS = WAVE_CLASSES.index("QRS")


class Waves(NamedTuple):
    """Waves in order of lead and time; NaN as `decode_waves` says."""

    lead: Int64[np.ndarray, " wave"]
    """Index."""
    kind: Int64[np.ndarray, " wave"]
    """Place in `WAVE_CLASSES`."""
    onset_s: Float64[np.ndarray, " wave"]
    peak_s: Float64[np.ndarray, " wave"]
    offset_s: Float64[np.ndarray, " wave"]
    onset_confidence: Float64[np.ndarray, " wave"]
    offset_confidence: Float64[np.ndarray, " wave"]
    confidence: Float64[np.ndarray, " wave"]

    def where(self, which: Bool[np.ndarray, " wave"] | slice) -> "Waves":
        """Some of them."""
        return Waves(*(column[which] for column in self))


def decode_waves(
    probability: Float32[np.ndarray, "lead 4 time"],
    fs_hz: float,
    ecg_mv: Float32[np.ndarray, "_lead _time"] | None = None,
    record: Int64[np.ndarray, " _lead"] | None = None,
) -> "pd.DataFrame":
    """Waves of every lead by Viterbi decoding with minimum durations (`viterbi`), boundaries interpolated.

    Whether a beat has a P is decided over the beats and leads of its record together (`presence`). A P or T that is
    less likely there than not is left out: it is absent (`LEAST_CONFIDENCE`). So is what looks like a P at the end of T
    but stands out from it in no lead (this needs the signal), and T of few beats alone (`absent`).

    A boundary lies where the probability of the wave and that of its neighbour (no wave, or the wave that it touches)
    cross, both linear between samples; those of P and T then move a little to where the lead's other beats have them
    (see `smoothing`). Taken as the chance that the wave has begun, the wave's own probability around the boundary says
    how sure it is: `onset_confidence` is p(crossing + 40 ms) − p(crossing − 40 ms), the share of that chance within
    40 ms of the crossing, cut at the wave's middle; `offset_confidence` likewise.

    Args:
        probability: of no wave, P, QRS and T; NaN counts as no wave.
        fs_hz: sampling rate of the probabilities.
        ecg_mv: the signal at the same samples, NaN where missing. With it waves have a peak, and none is found where
            the lead is missing or spans less than 0.01 mV over a second.
        record: the number of each lead's record; None: all are of one.

    Returns:
        A line a wave, in order of lead and time: `lead` (index), `wave`, `onset_s`, `peak_s`, `offset_s`,
        `onset_confidence`, `offset_confidence`, and `confidence`, the chance that there is such a wave, of P and T 0.5
        at least. NaN: the boundary lies beyond the record's end, or, of the peak, there is no signal. The peak is
        where the signal is farthest from the line between the wave's ends.

    Raises:
        ValueError: signal and probabilities differ in leads or samples.
    """
    waves = find_waves(probability, fs_hz, ecg_mv, record)
    return pd.DataFrame(
        {"lead": waves.lead, "wave": np.array(WAVE_CLASSES)[waves.kind].astype(object)}
        | {name: getattr(waves, name) for name in Waves._fields[2:]}
    )


def find_waves(
    probability: Float32[np.ndarray, "lead 4 time"],
    fs_hz: float,
    ecg_mv: Float32[np.ndarray, "_lead _time"] | None = None,
    record: Int64[np.ndarray, " _lead"] | None = None,
) -> Waves:
    """As `decode_waves`, as plain arrays."""
    if ecg_mv is not None and (ecg_mv.shape[0], ecg_mv.shape[1]) != (probability.shape[0], probability.shape[2]):
        raise ValueError(
            f"signal of shape {ecg_mv.shape} for probabilities of shape {probability.shape}; pass the same leads and "
            "samples, at the probabilities' rate"
        )
    p = _without_silence(probability, None if ecg_mv is None else silent(ecg_mv, fs_hz))
    of_record = np.zeros(len(p), np.int64) if record is None else record
    p, of_beats = with_presence(p, fs_hz, of_record)
    waves = wave_segments(p, fs_hz)
    if ecg_mv is not None and len(wrong := ends_of_t(waves, ecg_mv, fs_hz, of_record)):
        p = given_to_t(p, waves, wrong, fs_hz)
        waves = wave_segments(p, fs_hz)
    onset, offset = _crossing(p, waves, -1), _crossing(p, waves, 1)
    # Where the gap between two waves closed as their ends were moved to the crossings, they meet half way.
    meet = np.flatnonzero((waves.line[1:] == waves.line[:-1]) & (onset[1:] < offset[:-1]))
    onset[meet + 1] = offset[meet] = (onset[meet + 1] + offset[meet]) / 2
    middle = (np.where(np.isnan(onset), waves.first, onset) + np.where(np.isnan(offset), waves.last, offset)) / 2
    reach = CONFIDENCE_S * fs_hz
    sure_onset = _at(p, waves, np.minimum(onset + reach, middle)) - _at(p, waves, onset - reach)
    sure_offset = _at(p, waves, np.maximum(offset - reach, middle)) - _at(p, waves, offset + reach)
    onset, offset = smoothed(waves, onset, offset, sure_onset, sure_offset, fs_hz)
    peak = np.full(len(onset), np.nan) if ecg_mv is None else _peaks(ecg_mv, waves)
    found = Waves(
        lead=waves.line,
        kind=waves.kind,
        onset_s=onset / fs_hz,
        peak_s=peak / fs_hz,
        offset_s=offset / fs_hz,
        onset_confidence=np.clip(sure_onset, 0, 1),
        offset_confidence=np.clip(sure_offset, 0, 1),
        confidence=confidence(p, waves, of_beats),
    )
    there = (found.kind == _QRS) | (found.confidence >= LEAST_CONFIDENCE)
    return found.where(there & ~seldom_t(waves, fs_hz, of_record))


def silent(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Bool[np.ndarray, "lead time"]:
    """Samples that are missing, or in any second over which the lead spans less than `SILENT_MV`."""
    missing = ~np.isfinite(ecg_mv)
    x = np.where(missing, 0, ecg_mv)
    window = max(1, min(round(_SILENT_S * fs_hz), x.shape[1]))
    span = maximum_filter1d(x, window, axis=1, mode="nearest") - minimum_filter1d(x, window, axis=1, mode="nearest")
    # Every sample of a quiet window, not its centre alone: the filter's window again, turned about its centre.
    quiet = (span < SILENT_MV).astype(np.uint8)
    return missing | maximum_filter1d(quiet, window, axis=1, mode="nearest", origin=-((window + 1) % 2)).astype(bool)


def _without_silence(
    probability: Float32[np.ndarray, "lead 4 time"], silence: Bool[np.ndarray, "lead time"] | None
) -> Float32[np.ndarray, "lead 4 time"]:
    nothing = np.asarray(np.isnan(probability).any(axis=1))
    if silence is not None:
        nothing = nothing | silence
    if not nothing.any():
        return probability
    none = np.array([1, 0, 0, 0], np.float32)[:, None]
    return np.where(nothing[:, None], none, probability)


def _crossing(p: Float32[np.ndarray, "lead 4 time"], waves: Segments, step: int) -> Float64[np.ndarray, " wave"]:
    """Where each wave's probability crosses its neighbour's, in samples, at its onset (step −1) or offset (step 1)."""
    inner, neighbour = (waves.first, waves.before) if step < 0 else (waves.last, waves.after)
    outer = inner + step
    cut = (outer < 0) | (outer >= p.shape[2])
    outer = np.where(cut, inner, outer)
    inside, outside = (
        (p[waves.line, waves.kind, at] - p[waves.line, neighbour, at]).astype(np.float64) for at in (inner, outer)
    )
    crosses = (inside >= 0) & (outside <= 0) & (inside > outside)
    share = np.where(crosses, inside / np.where(crosses, inside - outside, 1), 0.5)
    return np.where(cut, np.nan, inner + step * share)


def _at(
    p: Float32[np.ndarray, "lead 4 time"], waves: Segments, sample: Float64[np.ndarray, " wave"]
) -> Float64[np.ndarray, " wave"]:
    """Each wave's probability at a place between samples; NaN for a NaN place, the ends held."""
    place = np.clip(np.nan_to_num(sample), 0, p.shape[2] - 1)
    low = np.minimum(place.astype(np.int64), max(p.shape[2] - 2, 0))
    high = np.minimum(low + 1, p.shape[2] - 1)
    share = place - low
    value = p[waves.line, waves.kind, low] * (1 - share) + p[waves.line, waves.kind, high] * share
    return np.where(np.isnan(sample), np.nan, value)


def _peaks(ecg_mv: Float32[np.ndarray, "lead time"], waves: Segments) -> Float64[np.ndarray, " wave"]:
    """Sample, by a parabola, at which each wave's signal is farthest from the line between its ends."""
    if not len(waves.line):
        return np.zeros(0)
    x = np.nan_to_num(ecg_mv).astype(np.float64)
    width = waves.last - waves.first + 1
    start = np.cumsum(width) - width
    wave = np.repeat(np.arange(len(width)), width)
    sample = np.arange(len(wave)) - start[wave] + waves.first[wave]
    left, right = x[waves.line, waves.first], x[waves.line, waves.last]
    slope = (right - left) / np.maximum(width - 1, 1)
    away = np.abs(x[waves.line[wave], sample] - left[wave] - slope[wave] * (sample - waves.first[wave]))
    top = np.flatnonzero(away == np.maximum.reduceat(away, start)[wave])
    peak = sample[top[np.searchsorted(wave[top], np.arange(len(width)))]]
    middle = np.clip(peak, 1, x.shape[1] - 2)
    before, here, after = (x[waves.line, middle + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    turns = (middle == peak) & ((here - before) * (here - after) > 0)
    shift = np.where(turns, 0.5 * (before - after) / np.where(turns, bend, 1), 0)
    return peak + np.clip(shift, -0.5, 0.5)
