"""Marked rows as other hearts would give them: faster, with a longer PR or a wider QRS, P or T smaller or absent, ST
shifted, T inverted.

Databases with marks hold few such hearts. A row is cut before each P wave (or QRS), its pieces are changed, and they
are laid end to end again, sooner after one another than they were: a P wave that then begins before the T wave has
ended is added to it. Marks move with what they mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int16
from scipy.ndimage import uniform_filter1d

from beatssl.signals.waves import WAVE_CLASSES
from beatssl.training.segmentation.config import HeartChanges
from beatssl.training.segmentation.marks import MARK_HZ, MarkedRows, classes_at, covered_by

_P, _QRS, _T = (WAVE_CLASSES.index(name) for name in ("P", "QRS", "T"))
_STEP_S = 0.01
"""Pieces move by multiples of this: whole samples at 100, 200 and 500 samples/s, so that most of a row is not read
between samples."""
_SHOWN = 0.25
"""A wave is one of the record's where this share of its leads has it; it lasts as long as any lead has it."""
_BEFORE_P_S, _BEFORE_QRS_S = 0.02, 0.05
_LEAST_T = 0.5
"""A piece may begin over the T wave before it, but not before this share of that wave is over."""
_QRS_STRETCH, _ST_SHRINK = 0.8, 0.6
_ST_MV, _T_GAINS = 0.3, (-1.2, 1.8)
_LEAST_T_GAIN = 0.3
"""No T is made smaller than this, of either sign: it would be marked where none is seen."""
_ST_LONGEST_S, _J_S = 0.4, 0.03
"""From QRS to the T wave that ends a changed ST; the shift begins this long before the end of the QRS."""
_SNR_DB = (0.0, 24.0)
_WANDER_HZ = (0.3, 0.8)
_SMOOTH_S = 0.03
"""What is taken out of a wave is smoother than this; the noise on it stays."""

Grid = Int16[np.ndarray, "lead step"]


@dataclass(frozen=True)
class _Piece:
    """From one cut to the next, in steps of the marks' grid; `knots` are the ends of P, PQ, QRS and T, rising."""

    start: int
    stop: int
    knots: tuple[int, int, int, int]
    r: int
    latest: int
    """The next piece may not begin before this."""


def changed(rows: MarkedRows, changes: HeartChanges, rng: np.random.Generator) -> MarkedRows:
    """Some of the rows changed, each by what it draws; rows whose beats are not marked well enough stay as they are."""
    classes = classes_at(rows.covered)
    beat_row, beat_at = rows.beat_row.numpy(), rows.beat_at.numpy().astype(np.float64)
    ecg, beats = list[Float32[np.ndarray, "lead time"]](), list[np.ndarray]()
    for row in range(len(rows)):
        signal, grid = rows.ecg_mv[row].numpy(), classes[row]
        at_s = beat_at[beat_row == row] / rows.fs_hz
        measured = rows.lead_mask[row].numpy()
        signal, grid = _resized(signal, grid, rows.fs_hz, changes, rng)
        if rng.random() < changes.st_t:
            signal = _other_st_t(signal, grid, measured, rows.fs_hz, rng)
        signal, grid, at_s = _moved(signal, grid, measured, at_s, rows.fs_hz, changes, rng)
        ecg.append(_noise(signal, rows.fs_hz, rng) * measured[:, None] if rng.random() < changes.noisy else signal)
        classes[row] = grid
        beats.append(at_s * rows.fs_hz)
    return replace(
        rows,
        ecg_mv=torch.from_numpy(np.stack(ecg)),
        covered=torch.from_numpy(covered_by(classes)),
        beat_row=torch.from_numpy(np.repeat(np.arange(len(rows)), [len(of) for of in beats])),
        beat_at=torch.from_numpy(np.concatenate(beats).astype(np.float32)),
    )


def _resized(
    signal: Float32[np.ndarray, "lead time"],
    grid: Grid,
    fs_hz: float,
    changes: HeartChanges,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "lead time"], Grid]:
    """P smaller or gone, T gone."""
    draws = rng.random(3)
    gains: dict[int, float] = {}
    if draws[0] < changes.no_p:
        gains[_P] = 0.0
    elif draws[1] < changes.small_p:
        gains[_P] = rng.uniform(0.3, 1.0)
    if draws[2] < changes.no_t:
        gains[_T] = 0.0
    if not gains:
        return signal, grid
    signal, grid = signal.copy(), grid.copy()
    for wave, gain in gains.items():
        for lead in range(len(grid)):
            for first, last in _runs(grid[lead] == wave):
                _shrink(signal[lead], first / MARK_HZ * fs_hz, last / MARK_HZ * fs_hz, gain, fs_hz)
                if gain == 0:
                    grid[lead, first:last] = 0
    return signal, grid


