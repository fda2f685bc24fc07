"""Whether a beat has a P wave, decided over the beats of its lead and not one by one.

The same P stands before every beat at the same place, so a beat whose P the network doubts has one where the others
show theirs; and what looks like a P before one beat alone is mostly none. For every beat of a lead the evidence is the
log-odds of P against what else there may be, smoothed, by the time before its QRS. Its mean over the beats around says
where the lead has its P, and how plainly. A beat's own evidence there and that of the others together give the
probability that it has a P, and the network's odds of P before its QRS are moved by as much as that probability asks.
A P that no QRS follows within 0.4 s is left to the network. One at another place than the others', or before few beats
alone, is moved towards no P, and absent where its chance stays below a half (`wave_decoding.LEAST_CONFIDENCE`).
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.ndimage import uniform_filter1d

from beatssl.beats.decoding.smoothing import median_around
from beatssl.beats.decoding.viterbi import Segments
from beatssl.beats.global_beats import SAME_WAVE_S

PARAMETERS = Path(__file__).with_name("presence.json")
"""The constants that come with the package."""

STEP_S = 0.01
"""Of the evidence."""

REACH_S = 0.4
"""How long before its QRS a P is looked for."""

BEATS = 15
"""Beats whose mean is taken, half of them before and half after."""

_SURE, _MOST_MOVED = 1.0, 5.0
_MOST_IRREGULAR, _PERIODS = 0.4, (1, 2, 3)
_PLAIN = 2.0  # log-odds
_SD_OF_MEDIAN = 1.4826  # standard deviation of normal values to the median of their absolute ones
_AWAY_S = 0.04
"""A P may stand this far from where the others' stand."""

_AFTER_QRS_S = 0.1
_LEAST_QRS_S = 0.02
_SMOOTH_STEPS = 5
_LEAST, _MOST = -3.0, 6.0
"""Of the log-odds in a mean over beats: one that shows a P says more than one that shows none, as in bigeminy."""

_LEAST_BEATS = 3
_LEAST_PROBABILITY = 1e-4


class Parameters(NamedTuple):
    """Constants that `release.fit_presence` fits."""

    weights: tuple[float, ...]
    """Of what `terms` gives, in the log-odds that a beat has a P."""
    confidence: tuple[tuple[float, float], ...]
    """Of P, QRS and T: constant and factor on the mean log-odds over a wave, in the log-odds that it is there."""


@lru_cache(maxsize=1)
def parameters() -> Parameters:
    """Those that come with the package."""
    kept = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    return Parameters(tuple(kept["weights"]), tuple((a, b) for a, b in kept["confidence"]))


class Evidence(NamedTuple):
    """Of every QRS of every line, in order of line and time."""

    line: Int64[np.ndarray, " beat"]
    onset: Int64[np.ndarray, " beat"]
    """First sample of its QRS."""
    begin: Int64[np.ndarray, " beat"]
    """First sample at which its P may lie."""
    own: Float64[np.ndarray, " beat"]
    """The beat's greatest log-odds near the place where the lead's other beats have theirs."""
    pooled: Float64[np.ndarray, " beat"]
    """The greatest mean over the other beats around of their log-odds at one time before the QRS: the higher, the more
    they agree on where their P is. `own` where they are too few."""
    irregular: Float64[np.ndarray, " beat"]
    """Median difference of the RR intervals around it from the one before, or from the second or third before where
    that is less, in parts of the median interval, scaled to the SD of normal differences; at most 0.4, and 0 where they
    are too few. A premature beat among regular ones hardly counts, nor do bigeminy, trigeminy and Wenckebach's
    periods."""
    leads_own: Float64[np.ndarray, " beat"]
    leads_pooled: Float64[np.ndarray, " beat"]
    """Means of both over the other leads of the record that show the beat; NaN where there is none."""


def evidence(
    probability: Float32[np.ndarray, "line 4 time"], fs_hz: float, record: Int64[np.ndarray, " line"]
) -> Evidence:
    """Evidence of P before every QRS, from the probabilities of no wave, P, QRS and T at each sample; lines of one
    `record` are its leads."""
    line, onset, end = _qrs(probability, fs_hz)
    same = np.concatenate([[False], line[1:] == line[:-1]])
    after = np.concatenate([[0], end[:-1] + round(_AFTER_QRS_S * fs_hz)])
    begin = np.clip(np.where(same, after, 0), onset - round(REACH_S * fs_hz), onset)
    odds = _log_odds(probability, fs_hz)
    steps = np.arange(1, round(REACH_S / STEP_S) + 1)
    at = onset[:, None] - np.rint(steps * STEP_S * fs_hz).astype(np.int64)
    table = np.where(at >= np.maximum(begin, 0)[:, None], odds[line[:, None], np.maximum(at, 0)], np.nan)
    mean, others = _around(np.clip(table, _LEAST, _MOST), line)
    place = _or_least(mean).argmax(axis=1)
    away = round(_AWAY_S / STEP_S)
    near = np.clip(place[:, None] + np.arange(-away, away + 1), 0, len(steps) - 1)
    of_near = np.take_along_axis(table, near, axis=1)
    own = np.clip(_or_least(of_near).max(axis=1), -_MOST, _MOST)
    pooled = _or_least(others).max(axis=1)
    pooled = np.where(np.isfinite(pooled), pooled, own)
    leads = _of_other_leads(np.stack([own, pooled], axis=1), record[line], onset / fs_hz)
    irregular = _irregular(line, onset)
    return Evidence(line, onset, np.maximum(begin, 0), own, pooled, irregular, leads[:, 0], leads[:, 1])


