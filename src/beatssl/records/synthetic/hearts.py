"""When drawn hearts beat: atria and ventricles together, in AV block, and with fibrillating or fluttering atria."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from beatssl.records.synthetic.drawn import conducted_p_s, regular
from beatssl.records.synthetic.noise import fibrillation_waves
from beatssl.records.synthetic.rhythm import Rhythm, beat_times
from beatssl.signals.vcg import from_vcg

_EDGE_S = 0.3  # nothing begins within this time of a record's end
_PR_S = 0.16  # from the peak of P to that of R
_FLUTTER_TO = np.array([0.15, 1.0, 0.35])  # negative saw teeth in the inferior leads, positive in V1
_II = 1


@dataclass(frozen=True, slots=True)
class Heart:
    """Peaks of P and R of one record, in seconds, and what fibrillating or fluttering atria add to its leads."""

    r_s: Float64[np.ndarray, " beat"]
    p_s: Float64[np.ndarray, " p"]
    """None in fibrillation and flutter."""
    atrial_mv: Float64[np.ndarray, "12 time"] | None = None
    qrs_s: float = 0.09


def sinus(rate: float, seconds: float, rng: np.random.Generator, irregular: float = 0.0) -> Heart:
    """A P before every QRS; RR regular, or with a standard deviation in parts of its mean."""
    r_s = regular(rate, seconds)
    r_s = r_s + np.clip(irregular * rng.standard_normal(len(r_s)), -0.3, 0.3) * 60 / rate
    return Heart(r_s, conducted_p_s(r_s))


def fibrillating(rate: float, seconds: float, rng: np.random.Generator, fs_hz: float) -> Heart:
    """Atrial fibrillation: RR irregular, f waves of 5-8 Hz, 0.05 to 0.1 mV from peak to peak in lead II."""
    r_s = beat_times(Rhythm(60 / rate, fibrillation=True), seconds, rng).time_s
    waves_mv = from_vcg(fibrillation_waves(fs_hz, round(seconds * fs_hz), rng))
    of_sine = 2 * np.sqrt(2) * waves_mv[_II].std()
    return Heart(_inside(r_s, seconds), np.zeros(0), waves_mv * rng.uniform(0.05, 0.1) / of_sine)


def fluttering(waves_a_beat: int, seconds: float, rng: np.random.Generator, fs_hz: float) -> Heart:
    """Atrial flutter at about 300 a minute, saw teeth of 0.1 to 0.2 mV in lead II, conducted every nth time."""
    wave_s, first_s = 60 / rng.uniform(280, 320), rng.uniform(0.3, 0.6)
    turns = 2 * np.pi * (np.arange(round(seconds * fs_hz)) / fs_hz + rng.uniform(0, wave_s)) / wave_s
    saw = sum(np.sin(k * turns) / k for k in range(1, 7))
    waves_mv = from_vcg(_FLUTTER_TO[:, None] * saw)
    r_s = np.arange(first_s, seconds - _EDGE_S, waves_a_beat * wave_s)
    return Heart(r_s, np.zeros(0), waves_mv * rng.uniform(0.1, 0.2) / np.ptp(waves_mv[_II]))


def second_degree(
    p_rate: float, p_a_pause: int, lengthening_s: float, seconds: float, rng: np.random.Generator
) -> Heart:
    """Every nth P is not conducted; till then PR grows by `lengthening_s` from beat to beat (Wenckebach)."""
    p_s = np.arange(rng.uniform(0.3, 0.6), seconds, 60 / p_rate)
    number = np.arange(len(p_s)) % p_a_pause
    r_s = (p_s + _PR_S + lengthening_s * number)[number < p_a_pause - 1]
    return Heart(_inside(r_s, seconds), _inside(p_s, seconds))


def third_degree(p_rate: float, r_rate: float, seconds: float, rng: np.random.Generator) -> Heart:
    """Atria and ventricles each at its own rate; QRS a little wide."""
    starts_s = rng.uniform(0.3, 0.3 + 60 / np.array([p_rate, r_rate]))
    p_s, r_s = (np.arange(start, seconds, 60 / rate) for start, rate in zip(starts_s, (p_rate, r_rate), strict=True))
    return Heart(_inside(r_s, seconds), _inside(p_s, seconds), qrs_s=0.12)


def _inside(times_s: Float64[np.ndarray, " time"], seconds: float) -> Float64[np.ndarray, " inside"]:
    return times_s[(times_s >= _EDGE_S) & (times_s < seconds - _EDGE_S)]
