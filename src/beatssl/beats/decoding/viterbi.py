"""The likeliest order of waves in a lead: an exact dynamic programme over P, QRS, T and what lies between them.

States, and what may follow each:

    none under way  -> P, QRS              (start of a record, or after a T wave)
    P               -> QRS, after P
    after P         -> QRS;  and once `P_GAP_S` long -> P, at a cost (a P wave that is not conducted)
    QRS             -> T, after QRS
    after QRS       -> T;  and once `QRS_GAP_S` long -> P, QRS, at a cost (a beat without a T wave)
    T               -> P, QRS, none under way

So a beat has one QRS and at most one T, waves keep their order, and fragments of a wave nearer than a gap are one wave.
A wave lasts at least `LEAST_S`, but where the record's end cuts it. All leads go through one loop over time.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

LEAST_S = {"P": 0.03, "QRS": 0.03, "T": 0.06}
"""Least widths; LUDB's narrowest waves in a thousand are 36, 52 and 72 ms wide."""

P_GAP_S = 0.1
"""Least gap between two P waves with no QRS between them."""

QRS_GAP_S = 0.1
"""Least gap between a QRS and the next P or QRS with no T between them."""

WAVE_COST = 1.0
"""Log-odds, per wave, that the evidence must exceed: a speck is no wave."""

RARE_COST = 3.0
"""Log-odds against a beat without a T wave, and against a P wave that is not conducted."""

EVIDENCE_HZ = 100.0
"""Rate at which each sample's log-probability counts in full: neighbours in a shorter time tell nothing new."""

CORE_S, MARGIN_S = 20.0, 5.0
"""Long records are cut into windows of this core and margins, all decoded side by side; a wave is taken from the window
whose core holds its middle. What lies beyond the margin does not reach the core: every beat settles the state."""

_LEAST_PROBABILITY = 1e-4
_BLOCK_LINES = 192
_P, _QRS, _T, _NONE, _AFTER_P, _LONG_AFTER_P, _AFTER_QRS, _LONG_AFTER_QRS = range(8)
_CLASS = np.array([1, 2, 3, 0, 0, 0, 0, 0])  # of each state, in the order of the probabilities
_STATES = len(_CLASS)
_BEFORE_WAVE = np.array(  # states after which P, QRS and T may begin
    [
        [_NONE, _T, _T, _LONG_AFTER_QRS, _LONG_AFTER_P],
        [_NONE, _T, _P, _AFTER_P, _LONG_AFTER_QRS],
        [_QRS, _QRS, _QRS, _QRS, _AFTER_QRS],
    ]
)
_COST = WAVE_COST + RARE_COST * np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
_BEFORE_GAP = np.array([_T, _P, _P, _QRS, _QRS])  # the one wave that each other state follows


class Segments(NamedTuple):
    """Waves in order of line and time: samples `first` to `last`, and the classes before and after (0: no wave)."""

    line: Int64[np.ndarray, " wave"]
    kind: Int64[np.ndarray, " wave"]
    first: Int64[np.ndarray, " wave"]
    last: Int64[np.ndarray, " wave"]
    before: Int64[np.ndarray, " wave"]
    after: Int64[np.ndarray, " wave"]


