"""When the beats come, and of which kind: sinus rhythm with its variability, atrial fibrillation, ectopic beats."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

SYMBOLS = ("N", "S", "V", "F")
"""Kinds of beat: conducted, premature supraventricular, premature ventricular, fusion of ventricular and conducted."""

N, S, V, F = range(4)

LEAD_IN_S = 3.0  # beats begin this long before the record, so that the first ones stand in a settled rhythm


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What governs the beat times of one record."""

    mean_rr_s: float
    fibrillation: bool = False
    breath_hz: float = 0.25
    breath_share: float = 0.03  # how far breathing moves an interval, as a share of it
    slow_share: float = 0.02  # likewise the 0.1 Hz wave of blood pressure control
    pac_share: float = 0.0  # chance that a beat is followed by a premature one
    pvc_share: float = 0.0
    pvc_coupling: float = 0.6  # from the beat before, in mean intervals


@dataclass(frozen=True, slots=True)
class BeatTimes:
    """Beats in order of time; the first of them lie before the record, at negative times."""

    time_s: Float64[np.ndarray, " beat"]
    kind: Int64[np.ndarray, " beat"]  # position in SYMBOLS


def beat_times(rhythm: Rhythm, duration_s: float, rng: np.random.Generator) -> BeatTimes:
    """Beats from before the record's start to after its end.

    A premature ventricular beat leaves the sinus clock alone, so a full compensatory pause follows it; a premature
    atrial beat resets the clock. One in ten ventricular beats comes late enough to meet the conducted wave: a fusion.
    """
    time_s, kind = [-LEAD_IN_S + float(rng.uniform(0, rhythm.mean_rr_s))], [N]
    phase = float(rng.uniform(0, 2 * np.pi))
    while time_s[-1] < duration_s + 1.0:
        now_s = time_s[-1]
        rr_s = _interval(rhythm, now_s, phase, rng)
        chance = float(rng.uniform())
        if kind[-1] == N and chance < rhythm.pvc_share:
            fused = bool(rng.uniform() < 0.1)
            coupling = float(rng.uniform(0.93, 0.98)) if fused else rhythm.pvc_coupling + float(rng.normal(0, 0.015))
            time_s += [now_s + coupling * rr_s, now_s + 2 * rr_s]
            kind += [F if fused else V, N]
        elif kind[-1] == N and chance < rhythm.pvc_share + rhythm.pac_share:
            premature_s = now_s + float(rng.uniform(0.6, 0.78)) * rr_s
            time_s += [premature_s, premature_s + 1.08 * rr_s]
            kind += [S, N]
        else:
            time_s.append(now_s + rr_s)
            kind.append(N)
    return BeatTimes(np.array(time_s), np.array(kind))


def _interval(rhythm: Rhythm, now_s: float, phase: float, rng: np.random.Generator) -> float:
    """The next interval: irregular without memory in fibrillation, else the mean moved by breathing and slow waves."""
    if rhythm.fibrillation:
        shape = 22.0  # of the gamma distribution: a standard deviation of 21 % of the mean
        return max(0.34, rhythm.mean_rr_s / shape * float(rng.gamma(shape)))
    breath = rhythm.breath_share * np.sin(2 * np.pi * rhythm.breath_hz * now_s + phase)
    slow = rhythm.slow_share * np.sin(2 * np.pi * 0.1 * now_s + 2 * phase)
    return float(rhythm.mean_rr_s * (1 + breath + slow + rng.normal(0, 0.006)))


def qt_stretch(beats: BeatTimes, mean_rr_s: float) -> Float64[np.ndarray, " beat"]:
    """QT of each beat against that at the mean rate: the cube root of a running mean of the intervals before it.

    QT follows the rate with a lag, so an interval counts 0.15 as much as all that went before it together.
    """
    running, out = mean_rr_s, [1.0]
    for rr_s in np.diff(beats.time_s):
        running += 0.15 * (float(rr_s) - running)
        out.append((running / mean_rr_s) ** (1 / 3))
    return np.array(out)
