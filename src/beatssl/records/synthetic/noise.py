"""What the electrodes pick up beside the heart: baseline wander, muscle, mains, and the f waves of fibrillation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

EIGHT_FROM_ELECTRODES: Float32[np.ndarray, "8 9"] = np.zeros((8, 9), np.float32)
"""Leads I, II, V1–V6 from the potentials at RA, LA, LL, C1–C6; the chest leads against Wilson's terminal."""
EIGHT_FROM_ELECTRODES[0, :2] = [-1.0, 1.0]
EIGHT_FROM_ELECTRODES[1, [0, 2]] = [-1.0, 1.0]
EIGHT_FROM_ELECTRODES[2:, :3] = -1 / 3
EIGHT_FROM_ELECTRODES[2:, 3:] = np.eye(6)


@dataclass(frozen=True, slots=True)
class Noise:
    """Root mean square at one electrode, mV."""

    wander_mv: float
    muscle_mv: float
    mains_mv: float
    mains_hz: float = 50.0


def electrode_noise(
    noise: Noise, breath_hz: float, fs_hz: float, samples: int, rng: np.random.Generator
) -> Float32[np.ndarray, "8 time"]:
    """Noise in leads I, II, V1–V6, mV, made at the nine electrodes, so that the lead identities hold in it too.

    Mains hum is left out where the rate cannot carry it. Muscle noise is band-limited around a seventh of the rate
    and swells once in a while.
    """
    white = rng.standard_normal((9, samples + 4), dtype=np.float32)
    muscle = white[:, 4:] + white[:, 3:-1]
    muscle -= white[:, 1:-3]
    muscle -= white[:, :-4]  # its power is four times the white noise's
    muscle *= np.float32(noise.muscle_mv / 2 * min(1.0, np.sqrt(fs_hz / 500))) * _swell(samples, rng)
    muscle += _slow_waves(noise, breath_hz, fs_hz, samples, rng)
    return EIGHT_FROM_ELECTRODES @ muscle


def _slow_waves(
    noise: Noise, breath_hz: float, fs_hz: float, samples: int, rng: np.random.Generator
) -> Float32[np.ndarray, "9 time"]:
    """Baseline wander and mains at each electrode: a few sines, each with its own size and phase everywhere."""
    hz = np.append(np.array([0.05, 0.11, 0.19, breath_hz, 0.42]) * rng.uniform(0.8, 1.25, 5), noise.mains_hz)
    level_mv = np.append(noise.wander_mv * np.array([0.6, 0.45, 0.3, 0.5, 0.2]), noise.mains_mv)
    level_mv[2 * hz >= fs_hz] = 0.0
    turns = np.outer(2 * np.pi * hz / fs_hz, np.arange(samples)).astype(np.float32)
    amplitude_mv = (rng.normal(size=(2, 9, hz.size)) * level_mv).astype(np.float32)
    return amplitude_mv[0] @ np.cos(turns) + amplitude_mv[1] @ np.sin(turns)


def _swell(samples: int, rng: np.random.Generator) -> Float32[np.ndarray, " time"]:
    """Loudness of the muscle over the record: steady, or with one swell of up to four times."""
    if rng.uniform() > 0.2:
        return np.ones(samples, np.float32)
    height, middle = rng.uniform(1, 3), rng.uniform()
    return (1 + height * np.exp(-0.5 * ((np.linspace(0, 1, samples) - middle) / 0.1) ** 2)).astype(np.float32)


def fibrillation_waves(fs_hz: float, samples: int, rng: np.random.Generator) -> Float64[np.ndarray, "3 time"]:
    """The dipole of f waves, mV: two trains of blunt saw teeth at 5–8 Hz that drift in rate and size, most in V1."""
    time_s = np.arange(samples) / fs_hz
    out = np.zeros((3, samples))
    for hz in rng.uniform(5, 8, 2):
        drift_hz = rng.uniform(0.15, 0.6, 2)
        turns = 2 * np.pi * hz * time_s + 2.5 * np.sin(2 * np.pi * drift_hz[0] * time_s + rng.uniform(0, 6))
        size_mv = rng.uniform(0.010, 0.038) * (1 + 0.5 * np.sin(2 * np.pi * drift_hz[1] * time_s + rng.uniform(0, 6)))
        direction = np.array([-0.25, 0.45, -0.8]) + rng.normal(0, 0.25, 3)
        out += direction[:, None] * (size_mv * (np.sin(turns) + 0.35 * np.sin(2 * turns)))
    return out


def electrode_motion(fs_hz: float, samples: int, rng: np.random.Generator) -> Float64[np.ndarray, " time"]:
    """What a moving electrode adds to one lead, of unit power: a drifting offset with bursts between 1 and 10 Hz.

    The offset is a random walk that returns within about a second, as the skin's potential does. The bursts, one every
    two seconds, half a second long, hold the frequencies of T waves and of wide QRS complexes, as the noise "em" of
    the MIT-BIH Noise Stress Test Database does (Moody, Muldrow and Mark 1984), which this stands in for.
    """
    from scipy.signal import butter, lfilter, sosfilt

    walk = lfilter([1.0], [1.0, -np.exp(-1 / fs_hz)], rng.standard_normal(samples))
    bursts = sosfilt(butter(2, (1.0, 10.0), "bandpass", fs=fs_hz, output="sos"), rng.standard_normal(samples))
    time_s = np.arange(samples) / fs_hz
    loudness = np.full(samples, 0.1)
    for at_s in np.cumsum(rng.exponential(2.0, max(1, round(samples / fs_hz / 2)))):
        near = slice(*np.searchsorted(time_s, (at_s - 1.5, at_s + 1.5)).tolist())
        loudness[near] += np.exp(-0.5 * ((time_s[near] - at_s) / 0.25) ** 2)
    bursts *= loudness
    noise = walk / walk.std() + bursts / bursts.std()
    noise -= noise.mean()
    return noise / noise.std()
