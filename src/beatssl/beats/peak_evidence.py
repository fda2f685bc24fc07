"""What speaks for and against a candidate being a QRS complex, and the probability that follows from it.

The probability is a logistic regression on the quantities named in `EVIDENCE`, fitted by `release/fit_r_peaks.py`.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from beatssl.signals.median import row_medians

WEIGHTS = Path(__file__).with_name("peak_evidence.json")

EVIDENCE = {
    "height": "log of its height over the local QRS level",
    "above_noise": "log of its height over the local background",
    "noise_rise": "log of the local background over the record's usual one, 0 and up",
    "over_before": "log of its height over the largest candidate 0.10 to 0.42 s before: small for a T wave",
    "over_after": "log of its height over the candidate 0.10 to 0.30 s after: small for a P wave",
    "like_median": "correlation with the record's median QRS complex, over all leads",
    "like_any": "the largest correlation with that and with the beats before and after",
    "unlike_in_noise": "(1 - like_any) noise_rise",
    "sharpness": "log of slope over size in the QRS band, less the median of beats",
    "leads": "share of the usual QRS height that it reaches, mean over leads",
    "slow": "log of the amplitude in 0.6 s about it over its height in the QRS band: large in flutter",
    "rr": "log of the interval to the nearest likelier candidate over the usual RR interval, at most 0",
    "gap": "log of the interval between the likelier candidates on either side over twice the usual RR interval",
}
"""What each quantity is."""

KINKS = {
    "height": -0.7,
    "above_noise": 1.5,
    "over_before": -0.5,
    "sharpness": 0.0,
    "leads": 0.7,
    "rr": -0.4,
    "gap": -0.3,
    "slow": 1.0,
}
"""Quantities that count with another weight below a value."""

_REACH = 9  # samples of the window about a candidate, at 100 Hz
_SHIFTS, _STEP = 2, 2  # of the windows that are compared, either way
_TEMPLATE_BEATS = 200
_RR_EACH_SIDE = 5
_LEAST_MV = 0.002
_SLOW_REACH, _SLOW_STEP = 30, 2
_NO_HEIGHT = 1e-9
_RR_OF_FEW_S = 0.8
_NEIGHBOURS = 6
_RR = list(EVIDENCE).index("rr")


class Candidates(NamedTuple):
    """Maxima of the QRS envelope of a record at 100 Hz."""

    at: Int64[np.ndarray, " peak"]
    """Samples, ascending."""
    height_mv: Float64[np.ndarray, " peak"]
    """Of the envelope."""
    level_mv: Float64[np.ndarray, " peak"]
    """The usual QRS height around it."""
    beat: Bool[np.ndarray, " peak"]
    """Whether its height alone would make it a beat; one at least."""


class Evidence(NamedTuple):
    """What speaks for and against each candidate."""

    quantities: Float64[np.ndarray, "peak quantity"]
    """Those of `EVIDENCE`, in that order; "rr" and "gap" are 0 as long as nothing is known of the other candidates."""
    time_s: Float64[np.ndarray, " peak"]
    usual_rr_s: Float64[np.ndarray, " peak"]
    """Median RR interval around each."""

    def with_intervals(self, probability: Float64[np.ndarray, " peak"]) -> "Evidence":
        """The same with "rr" and "gap", by how likely the candidates are without them."""
        quantities = self.quantities.copy()
        before_s, after_s = _nearest_likelier(self.time_s, probability)
        quantities[:, _RR] = np.log(_within(np.minimum(before_s, after_s) / self.usual_rr_s, 0.1, 1.0))
        quantities[:, _RR + 1] = np.log(_within((before_s + after_s) / (2 * self.usual_rr_s), 0.4, 1.2))
        return self._replace(quantities=quantities)


def evidence(
    candidates: Candidates,
    ecg_mv: Float64[np.ndarray, "lead time"],
    band_mv: Float64[np.ndarray, "lead time"],
    background_mv: Float64[np.ndarray, " second"],
    fs_hz: float,
) -> Evidence:
    """The quantities of all candidates.

    `band_mv` is the QRS band of the leads, `background_mv` the envelope's own background in every second.
    """
    times_s, height = candidates.at / fs_hz, candidates.height_mv
    usual = row_medians(background_mv) + _LEAST_MV
    local = _smoothed(background_mv)[np.minimum(times_s.astype(np.int64), len(background_mv) - 1)] + _LEAST_MV
    rise = _within(np.log(local / usual), 0.0, 3.0)
    beat = np.flatnonzero(candidates.beat)
    windows = _windows(band_mv, candidates.at)
    like_median, like_any = _likeness(windows, candidates.beat)
    peak = np.abs(windows[:, :, _SHIFTS + 2 : -_SHIFTS - 2]).max(axis=2)
    amplitude = np.sqrt(np.einsum("lt,lt->t", ecg_mv, ecg_mv) / len(ecg_mv))
    around = candidates.at[:, None] + np.arange(-_SLOW_REACH, _SLOW_REACH + 1, _SLOW_STEP)
    around = amplitude[np.clip(around, 0, len(amplitude) - 1)]
    sharpness = _sharpness(windows)
    columns = {
        "height": np.log(height / candidates.level_mv),
        "above_noise": np.log(height / local),
        "noise_rise": rise,
        "over_before": _within(np.log(height / largest_before(times_s, height, 0.42)), -2.5, 0.7),
        "over_after": _within(np.log(height / following(times_s, height, 0.30)), -2.5, 0.7),
        "like_median": like_median,
        "like_any": like_any,
        "unlike_in_noise": (1 - like_any) * rise,
        "sharpness": sharpness - row_medians(sharpness[beat]),
        "leads": np.minimum(peak / (row_medians(peak[beat].T) + _LEAST_MV), 1.0).mean(axis=1),
        "slow": np.log(np.sqrt((around**2).mean(axis=1)) / height),
        "rr": np.zeros(len(height)),
        "gap": np.zeros(len(height)),
    }
    quantities = np.stack([columns[name] for name in EVIDENCE], axis=1)
    return Evidence(quantities, times_s, _usual_rr_s(times_s, candidates.beat))


def with_kinks(quantities: Float64[np.ndarray, "peak quantity"]) -> Float64[np.ndarray, "peak column"]:
    """The columns of the regression: the quantities, and those with a kink less its value, where below it."""
    kinked, values = _kinks()
    return np.concatenate([quantities, np.minimum(quantities[:, kinked] - values, 0.0)], axis=1)


def probability(of: Evidence) -> Float64[np.ndarray, " peak"]:
    """Of each candidate being a QRS complex: first without regard to the others, then with the intervals to them."""
    weights, constant = _regression()
    alone = logistic(with_kinks(of.quantities) @ weights + constant)
    return logistic(with_kinks(of.with_intervals(alone).quantities) @ weights + constant)


def logistic(log_odds: Float64[np.ndarray, " peak"]) -> Float64[np.ndarray, " peak"]:
    """Probabilities from log odds."""
    return 1 / (1 + np.exp(-_within(log_odds, -50.0, 50.0)))


@lru_cache(maxsize=1)
def _kinks() -> tuple[list[int], Float64[np.ndarray, " kink"]]:
    names = list(EVIDENCE)
    return [names.index(name) for name in KINKS], np.array(list(KINKS.values()))


@lru_cache(maxsize=1)
def _regression() -> tuple[Float64[np.ndarray, " column"], float]:
    fitted = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return np.array([fitted["weights"][name] for name in column_names()]), float(fitted["constant"])


def column_names() -> list[str]:
    """Of the columns of `with_kinks`."""
    return [*EVIDENCE, *(f"{name} below {value:g}" for name, value in KINKS.items())]


def _within(x: Float64[np.ndarray, " peak"], low: float, high: float) -> Float64[np.ndarray, " peak"]:
    """`numpy.clip`, whose own checks take longer than it does for ten numbers."""
    return np.minimum(np.maximum(x, low), high)


def _smoothed(background_mv: Float64[np.ndarray, " second"]) -> Float64[np.ndarray, " second"]:
    """The median of each second and its neighbours."""
    if len(background_mv) < 3:
        return background_mv
    around = np.stack([background_mv[:-2], background_mv[1:-1], background_mv[2:]], axis=1)
    inner = row_medians(around)
    return np.concatenate([inner[:1], inner, inner[-1:]])


def _windows(
    band_mv: Float64[np.ndarray, "lead time"], at: Int64[np.ndarray, " peak"]
) -> Float64[np.ndarray, "peak lead window"]:
    around = np.clip(at[:, None] + np.arange(-_REACH, _REACH + 1), 0, band_mv.shape[1] - 1)
    return np.ascontiguousarray(band_mv[:, around].transpose(1, 0, 2))


def _likeness(
    windows: Float64[np.ndarray, "peak lead window"], is_beat: Bool[np.ndarray, " peak"]
) -> tuple[Float64[np.ndarray, " peak"], Float64[np.ndarray, " peak"]]:
    """Largest correlation over small shifts with the median beat; and with that or the beat before or after."""
    count, width = len(windows), windows.shape[2] - 2 * _SHIFTS
    beat = np.flatnonzero(is_beat)
    some = beat[:: len(beat) // _TEMPLATE_BEATS + 1]
    core = windows[:, :, _SHIFTS : _SHIFTS + width].reshape(count, -1)
    core = core / (np.sqrt(np.einsum("pt,pt->p", core, core)) + 1e-9)[:, None]
    median = row_medians(windows[some, :, _SHIFTS : _SHIFTS + width].reshape(len(some), -1).T)
    median /= np.linalg.norm(median) + 1e-9
    number = np.cumsum(is_beat) - is_beat  # beats before
    before = beat[np.maximum(number - 1, 0)]
    after = beat[np.minimum(number + is_beat, len(beat) - 1)]
    shifted = np.stack([windows[:, :, at : at + width].reshape(count, -1) for at in range(0, 2 * _SHIFTS + 1, _STEP)])
    size = np.sqrt(np.einsum("spt,spt->sp", shifted, shifted)) + 1e-9
    of_median = ((shifted @ median) / size).max(axis=0)
    of_before = (np.einsum("spt,pt->sp", shifted, core[before]) / size).max(axis=0)
    of_after = (np.einsum("spt,pt->sp", shifted, core[after]) / size).max(axis=0)
    itself = np.arange(count)
    of_others = np.maximum(np.where(before == itself, 0.0, of_before), np.where(after == itself, 0.0, of_after))
    return of_median, np.maximum(of_median, of_others)


def _sharpness(windows: Float64[np.ndarray, "peak lead window"]) -> Float64[np.ndarray, " peak"]:
    slope = windows[:, :, 1:] - windows[:, :, :-1]
    energy = np.einsum("plt,plt->p", windows, windows)
    return 0.5 * np.log(np.einsum("plt,plt->p", slope, slope) / (energy + 1e-12) + 1e-6)


def largest_before(
    times_s: Float64[np.ndarray, " peak"], height: Float64[np.ndarray, " peak"], within_s: float
) -> Float64[np.ndarray, " peak"]:
    """Height of the larger of the two candidates before, of those that near; nearly 0: none."""
    largest = np.full(len(times_s), _NO_HEIGHT)
    for back in (1, 2):
        near = times_s[back:] - times_s[:-back] <= within_s
        largest[back:] = np.maximum(largest[back:], np.where(near, height[:-back], _NO_HEIGHT))
    return largest


def following(
    times_s: Float64[np.ndarray, " peak"], height: Float64[np.ndarray, " peak"], within_s: float
) -> Float64[np.ndarray, " peak"]:
    """Height of the next candidate, if that near; nearly 0: none."""
    largest = np.full(len(times_s), _NO_HEIGHT)
    near = times_s[1:] - times_s[:-1] <= within_s
    largest[:-1][near] = height[1:][near]
    return largest


def _usual_rr_s(times_s: Float64[np.ndarray, " peak"], beat: Bool[np.ndarray, " peak"]) -> Float64[np.ndarray, " peak"]:
    """Median RR interval of the beats around each candidate."""
    rr = np.diff(times_s[beat])
    if len(rr) <= 2 * _RR_EACH_SIDE:
        return np.full(len(times_s), row_medians(rr) if len(rr) > 1 else _RR_OF_FEW_S)
    padded = np.pad(rr, _RR_EACH_SIDE, mode="symmetric")
    around = row_medians(np.lib.stride_tricks.sliding_window_view(padded, 2 * _RR_EACH_SIDE + 1))
    return around[np.clip(np.cumsum(beat) - 1, 0, len(rr) - 1)]


def _nearest_likelier(
    times_s: Float64[np.ndarray, " peak"], probability: Float64[np.ndarray, " peak"]
) -> tuple[Float64[np.ndarray, " peak"], Float64[np.ndarray, " peak"]]:
    """Interval to the nearest likelier one of the candidates before, and of those after; infinite where none is."""
    before_s, after_s = np.full((2, len(times_s)), np.inf)
    for back in range(min(_NEIGHBOURS, len(times_s) - 1), 0, -1):
        apart_s = times_s[back:] - times_s[:-back]
        rises = probability[back:] > probability[:-back]
        after_s[:-back][rises] = apart_s[rises]
        before_s[back:][~rises] = apart_s[~rises]
    return before_s, after_s