def wave_segments(probability: Float32[np.ndarray, "line 4 time"], fs_hz: float) -> Segments:
    """The likeliest waves of every line (a lead) by the probabilities of no wave, P, QRS and T at each sample.

    The order is found in steps of as many samples as leave `EVIDENCE_HZ` a second; then each boundary is moved to the
    sample, at most half a step away, where the probabilities of its two sides cross.
    """
    log_p = np.log(np.clip(probability, _LEAST_PROBABILITY, 1))
    step = max(1, int(fs_hz // EVIDENCE_HZ))
    if step == 1:
        return _segments(log_p, fs_hz)
    reach = (step + 1) // 2
    lines, classes, time = log_p.shape
    whole = np.pad(log_p, ((0, 0), (0, 0), (0, -time % step)), mode="edge")
    slack_s = (2 * reach + 1 - step) / fs_hz  # so that none becomes too narrow when its boundaries move
    coarse = _segments(whole.reshape(lines, classes, -1, step).mean(axis=3), fs_hz / step, slack_s)
    last = np.minimum(coarse.last * step + step, time)
    return coarse._replace(
        first=_moved(probability, coarse.line, coarse.before, coarse.kind, coarse.first * step, reach),
        last=_moved(probability, coarse.line, coarse.kind, coarse.after, last, reach) - 1,
    )


def _moved(
    p: Float32[np.ndarray, "line 4 time"],
    line: Int64[np.ndarray, " wave"],
    before: Int64[np.ndarray, " wave"],
    after: Int64[np.ndarray, " wave"],
    at: Int64[np.ndarray, " wave"],
    reach: int,
) -> Int64[np.ndarray, " wave"]:
    """First sample of what comes after each boundary: the nearest to `at` where it becomes the likelier of the two."""
    out, found, time = at.copy(), (at == 0) | (at == p.shape[2]), p.shape[2]
    for shift in sorted(range(-reach, reach + 1), key=abs):
        here = at + shift
        inside = (here > 0) & (here < time)
        left, right = np.where(inside, here - 1, 0), np.where(inside, here, 0)
        crosses = (p[line, after, right] >= p[line, before, right]) & (p[line, after, left] < p[line, before, left])
        out = np.where(inside & crosses & ~found, here, out)
        found |= inside & crosses
    return out


def _segments(log_p: Float32[np.ndarray, "line 4 time"], fs_hz: float, slack_s: float = 0.0) -> Segments:
    """As `wave_segments`, from log-probabilities, every sample a step; least widths and gaps longer by `slack_s`."""
    lines, _, time = log_p.shape
    log_p = log_p * np.float32(min(1.0, EVIDENCE_HZ / fs_hz))
    core, margin = round(CORE_S * fs_hz), round(MARGIN_S * fs_hz)
    if time <= core + 2 * margin:
        return _sorted(_decoded(log_p, fs_hz, slack_s))
    starts = np.arange(0, time, core)
    windows = np.zeros(
        (len(starts), lines, 4, core + 2 * margin), np.float32
    )  # beyond the record nothing speaks for anything
    begins = np.maximum(starts - margin, 0)
    for window, begin in zip(windows, begins, strict=True):
        part = log_p[:, :, begin : begin + window.shape[-1]]
        window[:, :, : part.shape[2]] = part
    found = _decoded(windows.reshape(-1, 4, windows.shape[-1]), fs_hz, slack_s)
    window = found.line // lines
    found = found._replace(
        line=found.line % lines,
        first=found.first + begins[window],
        last=np.minimum(found.last + begins[window], time - 1),
    )
    mine = (found.first + found.last) // 2 // core == window
    found = _sorted(Segments(*(column[mine] for column in found)))
    apart = (found.line[1:] != found.line[:-1]) | (found.first[1:] > found.last[:-1])
    return Segments(*(column[np.concatenate([[True], apart])[: len(mine)]] for column in found))


def _sorted(segments: Segments) -> Segments:
    order = np.lexsort((segments.first, segments.line))
    return Segments(*(column[order] for column in segments))


def _decoded(log_p: Float32[np.ndarray, "line 4 time"], fs_hz: float, slack_s: float) -> Segments:
    """Waves of every line, blocks of lines at a time so that the working arrays stay in the processor's cache."""
    least_s = np.array([LEAST_S["P"], LEAST_S["QRS"], LEAST_S["T"], 0, 0, P_GAP_S, 0, QRS_GAP_S])
    # One sample more than the time holds: boundaries lie up to a sample inside the neighbours.
    delay = np.where(least_s > 0, np.ceil((least_s + slack_s) * fs_hz - 1e-9).astype(np.int64) + 1, 1)
    parts = [
        _traced_back(*_forward(log_p[start : start + _BLOCK_LINES], delay), delay, start, log_p.shape[2])
        for start in range(0, len(log_p), _BLOCK_LINES)
    ]
    return Segments(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _forward(
    log_p: Float32[np.ndarray, "line 4 time"], delay: Int64[np.ndarray, " state"]
) -> tuple[Float32[np.ndarray, "step state line"], Int32[np.ndarray, "step state line"]]:
    """Value of the best path that ends in each state at each sample, and when it came into that state (0: from there).

    A state is entered with its least width at once: from sample t − width, with all evidence since. After the last
    sample come as many without evidence as the widest needs, so that a wave may be cut by the record's end.
    """
    lines, _, time = log_p.shape
    widest, waves = int(delay.max()), len(_BEFORE_WAVE)
    evidence = np.zeros((time + widest, 4, lines), np.float32)
    evidence[:time] = log_p.transpose(2, 1, 0)
    entered = _entered(evidence, delay)
    # Rows of `value`: the states, then the best state before each wave; `widest` steps before the record's start.
    rows = _STATES + waves
    value = np.full((time + 2 * widest, rows, lines), -np.inf, np.float32)
    value[widest, :_STATES] = evidence[0, _CLASS]
    enters = np.zeros((time + widest, _STATES, lines), bool)
    row = np.concatenate([np.arange(_STATES, _STATES + waves), _BEFORE_GAP])
    flat, came_from = value.reshape(-1, lines), (widest - delay) * rows + row
    sources, cost = _BEFORE_WAVE.T.ravel(), _COST.T.reshape(-1, waves, 1).astype(np.float32)
    stay = evidence.take(_CLASS, axis=1)
    for t in range(1, time + widest):
        now, last = value[widest + t], value[widest + t - 1]
        before = last.take(sources, axis=0).reshape(-1, waves, lines)
        before -= cost
        before.max(axis=0, out=last[_STATES:])
        new = flat.take(came_from + t * rows, axis=0)
        new += entered[t]
        stayed = stay[t]
        stayed += last[:_STATES]
        np.greater(new, stayed, out=enters[t])
        np.maximum(new, stayed, out=now[:_STATES])
    step = np.arange(time + widest, dtype=np.int32)[:, None, None]
    return value[widest:, :_STATES], np.maximum.accumulate(np.where(enters, step, np.int32(0)), axis=0)


def _entered(
    evidence: Float32[np.ndarray, "step 4 line"], delay: Int64[np.ndarray, " state"]
) -> Float32[np.ndarray, "step state line"]:
    """Evidence for each state over its least width up to each sample; −∞ where the record is not that old."""
    out = np.full((len(evidence), _STATES, evidence.shape[2]), -np.inf, np.float32)
    for state, width in enumerate(delay.tolist()):
        of_class = evidence[:, _CLASS[state]]
        count = len(of_class) - width + 1
        total = of_class[:count].copy()
        for step in range(1, width):
            total += of_class[step : step + count]
        out[width - 1 :, state] = total
    return out


def _traced_back(
    value: Float32[np.ndarray, "step state line"],
    when: Int32[np.ndarray, "step state line"],
    delay: Int64[np.ndarray, " state"],
    first_line: int,
    time: int,
) -> Segments:
    """The waves of the best path of every line, walked from its end, all lines one state a step."""
    steps, _, lines = value.shape
    line = np.arange(lines)
    state, at = value[-1].argmax(axis=0), np.full(lines, steps - 1)
    after = np.zeros(lines, np.int64)
    parts: list[tuple[Int64[np.ndarray, " _"], ...]] = []
    while line.size:
        arrived = when[at, state, line].astype(np.int64)
        begins = arrived == 0
        first = np.where(begins, 0, arrived - delay[state] + 1)
        source, at_source = _source(value, state, line, first)
        before = np.where(begins, 0, _CLASS[source])
        wave = (_CLASS[state] > 0) & (first < time)
        columns = (line + first_line, _CLASS[state], first, np.minimum(at, time - 1), before, after)
        parts.append(tuple(column[wave] for column in columns))
        line, state, at, after = (column[~begins] for column in (line, source, at_source, _CLASS[state]))
    return Segments(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _source(
    value: Float32[np.ndarray, "step state line"],
    state: Int64[np.ndarray, " part"],
    line: Int64[np.ndarray, " part"],
    first: Int64[np.ndarray, " part"],
) -> tuple[Int64[np.ndarray, " part"], Int64[np.ndarray, " part"]]:
    """The state before one that began at sample `first`, and its last sample."""
    at = np.maximum(first - 1, 0)
    wave = np.minimum(state, len(_BEFORE_WAVE) - 1)
    candidates = _BEFORE_WAVE[wave]
    best = (value[at[:, None], candidates, line[:, None]] - _COST[wave]).argmax(axis=1)
    of_gap = _BEFORE_GAP[np.maximum(state - len(_BEFORE_WAVE), 0)]
    return np.where(state < len(_BEFORE_WAVE), candidates[np.arange(len(state)), best], of_gap), at