def _shrink(lead_mv: Float32[np.ndarray, " time"], begin: float, end: float, gain: float, fs_hz: float) -> None:
    """What stands above the line between a wave's ends (in samples) times `gain`; its noise stays."""
    margin = 0.01 * fs_hz
    first, last = max(0, int(begin - margin)), min(len(lead_mv) - 1, int(np.ceil(end + margin)))
    if last - first < 3:
        return
    part = lead_mv[first : last + 1]
    above = part - np.linspace(part[0], part[-1], len(part), dtype=np.float32)
    lead_mv[first : last + 1] -= (1 - gain) * uniform_filter1d(above, max(1, round(_SMOOTH_S * fs_hz)))


def _other_st_t(
    signal: Float32[np.ndarray, "lead time"],
    grid: Grid,
    measured: Bool[np.ndarray, " lead"],
    fs_hz: float,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "lead time"]:
    """ST shifted and T changed in some leads, in all beats alike; every mark stays where it is."""
    signal = signal.copy()
    at = np.arange(signal.shape[1]) / fs_hz * MARK_HZ
    some = rng.uniform(0.3, 1)
    for lead in np.flatnonzero(measured & (rng.random(len(grid)) < some)):
        gain, shift_mv = rng.uniform(*_T_GAINS), rng.uniform(-_ST_MV, _ST_MV)
        gain = np.copysign(max(abs(gain), _LEAST_T_GAIN), gain)
        t = _runs(grid[lead] == _T)
        for first, last in t:
            _shrink(signal[lead], first / MARK_HZ * fs_hz, last / MARK_HZ * fs_hz, gain, fs_hz)
        for _, j in _runs(grid[lead] == _QRS):
            own = next((one for one in t if j <= one[0] < j + _ST_LONGEST_S * MARK_HZ), None)
            if own is not None:
                rise = np.interp(at, [j - _J_S * MARK_HZ, j, max(own[0], j + 1), own[1]], [0, 1, 1, 0])
                signal[lead] += (shift_mv * rise**2 * (3 - 2 * rise)).astype(np.float32)
    return signal