def chance(of: Evidence, weights: Sequence[float] | None = None) -> Float64[np.ndarray, " beat"]:
    """Log-odds that each beat has a P; by the package's weights unless others are given."""
    return terms(of) @ np.array(parameters().weights if weights is None else weights)


def terms(of: Evidence) -> Float64[np.ndarray, "beat 7"]:
    """What `Parameters.weights` are of: one, own, own above 2, pooled, irregular, leads_own, leads_pooled.

    A P that the network sees plainly is there though half of the beats have none, as in bigeminy.
    """
    plain = np.maximum(of.own - _PLAIN, 0)
    columns = [np.ones(len(of.own)), of.own, plain, of.pooled, of.irregular, of.leads_own, of.leads_pooled]
    return np.stack(columns, axis=1)


class BeatsWithP(NamedTuple):
    """Every QRS of every line, and the log-odds that it has a P."""

    line: Int64[np.ndarray, " beat"]
    onset: Int64[np.ndarray, " beat"]
    begin: Int64[np.ndarray, " beat"]
    """First sample at which its P may lie."""
    log_odds: Float64[np.ndarray, " beat"]


def with_presence(
    probability: Float32[np.ndarray, "line 4 time"],
    fs_hz: float,
    record: Int64[np.ndarray, " line"],
    weights: Sequence[float] | None = None,
) -> tuple[Float32[np.ndarray, "line 4 time"], BeatsWithP]:
    """The probabilities with the odds of P before each QRS moved to what `chance` says, and that chance.

    Where a beat's own best log-odds are o and its chance has log-odds c, those of all samples before its QRS move by
    c − o: its P, if it has one, is where the network sees it, and as likely as the beats together make it. They stay
    where the network is sure of what the chance says too.
    """
    found = evidence(probability, fs_hz, record)
    log_odds = chance(found, weights)
    agreed = (log_odds * found.own > 0) & (np.abs(found.own) >= _SURE)
    moved = np.where(agreed, 0.0, np.clip(log_odds - found.own, -_MOST_MOVED, _MOST_MOVED))
    shift = np.zeros((len(probability), probability.shape[2] + 1), np.float32)
    np.add.at(shift, (found.line, found.begin), moved)
    np.add.at(shift, (found.line, found.onset), -moved)
    out = probability.copy()
    out[:, 1] *= np.exp(np.cumsum(shift, axis=1)[:, :-1])
    out /= out.sum(axis=1, keepdims=True)
    return out, BeatsWithP(found.line, found.onset, found.begin, log_odds)


def confidence(
    probability: Float32[np.ndarray, "line 4 time"], waves: Segments, beats: BeatsWithP
) -> Float64[np.ndarray, " wave"]:
    """The chance of each decoded wave to be there: of a P within reach of a QRS by `chance`, of any other from the mean
    over the wave of its log-odds against no wave."""
    if not len(waves.line):
        return np.zeros(0)
    constant, factor = np.array(parameters().confidence).T
    kind = waves.kind - 1
    out = constant[kind] + factor[kind] * mean_log_odds(probability, waves)
    following = waves.kind.take(np.arange(1, len(kind) + 1), mode="clip")
    before_qrs = np.flatnonzero((waves.kind == 1) & (following == 2))
    axis = probability.shape[2] * 2
    place = np.searchsorted(beats.line * axis + beats.onset, waves.line[before_qrs] * axis + waves.first[before_qrs])
    place = np.minimum(place, max(len(beats.line) - 1, 0))
    if len(beats.line):
        middle = (waves.first[before_qrs] + waves.last[before_qrs]) / 2
        own = (beats.line[place] == waves.line[before_qrs]) & (middle >= beats.begin[place])
        out[before_qrs[own]] = beats.log_odds[place[own]]
    return 1 / (1 + np.exp(-out))


