"""Rows of regular beats whose waves, boundaries and amplitudes are known, to hold the measures against."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats, beats_of_rows, median_beats
from beatssl.features import measure_beats, measure_records
from beatssl.signals.vcg import twelve_from_eight

FS_HZ = 100.0
GAINS = np.array([0.8, 1.0, -0.3, 0.4, 0.9, 1.5, 1.4, 1.1])
"""R amplitude in mV of I, II, V1–V6; a negative one is a QS complex."""

T_GAINS = np.abs(GAINS) / 4

MARKS_S = (-0.22, -0.16, -0.10, -0.05, 0.0, 0.05, 0.16, 0.28, 0.40)


def eight_leads(times_s: np.ndarray, samples: int, gains: np.ndarray, t_gains: np.ndarray) -> np.ndarray:
    """P, R and T as Gaussians at −160, 0 and 280 ms of every beat."""
    at = np.arange(samples) / FS_HZ
    out = np.zeros((8, samples))
    for when in times_s:
        p = 0.1 * np.exp(-0.5 * ((at - when + 0.16) / 0.018) ** 2)
        r = np.exp(-0.5 * ((at - when) / 0.012) ** 2)
        t = np.exp(-0.5 * ((at - when - 0.28) / 0.035) ** 2)
        out += p + gains[:, None] * r + t_gains[:, None] * t
    return out.astype(np.float32)


def marks(count: int) -> Fiducials:
    """The true boundaries, the same for every beat."""
    return Fiducials(*(np.full(count, at, np.float32) for at in MARKS_S))


@dataclass(frozen=True)
class Rows:
    """What the measures take."""

    beats: Beats
    ecg_mv: np.ndarray

    @classmethod
    def of(cls, ecg: list[np.ndarray], times_s: list[np.ndarray]) -> "Rows":
        twelve = [twelve_from_eight(x) if len(x) == 8 else x for x in ecg]
        return cls(beats_of_rows(twelve, times_s, FS_HZ), np.stack(twelve))

    def scaled(self, factor: float) -> "Rows":
        window = self.beats.window_mv * np.float32(factor)
        return Rows(replace(self.beats, window_mv=window), self.ecg_mv * np.float32(factor))

    def arguments(self, classes: np.ndarray | None = None) -> tuple:
        rows = len(self.ecg_mv)
        median = median_beats(self.beats, rows, np.ones(len(self.beats), bool))
        empty = np.bincount(self.beats.row, minlength=rows) == 0
        of_rows = Fiducials(*(np.where(empty, np.nan, np.float32(at)).astype(np.float32) for at in MARKS_S))
        return self.beats, marks(len(self.beats)), median, of_rows, classes, self.ecg_mv, FS_HZ, rows

    def records(self, classes: np.ndarray | None = None):
        return measure_records(*self.arguments(classes))

    def by_beat(self):
        return measure_beats(*self.arguments())


@pytest.fixture(scope="session")
def make_rows():
    """A function from lists of beat times (and amplitudes) to `Rows`."""

    def make(times_s, gains=GAINS, t_gains=T_GAINS, samples=1000) -> Rows:
        return Rows.of([eight_leads(t, samples, gains, t_gains) for t in times_s], times_s)

    make.of = Rows.of
    return make


@pytest.fixture(scope="session")
def regular(make_rows) -> Rows:
    """Three rows at 60, 75 and 100 beats a minute."""
    return make_rows([np.arange(0.5, 9.6, step) for step in (1.0, 0.8, 0.6)])
