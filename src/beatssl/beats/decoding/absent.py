"""Waves that are none: the end of T taken for a P, and noise taken for T waves.

Networks that learnt to expect P at the end of T in fast hearts see one where there is none. The end of a T wave falls
ever less steeply, in every lead. A P on it stands out: the signal rises above the straight lines that span its fall, by
tens of microvolts in some lead, even where it never turns upwards.

Where there is no T, noise after a beat here and there looks like one. A heart whose T can be seen shows it in most
beats of some lead.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import uniform_filter1d

from beatssl.beats.decoding.viterbi import Segments

LEAST_MV = 0.006
"""A P that follows a T at once stands out by this in one lead at least. Chosen on the synthetic hearts of `check --what
wave-presence` and on the sinus tachycardias of PTB-XL's fold 8: these stand out by 0.009 mV at the least, in lead II
alone too, and what is no P in synthetic leads with 0.02 mV of noise by 0.005 mV at the most."""

TOUCHING_S = 0.03
"""A P that begins within this time of the end of T follows it at once."""

STRETCH_S = 14.0
"""Beats of such a stretch are averaged, and decided on together. A quarter of the step of a long record's pieces
(`analysis.pieces`), so that all of them cut time alike."""

_SMOOTH_S = 0.015
_AFTER_P_S = 0.06
_BEFORE_QRS_S = 0.02
_LEAST_BEATS = 3
_LEAST_SHARE = 0.5
_P, _QRS, _T = 1, 2, 3


def ends_of_t(
    waves: Segments,
    ecg_mv: Float32[np.ndarray, "line time"],
    fs_hz: float,
    record: Int64[np.ndarray, " line"],
) -> Int64[np.ndarray, " p"]:
    """Places in `waves` of P waves that follow a T at once and stand out from its fall in no lead of their record.

    Beats of a stretch are averaged lead by lead. Where no lead has three such P there, none is named.
    """
    place = np.flatnonzero(_follows_t(waves, fs_hz))
    middle = (waves.first[place] + waves.last[place]) // 2
    stretch = (middle / (STRETCH_S * fs_hz)).astype(np.int64)
    line = waves.line[place]
    order = np.lexsort((line, stretch, record[line]))
    place, stretch, line = place[order], stretch[order], line[order]
    if not len(place):
        return place
    one = _groups(record[line], stretch)
    highest = np.full(one[-1] + 1, np.nan)
    for same in _parts(_groups(one, line)):
        at = one[same[0]]
        highest[at] = np.fmax(highest[at], _height(waves, place[same], ecg_mv[line[same[0]]], fs_hz))
    return np.sort(place[highest[one] < LEAST_MV])


def given_to_t(
    probability: Float32[np.ndarray, "line 4 time"], waves: Segments, place: Int64[np.ndarray, " p"], fs_hz: float
) -> Float32[np.ndarray, "line 4 time"]:
    """The probabilities with that of these P and of what lies around them given to T."""
    out = probability.copy()
    reach = round(_AFTER_P_S * fs_hz)
    for line, first, last in zip(
        waves.line[place].tolist(), waves.first[place - 1].tolist(), waves.last[place].tolist(), strict=True
    ):
        some = slice(first, last + reach)
        out[line, _T, some] += out[line, _P, some]
        out[line, _P, some] = 0
    return out


def seldom_t(waves: Segments, fs_hz: float, record: Int64[np.ndarray, " line"]) -> Bool[np.ndarray, " wave"]:
    """Which waves are T of a record no lead of which shows a T after half of its beats, in this stretch.

    Leads with fewer than three beats there do not count; where there are no others, no T is named.
    """
    stretch = ((waves.first + waves.last) / (2 * STRETCH_S * fs_hz)).astype(np.int64)
    group, one = np.unique(record[waves.line] * (stretch.max(initial=0) + 1) + stretch, return_inverse=True)
    lines = len(record)
    of_line = one * lines + waves.line
    counts = [np.bincount(of_line[waves.kind == kind], minlength=len(group) * lines) for kind in (_QRS, _T)]
    beats, t_waves = (count.reshape(len(group), lines) for count in counts)
    enough = beats >= _LEAST_BEATS
    most = enough & (t_waves >= _LEAST_SHARE * beats)
    shown = np.asarray(most.any(axis=1) | ~enough.any(axis=1))
    return np.asarray((waves.kind == _T) & ~shown[one])


def _follows_t(waves: Segments, fs_hz: float) -> Bool[np.ndarray, " wave"]:
    before = np.arange(len(waves.line)) - 1
    gap_s = (waves.first - waves.last[before]) / fs_hz
    after_t = (waves.line[before] == waves.line) & (waves.kind[before] == _T) & (before >= 0)
    return (waves.kind == _P) & after_t & (gap_s <= TOUCHING_S)


def _groups(first: Int64[np.ndarray, " p"], second: Int64[np.ndarray, " p"]) -> Int64[np.ndarray, " p"]:
    """The number of each one's group, of those that have both in common and stand together."""
    new = (np.diff(first, prepend=-1) != 0) | (np.diff(second, prepend=-1) != 0)
    return np.cumsum(new) - 1


