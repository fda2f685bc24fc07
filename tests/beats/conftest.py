"""Rows of made-up beats in any number of leads, some of them wide or early."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from beatssl.beats.windows import Beats, beats_of_rows

FS_HZ = 100.0


@dataclass
class Row:
    """Intervals before each beat, and a letter for its shape: N narrow with P, S narrow without P, V wide."""

    rr_s: Sequence[float]
    shape: str


def signal_of(row: Row, leads: int, seed: int, fs_hz: float = FS_HZ) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    r_times = 0.3 + np.cumsum(row.rr_s)
    time = np.arange(round((r_times[-1] + 0.9) * fs_hz)) / fs_hz
    gain = rng.uniform(0.4, 1.2, (leads, 3)) * rng.choice([-1, 1], (leads, 1))
    other = rng.uniform(-1.5, 1.5, (leads, 2))
    ecg = 0.005 * rng.normal(size=(leads, time.size))
    for at, shape in zip(r_times, row.shape, strict=True):
        wide = shape == "V"
        waves = [(0.0, 0.045 if wide else 0.015, other[:, 0] if wide else gain[:, 0])]
        waves.append((0.30, 0.05, -0.5 * other[:, 0] if wide else 0.3 * gain[:, 1]))
        if shape == "N":
            waves.append((-0.16, 0.02, 0.15 * gain[:, 2]))
        for offset, width, size in waves:
            ecg += size[:, None] * np.exp(-0.5 * ((time - at - offset) / width) ** 2)
    return ecg.astype(np.float32), r_times


@pytest.fixture(scope="session")
def made_beats() -> Callable[..., Beats]:
    """`made_beats([Row, …], leads=12)`."""

    def make(rows: Sequence[Row], leads: int = 12, fs_hz: float = FS_HZ) -> Beats:
        signals = [signal_of(row, leads, seed, fs_hz) for seed, row in enumerate(rows)]
        return beats_of_rows([ecg for ecg, _ in signals], [times for _, times in signals], fs_hz)

    return make
