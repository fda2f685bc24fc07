"""Pretraining batches. Which rows and beats a step sees follows from the run's seed and the batch's number alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16, Int64, Shaped
from torch import Tensor

from beatssl.inference.row_signals import network_input
from beatssl.training.pretraining.columns import Columns, Rows
from beatssl.training.random_streams import BEATS, part_of, shuffled
from beatssl.views.view import Signals


@dataclass(frozen=True)
class Batch:
    """Rows with all their beats, and the objective's columns of the rows and of the beats that were `chosen`."""

    row: Int64[np.ndarray, " record"]  # in `Rows`
    units: Int16[Tensor, "record lead time"]
    valid: Int64[Tensor, " record"]
    beat_record: Int64[Tensor, " beat"]
    beat_at: Float32[Tensor, " beat"]
    chosen: Int64[Tensor, " chosen"]  # among the beats, ascending
    record: dict[str, Shaped[Tensor, "record ..."]]
    beat: dict[str, Shaped[Tensor, "chosen ..."]]
    fs_hz: float

    def __len__(self) -> int:
        return len(self.row)

    def signals(self) -> Signals:
        """The rows in mV, 0 where not measured, with all their beats."""
        ecg_mv, lead_mask = network_input(self.units)
        return Signals(
            ecg_mv=ecg_mv,
            lead_mask=lead_mask,
            valid=self.valid,
            beat_record=self.beat_record,
            beat_at=self.beat_at,
            fs_hz=self.fs_hz,
        )


@dataclass(frozen=True)
class Batches:
    """The batches of a run, by number.

    A batch has `size` rows over all processes; each process holds an equal part of it. An epoch shows every row once,
    but for the last few that fill no batch. At most `beats_per_record` beats of a row are chosen, at random (0: all),
    each with a chance in proportion to `columns.chance`.

    Raises ValueError where the rows fill no batch, or the processes cannot share one equally.
    """

    rows: Rows
    columns: Columns
    size: int
    beats_per_record: int
    seed: int
    process: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        part_of(self.at(0), self.process, self.processes)

    @property
    def per_epoch(self) -> int:
        return len(self.rows) // self.size

    def at(self, number: int) -> Int64[np.ndarray, " record"]:
        """Rows of a batch, over all processes."""
        return shuffled(len(self.rows), self.size, self.seed, number)

    def batch(self, number: int) -> Batch:
        """This process's part of a batch."""
        rng = np.random.default_rng([self.seed, BEATS, number])
        share = self.size // self.processes
        part = slice(self.process * share, (self.process + 1) * share)
        return make_batch(self.rows, self.columns, self.at(number), part, self.beats_per_record, rng)

    def between(self, first: int, end: int) -> Iterator[Batch]:
        """Batches `first` to `end` − 1."""
        for number in range(first, end):
            yield self.batch(number)


def make_batch(
    rows: Rows,
    columns: Columns,
    at: Int64[np.ndarray, " record"],
    part: slice,
    beats_per_record: int,
    rng: np.random.Generator,
) -> Batch:
    """The batch of rows `at[part]`; what is drawn at random is drawn for all of `at`, so that parts fit together."""
    count = np.diff(rows.beat_begin)[at]
    key = np.split(rng.random(int(count.sum())), np.cumsum(count)[:-1])[part]
    at, count = at[part], count[part]
    beat_record = np.repeat(np.arange(len(at)), count)
    within = np.arange(len(beat_record)) - np.repeat(np.cumsum(count) - count, count)
    beat = np.repeat(rows.beat_begin[at], count) + within
    drawn = np.concatenate([np.zeros(0), *key])
    if columns.chance is not None:  # exponential times at these rates: the first to come are a draw by weight
        drawn = -np.log1p(-drawn) / columns.chance[beat]
    # Sorted by record and key, a beat's place within its record is its rank among that record's keys.
    order = np.lexsort((drawn, beat_record))
    chosen = np.sort(order[within < beats_per_record]) if beats_per_record else np.arange(len(beat))
    return Batch(
        row=at,
        units=torch.from_numpy(rows.ecg_units(at)),
        valid=torch.from_numpy(rows.samples[at]),
        beat_record=torch.from_numpy(beat_record),
        beat_at=torch.from_numpy(rows.beat_at[beat]),
        chosen=torch.from_numpy(chosen),
        record={name: torch.from_numpy(column[at]) for name, column in columns.record.items()},
        beat={name: torch.from_numpy(column[beat[chosen]]) for name, column in columns.beat.items()},
        fs_hz=rows.fs_hz,
    )