def _parts(group: Int64[np.ndarray, " p"]) -> list[Int64[np.ndarray, " some"]]:
    return np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1)


def _height(
    waves: Segments, place: Int64[np.ndarray, " p"], ecg_mv: Float32[np.ndarray, " time"], fs_hz: float
) -> float:
    """How far the mean of these P of one lead stands out from the fall of T, in mV; NaN for fewer than three."""
    first, last = waves.first[place], waves.last[place]
    t_width, p_width = (int(np.median(waves.last[at] - waves.first[at])) for at in (place - 1, place))
    begin = round(0.6 * t_width + 0.5 * p_width)
    steps = np.arange(-begin, round(0.5 * p_width + _AFTER_P_S * fs_hz) + 1)
    at = ((first + last) // 2)[:, None] + steps
    following = np.minimum(place + 1, len(waves.kind) - 1)
    has_qrs = (waves.line[following] == waves.line[place]) & (waves.kind[following] == _QRS)
    end = np.where(has_qrs, waves.first[following] - round(_BEFORE_QRS_S * fs_hz), len(ecg_mv))
    # The stretch of the record that all of these beats need, and no more of a day.
    low, high = max(int(at.min()), 0), min(int(at.max()) + 1, len(ecg_mv))
    part = ecg_mv[low:high].astype(np.float64)
    signal = uniform_filter1d(np.nan_to_num(part), max(1, round(_SMOOTH_S * fs_hz)), mode="nearest")
    signal[np.isnan(part)] = np.nan
    inside = (at >= low) & (at < np.minimum(end, high)[:, None])
    beats = np.where(inside, signal[np.clip(at - low, 0, len(signal) - 1)], np.nan)
    beats = beats[np.isfinite(beats[:, : begin + 1]).all(axis=1)]
    if len(beats) < _LEAST_BEATS:
        return float("nan")
    there = np.isfinite(beats).mean(axis=0) > 0.5
    mean = np.nanmean(beats[:, there], axis=0)
    p_begins = begin - p_width // 2
    falls = np.sign(mean[: p_begins + 1].mean() - mean[p_begins + 1 :].mean()) * mean
    # What looks like a P may begin before the steepest fall of T; a P that is one rises by its first quarter.
    steepest = int(np.diff(falls)[: (p_begins + begin) // 2 + 1].argmin())
    fall = falls[steepest:]
    return float((fall - _spanned(fall)).max())


def _spanned(values: Float64[np.ndarray, " step"]) -> Float64[np.ndarray, " step"]:
    """The greatest convex curve that is nowhere above the values."""
    corners: list[int] = []
    for at, value in enumerate(values):
        while len(corners) > 1:
            one, two = corners[-2:]
            if (values[two] - values[one]) * (at - one) < (value - values[one]) * (two - one):
                break
            corners.pop()
        corners.append(at)
    return np.interp(np.arange(len(values)), corners, values[corners])
