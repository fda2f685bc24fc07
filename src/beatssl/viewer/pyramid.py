"""A signal at many scales, so that any stretch of it is drawn from a few thousand numbers: samples, and above them
lowest and highest values of ever longer bins. It is cut into tiles, which the page fetches and keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int16

from beatssl.analysis.page.signal_data import filtered_chunks
from beatssl.records.record import Record
from beatssl.signals.leads import canonical_leads, present_leads, without_constant

FACTOR = 4
"""Bins of a level that make one of the next."""
TILE = 2048
"""Samples or bins of a tile, of all leads."""
STEP_MV = 0.001
"""One step of the numbers; ±32.7 mV fit."""
MISSING = -32768

Samples = Int16[np.ndarray, "lead time"]


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Level 0 holds samples (lead, time), level k > 0 lowest and highest values (lead, bin, 2) of 4^k samples."""

    leads: tuple[str, ...]
    fs_hz: float
    levels: tuple[Int16[np.ndarray, "..."], ...]

    def tile(self, level: int, number: int) -> bytes:
        """A tile as little-endian int16, leads one after the other; the last one of a level is shorter.

        Raises IndexError where there is no such tile.
        """
        if not 0 <= level < len(self.levels) or not 0 <= number * TILE < self.levels[level].shape[1]:
            raise IndexError(f"there is no tile {number} of level {level}")
        return self.levels[level][:, number * TILE : (number + 1) * TILE].astype("<i2").tobytes()

    def about(self) -> dict[str, Any]:
        """What a reader of tiles needs to know."""
        return {
            "leads": list(self.leads), "fsHz": self.fs_hz, "stepMv": STEP_MV, "missing": MISSING, "tile": TILE,
            "factor": FACTOR, "lengths": [level.shape[1] for level in self.levels],
        }  # fmt: skip

    @property
    def nbytes(self) -> int:
        return sum(level.nbytes for level in self.levels)


def pyramid(record: Record) -> Pyramid:
    """The measured leads of a record, filtered as the page draws them, up to a level of one tile."""
    recorded_mv = without_constant(record.ecg_mv)
    names = canonical_leads(record.leads)
    there = np.flatnonzero(present_leads(recorded_mv)).tolist()
    samples = np.concatenate([_steps(mv) for mv in filtered_chunks(recorded_mv, there, record.fs_hz, 1)], axis=1)
    levels: list[Int16[np.ndarray, "..."]] = [samples]
    low = high = samples
    while low.shape[1] > TILE:
        low, high = coarser(low, high)
        levels.append(np.stack([low, high], axis=2))
    return Pyramid(tuple(names[at] for at in there), record.fs_hz, tuple(levels))


def coarser(low: Samples, high: Samples) -> tuple[Int16[np.ndarray, "lead quarter"], Int16[np.ndarray, "lead quarter"]]:
    """Lowest and highest values of bins that are four times as long; MISSING where nothing was measured."""
    short = -low.shape[1] % FACTOR
    padded = [np.pad(one, ((0, 0), (0, short)), constant_values=MISSING) for one in (low, high)]
    lows, highs = (one.reshape(len(one), -1, FACTOR) for one in padded)
    lowest = np.where(lows == MISSING, np.int16(32767), lows).min(axis=2)
    highest = highs.max(axis=2)
    return np.where(highest == MISSING, np.int16(MISSING), lowest), highest


def ranges_mv(found: Pyramid) -> dict[str, Sequence[float]]:
    """Of each lead, what all but a thousandth of its samples lie between."""
    out: dict[str, Sequence[float]] = {}
    for lead, row in zip(found.leads, found.levels[0], strict=True):
        some = row[:: max(1, len(row) // 200_000)]
        some = some[some != MISSING]
        ends = np.percentile(some, (0.05, 99.95)) * STEP_MV if some.size else np.zeros(2)
        out[lead] = [round(float(end), 3) for end in ends]
    return out


def _steps(mv: Any) -> Samples:
    steps = np.clip(np.round(np.nan_to_num(mv) / STEP_MV), -32767, 32767)
    return np.where(np.isnan(mv), MISSING, steps).astype(np.int16)
