"""Other rhythms made from a record of sinus rhythm: the time between T and P is stretched or shortened."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

_N, _S = 0, 1
_KINDS = ("sinus", "pauses", "single", "grouped", "runs", "fibrillation")
_P_S = 0.20  # before R: kept as it is, with the P wave
_QRST_S, _QRS_S = 0.40, 0.12  # after R: kept as it is; in a short interval only the QRS is
_LEAST_RR_S = 0.36

_REGULAR = 0.06  # most median change of neighbouring intervals (log) of a record that is retimed
_MOST_IRREGULAR = 0.3


def is_regular(time_s: Float64[np.ndarray, " beat"], beat_class: Int64[np.ndarray, " beat"]) -> bool:
    """Whether a record is mostly of N beats in regular rhythm, so that it can be retimed."""
    change = np.abs(np.diff(np.log(np.maximum(np.diff(time_s), 0.1))))
    return bool((beat_class == _N).mean() > 0.8 and np.median(change) < _REGULAR)


def retime(
    ecg_mv: Float32[np.ndarray, "lead time"],
    time_s: Float64[np.ndarray, " beat"],
    beat_class: Int64[np.ndarray, " beat"],
    fs_hz: float,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "lead new_time"], Float64[np.ndarray, " beat"], Int64[np.ndarray, " beat"]]:
    """Signal, beat times and classes with new intervals between N beats; all other intervals stay.

    Early beats become S, and most of them get another P wave, that of one of the record's two foci: moved, and smaller,
    flat or turned in each lead. Stretches of irregular rhythm without P waves stay N, as in atrial fibrillation.
    """
    factor, early, fibrillating = _rhythm(len(time_s), rng)
    both = (beat_class[1:] == _N) & (beat_class[:-1] == _N)
    old = np.diff(time_s)
    free = both & (old > _LEAST_RR_S) & (old < 2)
    new = np.where(free, np.maximum(old * factor[1:], np.minimum(_LEAST_RR_S, old)), old)
    new_time_s = time_s[0] + np.concatenate([[0], np.cumsum(new)])
    after = np.where(np.minimum(old, new) > _QRST_S + _P_S + 0.04, _QRST_S, _QRS_S)
    after = np.where(np.minimum(old, new) > _QRS_S + _P_S + 0.02, after, 0.0)
    before = np.where(after > 0, _P_S, 0.0)
    knots_new = np.stack([new_time_s[:-1], new_time_s[:-1] + after, new_time_s[1:] - before], axis=1).ravel()
    knots_old = np.stack([time_s[:-1], time_s[:-1] + after, time_s[1:] - before], axis=1).ravel()
    knots_new = np.concatenate([[0.0], knots_new, [new_time_s[-1]]])
    knots_old = np.concatenate([[0.0], knots_old, [time_s[-1]]])
    clock = np.interp(np.arange(0, new_time_s[-1], 1 / fs_hz), knots_new, knots_old)
    known = np.arange(ecg_mv.shape[1]) / fs_hz
    out = np.stack([np.interp(clock, known, lead) for lead in ecg_mv]).astype(np.float32)
    moved = np.concatenate([[False], free])
    made = early & moved
    _change_p(out, new_time_s, _foci(len(out), rng), np.where(made, rng.integers(0, 2, len(made)), -1), fs_hz)
    nothing = [Focus(np.zeros(len(out), np.float32), 0)]
    _change_p(out, new_time_s, nothing, np.where(fibrillating & moved, 0, -1), fs_hz)
    return out, new_time_s, np.where(made, _S, beat_class)


def _rhythm(
    count: int, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, " beat"], Bool[np.ndarray, " beat"], Bool[np.ndarray, " beat"]]:
    """For each beat the factor on the interval before it, whether it is early, and whether the atria fibrillate.

    A record has a few rhythms, often one alone: in some records most beats are then ectopic.
    """
    share = rng.dirichlet(np.where(np.array(_KINDS) == "fibrillation", 0.6, 0.3))
    coupling, pause = float(rng.uniform(0.45, 0.85)), float(rng.uniform(0.95, 2.2))
    factor: list[float] = []
    early: list[bool] = []
    fibrillating: list[bool] = []
    while len(factor) < count:
        length = int(rng.integers(20, 200))
        kind = str(rng.choice(_KINDS, p=share))
        some = _episode(kind, length, coupling, pause, rng)
        factor += some[0].tolist()
        early += some[1].tolist()
        fibrillating += [kind == "fibrillation"] * len(some[0])
    return np.array(factor[:count]), np.array(early[:count]), np.array(fibrillating[:count])


def _episode(
    kind: str, length: int, coupling: float, pause: float, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, " beat"], Bool[np.ndarray, " beat"]]:
    """Factors and early beats of about `length` beats of one rhythm."""
    swing = rng.uniform(0, 0.15) * np.sin(np.arange(length) * 2 * np.pi / rng.uniform(4, 30))
    factor, early = np.exp(swing + rng.normal(0, rng.uniform(0.01, 0.05), length)), np.zeros(length, bool)
    if kind == "fibrillation":
        return np.exp(rng.normal(0, rng.uniform(0.1, _MOST_IRREGULAR), length)), early
    if kind == "sinus":
        return factor, early
    if kind == "pauses":
        factor[rng.random(length) < rng.uniform(0.02, 0.2)] *= rng.uniform(1.4, 2.1)
        return factor, early
    gaps, runs = {"single": ((3, 40), (1, 2)), "grouped": ((1, 4), (1, 3)), "runs": ((1, 5), (2, 30))}[kind]
    at = 1
    while at < length:
        run = min(int(rng.integers(*runs)), length - at)
        factor[at : at + run] = coupling * np.exp(rng.normal(0, 0.05, run))
        early[at : at + run] = True
        if at + run < length:
            factor[at + run] = pause * np.exp(rng.normal(0, 0.1))
        at += run + int(rng.integers(*gaps))
    return factor, early


@dataclass(frozen=True, slots=True)
class Focus:
    """Where early beats begin: what becomes of their P waves."""

    gain: Float32[np.ndarray, " lead"]
    shift: int  # samples by which P comes later


def _foci(leads: int, rng: np.random.Generator) -> list[Focus]:
    return [
        Focus(rng.uniform(-1.2, 1.2, leads).astype(np.float32) * (rng.random() < 0.8), int(rng.integers(-4, 5)))
        for _ in range(2)
    ]


def _change_p(
    ecg_mv: Float32[np.ndarray, "lead time"],
    time_s: Float64[np.ndarray, " beat"],
    foci: Sequence[Focus],
    focus: Int64[np.ndarray, " beat"],
    fs_hz: float,
) -> None:
    """Change the P wave, above the line between its ends, of the beats that have a focus, in place."""
    start = np.round((time_s - _P_S) * fs_hz).astype(np.int64)
    length = round((_P_S - 0.06) * fs_hz)
    for beat in np.flatnonzero((focus >= 0) & (start >= 0) & (start + length < ecg_mv.shape[1])):
        of = foci[focus[beat]]
        wave = ecg_mv[:, start[beat] : start[beat] + length]
        line = wave[:, :1] + (wave[:, -1:] - wave[:, :1]) * np.linspace(0, 1, length, dtype=np.float32)
        above = np.roll(wave - line, of.shift, axis=1)
        wave[:] = line + of.gain[:, None] * above