def mean_log_odds(probability: Float32[np.ndarray, "line 4 time"], waves: Segments) -> Float64[np.ndarray, " wave"]:
    """Of each decoded wave against no wave: the mean over its samples."""
    p = np.clip(probability, _LEAST_PROBABILITY, 1)
    sums = np.cumsum(np.log(p[:, 1:] / p[:, :1]), axis=2, dtype=np.float64)
    kind = waves.kind - 1
    inside = sums[waves.line, kind, waves.last] - sums[waves.line, kind, waves.first]
    return inside / np.maximum(waves.last - waves.first, 1)


def _irregular(line: Int64[np.ndarray, " beat"], onset: Int64[np.ndarray, " beat"]) -> Float64[np.ndarray, " beat"]:
    rr = _less_before(onset.astype(np.float64), line, 1)
    usual = median_around(rr, line)
    differences = [median_around(np.abs(_less_before(rr, line, period)), line) for period in _PERIODS]
    least = np.fmin.reduce(differences)
    return np.nan_to_num(np.minimum(_SD_OF_MEDIAN * least / usual, _MOST_IRREGULAR))


def _less_before(
    value: Float64[np.ndarray, " beat"], line: Int64[np.ndarray, " beat"], beats: int
) -> Float64[np.ndarray, " beat"]:
    """Each value less the one so many beats before; NaN where the line has none."""
    out = np.full(len(value), np.nan)
    same = line[beats:] == line[:-beats]
    out[beats:][same] = (value[beats:] - value[:-beats])[same]
    return out


def _qrs(
    probability: Float32[np.ndarray, "line 4 time"], fs_hz: float
) -> tuple[Int64[np.ndarray, " beat"], Int64[np.ndarray, " beat"], Int64[np.ndarray, " beat"]]:
    """Line, first sample and one past the last of every stretch in which QRS is the likeliest."""
    is_qrs = (probability[:, 2] > 0.5).astype(np.int8)
    edges = np.diff(is_qrs, axis=1, prepend=0, append=0)
    line, first = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    long = end - first >= _LEAST_QRS_S * fs_hz
    return line[long], first[long], end[long]


def _log_odds(probability: Float32[np.ndarray, "line 4 time"], fs_hz: float) -> Float64[np.ndarray, "line time"]:
    p = np.clip(probability[:, 1].astype(np.float64), _LEAST_PROBABILITY, 1)
    other = np.clip(np.maximum(probability[:, 0], probability[:, 3]).astype(np.float64), _LEAST_PROBABILITY, 1)
    return uniform_filter1d(np.log(p / other), max(1, round(_SMOOTH_STEPS * STEP_S * fs_hz)), axis=1, mode="nearest")


def _around(
    table: Float64[np.ndarray, "beat step"], line: Int64[np.ndarray, " beat"]
) -> tuple[Float64[np.ndarray, "beat step"], Float64[np.ndarray, "beat step"]]:
    """Means over the beats of the same line around each, with it and without it; NaN where none, or fewer than two of
    the others, have a value."""
    first = np.searchsorted(line, line)
    last = np.searchsorted(line, line, side="right")
    place, half = np.arange(len(line)), BEATS // 2
    begin, end = np.maximum(first, place - half), np.minimum(last, place + half + 1)
    there, value = np.isfinite(table), np.nan_to_num(table)
    total = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(value, axis=0)])
    number = np.concatenate([np.zeros((1, table.shape[1]), np.int64), np.cumsum(there, axis=0)])
    total, number = total[end] - total[begin], number[end] - number[begin]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, others = total / number, (total - value) / (number - there)
    return np.where(number > 0, mean, np.nan), np.where(number - there >= _LEAST_BEATS - 1, others, np.nan)


def _or_least(table: Float64[np.ndarray, "beat step"]) -> Float64[np.ndarray, "beat step"]:
    return np.where(np.isfinite(table), table, -np.inf)


def _of_other_leads(
    values: Float64[np.ndarray, "beat 2"], record: Int64[np.ndarray, " beat"], onset_s: Float64[np.ndarray, " beat"]
) -> Float64[np.ndarray, "beat 2"]:
    """Means over the same beat of the record's other leads; a beat that no other lead shows keeps its own."""
    order = np.lexsort((onset_s, record))
    new = (np.diff(record[order], prepend=-1) != 0) | (np.diff(onset_s[order], prepend=0.0) > SAME_WAVE_S)
    group = np.zeros(len(record), np.int64)
    group[order] = np.cumsum(new)
    count = np.bincount(group)[group]
    total = np.stack([np.bincount(group, column)[group] for column in values.T], axis=1)
    return np.where(count[:, None] > 1, (total - values) / np.maximum(count - 1, 1)[:, None], values)