def _moved(
    signal: Float32[np.ndarray, "lead time"],
    grid: Grid,
    measured: Bool[np.ndarray, " lead"],
    at_s: np.ndarray,
    fs_hz: float,
    changes: HeartChanges,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "lead time"], Grid, np.ndarray]:
    """Beats sooner after one another, PR longer, QRS wider, and some P not conducted."""
    draws = rng.random(4)
    faster, long_pr, wide, blocked = draws < (
        changes.faster, changes.long_pr, changes.wide_qrs, changes.not_conducted,
    )  # fmt: skip
    pieces = _pieces(grid[measured], at_s) if draws.size and (faster or long_pr or wide or blocked) else []
    if len(pieces) < 2:
        return signal, grid, at_s
    usual_s = float(np.median([piece.stop - piece.start for piece in pieces])) / MARK_HZ
    share = 60 / (usual_s * np.exp(rng.uniform(*np.log(changes.rate)))) if faster else 1.0
    longer_pq = rng.uniform(0.02, 0.2) if long_pr else 0.0
    stretch = 1 + _QRS_STRETCH * rng.uniform(0.2, 1) if wide else 1.0
    shrink = max(_ST_SHRINK, min(1.0, share) ** rng.uniform(0.2, 0.6))
    every = int(rng.integers(2, 5)) if blocked else 0
    steps, per = grid.shape[1], round(_STEP_S * MARK_HZ)
    new = np.zeros_like(signal)
    marks = np.zeros_like(grid)
    beats = list[float]()
    place, number = -per * int(rng.integers(0, 60)), int(rng.integers(len(pieces)))
    while place < steps:
        piece = pieces[number % len(pieces)]
        source, knots = _timing(piece, longer_pq, stretch, shrink, per)
        drop = every > 0 and number % every == 0 and piece.knots[0] > piece.start
        _lay(new, marks, signal, grid, piece, source, place, fs_hz, knots[0] if drop else None)
        if not drop:
            beats.append((place + int(np.searchsorted(source, piece.r))) / MARK_HZ)
        sooner = max(0, round((len(source) - max(share * (piece.stop - piece.start), 0)) / per)) if share < 1 else 0
        latest = int(np.searchsorted(source, piece.latest)) if not drop else knots[0]
        place += max(len(source) - sooner * per, -(-latest // per) * per)
        number += 1
    inside = np.array([at for at in beats if 0 <= at < steps / MARK_HZ])
    return new, marks, inside


def _pieces(grid: Int16[np.ndarray, "lead step"], at_s: np.ndarray) -> list[_Piece]:
    """The beats of a row, from before each one's P wave to before the next one's."""
    known = np.maximum((grid >= 0).sum(axis=0), 1)
    shares = ((grid == wave).sum(axis=0) / known for wave in (_QRS, _P, _T))
    qrs, p, t = ([(a, b) for a, b in _runs(share > 0) if share[a:b].max() >= _SHOWN] for share in shares)
    per = round(_STEP_S * MARK_HZ)
    cuts, ends = list[int](), list[tuple[int, int, int, int]]()
    before = 0
    for first, last in qrs:
        own = [one for one in p if before <= one[0] and one[1] <= first + per]
        begin = own[-1][0] - round(_BEFORE_P_S * MARK_HZ) if own else first - round(_BEFORE_QRS_S * MARK_HZ)
        begin = max(begin, before)
        cuts.append(begin // per * per)
        ends.append((min(own[-1][1], first) if own else cuts[-1], first, last, last))
        before = last
    pieces = list[_Piece]()
    for k in range(len(cuts) - 1):
        own_t = [one for one in t if ends[k][2] - per <= one[0] < cuts[k + 1]]
        t_first, t_last = (
            (own_t[0][0], min(own_t[-1][1], cuts[k + 1])) if own_t else (ends[k][2], ends[k][2] + 10 * per)
        )
        t_last = min(max(t_last, ends[k][2]), cuts[k + 1])
        r = np.flatnonzero((at_s * MARK_HZ >= cuts[k]) & (at_s * MARK_HZ < cuts[k + 1]))
        if len(r) != 1 or cuts[k + 1] <= cuts[k]:
            continue
        latest = min(round(t_first + _LEAST_T * (t_last - t_first)), cuts[k + 1])
        pieces.append(_Piece(cuts[k], cuts[k + 1], (*ends[k][:3], t_last), round(float(at_s[r[0]]) * MARK_HZ), latest))
    return pieces


def _timing(
    piece: _Piece, longer_pq_s: float, stretch: float, shrink: float, per: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The step of the old row at each step of the new piece, and where P, PQ, QRS and T end in it. Every stretch
    differs from the old one by whole `_STEP_S`."""
    p_end, qrs, qrs_end, t_end = piece.knots
    old = np.diff([piece.start, p_end, qrs, qrs_end, t_end, piece.stop])
    wanted = old.astype(np.float64)
    if p_end > piece.start and old[1] > 0:
        wanted[1] += longer_pq_s * MARK_HZ
    wanted[2] *= stretch
    wanted[3] *= shrink
    new = np.maximum(old + per * np.rint((wanted - old) / per).astype(np.int64), np.minimum(old, 1))
    source = np.interp(
        np.arange(new.sum()), np.concatenate([[0], np.cumsum(new)]),
        np.concatenate([[piece.start], piece.start + np.cumsum(old)]),
    )  # fmt: skip
    return source, tuple(np.cumsum(new)[:4].tolist())


def _lay(
    new: Float32[np.ndarray, "lead time"],
    marks: Grid,
    signal: Float32[np.ndarray, "lead time"],
    grid: Grid,
    piece: _Piece,
    source: np.ndarray,
    place: int,
    fs_hz: float,
    p_alone_until: int | None,
) -> None:
    """Add a piece, less the line between its ends, to the new row; of waves that meet QRS holds before P before T."""
    steps_per_sample = MARK_HZ / fs_hz
    first, stop = max(0, -place), min(len(source), marks.shape[1] - place)
    if first >= stop:
        return
    own = grid[:, np.clip(np.rint(source[first:stop]).astype(np.int64), 0, grid.shape[1] - 1)]
    begin = int(np.ceil((place + first) / steps_per_sample))
    end = min(int(np.ceil((place + stop) / steps_per_sample)), new.shape[1])
    at = np.arange(begin, end) * steps_per_sample - place
    at_old = np.interp(at, np.arange(len(source)), source) / steps_per_sample
    low = np.clip(at_old.astype(np.int64), 0, signal.shape[1] - 2)
    share = (at_old - low).astype(np.float32)
    level = [_level(signal, round(step / steps_per_sample)) for step in (piece.start, piece.stop)]
    line = level[0][:, None] + (level[1] - level[0])[:, None] * (at / len(source)).astype(np.float32)
    added = signal[:, low] * (1 - share) + signal[:, low + 1] * share - line
    if p_alone_until is not None:
        fade = np.clip((p_alone_until + 0.02 * MARK_HZ - at) / (0.03 * MARK_HZ), 0, 1).astype(np.float32)
        added = added * fade
        own = own.copy()
        own[:, max(0, p_alone_until - first) :] = np.minimum(own[:, max(0, p_alone_until - first) :], 0)
    new[:, begin:end] += added
    there = marks[:, place + first : place + stop]
    ranked = np.array([0, 2, 3, 1])  # of no wave, P, QRS and T
    stronger = ranked[np.maximum(own, 0)] > ranked[np.maximum(there, 0)]
    merged = np.where(stronger, own, there)
    marks[:, place + first : place + stop] = np.where((own < 0) | (there < 0), np.int16(-1), merged)


def _level(signal: Float32[np.ndarray, "lead time"], sample: int) -> Float32[np.ndarray, " lead"]:
    """Of every lead about a sample."""
    return signal[:, max(0, sample - 2) : sample + 3].mean(axis=1)


def _noise(
    signal: Float32[np.ndarray, "lead time"], fs_hz: float, rng: np.random.Generator
) -> Float32[np.ndarray, "lead time"]:
    """What a Holter recorder picks up, of each lead's own strength: muscle (above 15 Hz), electrode motion (steps that
    drift back) and a baseline that wanders, louder at some times than at others. The ratio to the signal is that of the
    MIT-BIH noise stress test: power of a sine as high as the QRS, over that of the noise."""
    leads, time = signal.shape
    muscle = rng.standard_normal((leads, time), np.float32)
    muscle -= uniform_filter1d(muscle, round(0.06 * fs_hz), axis=1)
    steps = rng.standard_normal((leads, time), np.float32) * (rng.random((leads, time)) < 3 / fs_hz)
    motion = np.cumsum(steps, axis=1)
    motion = uniform_filter1d(
        motion - uniform_filter1d(motion, round(0.8 * fs_hz), axis=1), round(0.06 * fs_hz), axis=1
    )
    hz, phase = rng.uniform(*_WANDER_HZ, (leads, 1)), rng.uniform(0, 2 * np.pi, (leads, 1))
    wander = np.sin(2 * np.pi * hz * np.arange(time) / fs_hz + phase).astype(np.float32)
    parts = [part / (part.std() + 1e-6) for part in (muscle, motion, wander)]
    mix = rng.dirichlet(np.ones(len(parts)), leads).astype(np.float32)
    noise = np.einsum("lk,klt->lt", mix, np.stack(parts))
    loud = np.cumsum(rng.standard_normal(time // round(fs_hz) + 2))
    loudness = np.interp(np.arange(time) / fs_hz, np.arange(len(loud)), np.exp(loud - loud.max())).astype(np.float32)
    noise *= loudness / np.sqrt(np.mean(loudness**2))
    with np.errstate(invalid="ignore"):  # the loss names a record that is not finite
        low, high = np.percentile(signal, [0.5, 99.5], axis=1).astype(np.float32)
    decibel = rng.uniform(*_SNR_DB, (leads, 1)).astype(np.float32)
    rms = (high - low)[:, None] / np.sqrt(8) / 10 ** (decibel / 20)
    return (signal + noise / (np.sqrt(np.mean(noise**2, axis=1, keepdims=True)) + 1e-6) * rms).astype(np.float32)


def _runs(there: Bool[np.ndarray, " step"]) -> Sequence[tuple[int, int]]:
    """First and one past the last step of each stretch that is true."""
    edges = np.flatnonzero(np.diff(there.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
