"""Training rows in shuffled batches. Which rows and beats a step sees follows from the seed and its number alone, so
that a run can go on at any step without having kept the state of a generator."""

import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int16, Int64
from torch import Tensor

from beatssl.inference.row_signals import network_input
from beatssl.training.pretraining.columns import TrainingData
from beatssl.views.view import Signals

Item = TypeVar("Item")

ORDER, BEATS, VIEWS, NETWORK, WEIGHTS = range(5)
"""What a number drawn from the run's seed is for; two uses never share a stream."""


@dataclass(frozen=True)
class Batch:
    """Rows with all their beats, and of these the ones `chosen` for contrast, with their features and kinds."""

    row: Int64[Tensor, " record"]  # in TrainingData; stays on the CPU
    units: Int16[Tensor, "record lead time"]
    valid: Int64[Tensor, " record"]
    record_values: Float32[Tensor, "record feature"]
    record_measured: Bool[Tensor, "record feature"]
    record_target: Float32[Tensor, "record component"]  # what similarity compares
    record_certain: Float32[Tensor, "record component"]
    beat_record: Int64[Tensor, " beat"]
    beat_at: Float32[Tensor, " beat"]
    chosen: Int64[Tensor, " chosen"]  # among the beats, ascending
    beat_values: Float32[Tensor, "chosen beat_feature"]
    beat_measured: Bool[Tensor, "chosen beat_feature"]
    beat_target: Float32[Tensor, "chosen beat_component"]
    beat_certain: Float32[Tensor, "chosen beat_component"]
    beat_class: Int64[Tensor, " chosen"]
    beat_cluster: Int64[Tensor, " chosen"]
    fs_hz: float

    def __len__(self) -> int:
        return len(self.row)

    def to(self, device: torch.device) -> "Batch":
        """All but `row` on the device; from pinned memory where it is a GPU."""
        if device.type == "cpu":
            return self
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("row", "fs_hz")}
        moved = {name: value.pin_memory().to(device, non_blocking=True) for name, value in tensors.items()}
        return replace(self, **moved)

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
class Stream:
    """The batches of a run, by number.

    A batch has `batch_size` rows over all processes; each process holds an equal part of it. An epoch shows every row
    once, but for the last few that fill no batch. At most `beats_per_record` beats of a row are chosen, at random
    (0: all). `batch_size` × `beats_per_record` = n beats make similarity matrices of (2n)² numbers: with 128 × 4,
    4 MB each in float32, with 128 × 12, 38 MB.

    Raises ValueError where the rows fill no batch, or the processes cannot share one equally.
    """

    data: TrainingData
    batch_size: int
    beats_per_record: int
    seed: int
    process: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.batch_size > len(self.data):
            raise ValueError(f"batch size {self.batch_size} is more than the {len(self.data)} rows; pass a smaller one")
        if self.batch_size % self.processes:
            raise ValueError(f"batch size {self.batch_size} cannot be shared by {self.processes} processes equally")

    @property
    def batches_per_epoch(self) -> int:
        return len(self.data) // self.batch_size

    def rows(self, number: int) -> Int64[np.ndarray, " record"]:
        """Rows of a batch, over all processes."""
        epoch, at = divmod(number, self.batches_per_epoch)
        order = np.random.default_rng([self.seed, ORDER, epoch]).permutation(len(self.data))
        return order[at * self.batch_size : (at + 1) * self.batch_size]

    def batch(self, number: int) -> Batch:
        """This process's part of a batch."""
        rng = np.random.default_rng([self.seed, BEATS, number])
        share = self.batch_size // self.processes
        begin = self.process * share
        return make_batch(self.data, self.rows(number), slice(begin, begin + share), self.beats_per_record, rng)

    def batches(self, first: int, end: int) -> Iterator[Batch]:
        """Batches `first` to `end` − 1."""
        for number in range(first, end):
            yield self.batch(number)


def make_batch(
    data: TrainingData,
    rows: Int64[np.ndarray, " record"],
    part: slice,
    beats_per_record: int,
    rng: np.random.Generator,
) -> Batch:
    """The batch of `rows[part]`; what is drawn at random is drawn for all rows, so that parts fit together."""
    count = np.diff(data.beat_begin)[rows]
    key = np.split(rng.random(int(count.sum())), np.cumsum(count)[:-1])[part]
    rows, count = rows[part], count[part]
    beat_record = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(beat_record)) - np.repeat(np.cumsum(count) - count, count)
    beat = np.repeat(data.beat_begin[rows], count) + within
    # Sorted by record and key, a beat's place within its record is its rank among that record's keys.
    order = np.lexsort((np.concatenate([np.zeros(0), *key]), beat_record))
    chosen = np.sort(order[within < beats_per_record]) if beats_per_record else np.arange(len(beat))
    picked = beat[chosen]
    return Batch(
        row=torch.from_numpy(rows),
        units=torch.from_numpy(data.ecg_units(rows)),
        valid=torch.from_numpy(data.samples[rows]),
        record_values=torch.from_numpy(data.record_told.values[rows]),
        record_measured=torch.from_numpy(data.record_told.measured[rows]),
        record_target=torch.from_numpy(data.record_target.values[rows]),
        record_certain=torch.from_numpy(data.record_target.certain[rows].astype(np.float32)),
        beat_record=torch.from_numpy(beat_record),
        beat_at=torch.from_numpy(data.beat_at[beat]),
        chosen=torch.from_numpy(chosen),
        beat_values=torch.from_numpy(data.beat.values[picked]),
        beat_measured=torch.from_numpy(data.beat.measured[picked]),
        beat_target=torch.from_numpy(data.beat_target.values[picked]),
        beat_certain=torch.from_numpy(data.beat_target.certain[picked].astype(np.float32)),
        beat_class=torch.from_numpy(data.beat_class[picked]),
        beat_cluster=torch.from_numpy(data.beat_cluster[picked]),
        fs_hz=data.fs_hz,
    )


def prefetched(items: Iterator[Item], ahead: int = 2) -> Generator[Item, None, None]:
    """The same items, made by a thread up to `ahead` before they are asked for. Its errors are raised here."""
    if ahead < 1:
        yield from items
        return
    ready: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(kind: str, value: "Item | BaseException | None") -> None:
        while not stop.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # pyright: ignore[reportReturnType]
    finally:
        stop.set()
        thread.join()


def seed_of(seed: int, use: int, *place: int) -> int:
    """A number for one generator, from the run's seed, what it is for, and where in the run."""
    return int(np.random.SeedSequence([seed, use, *place]).generate_state(1, np.uint64)[0] >> 1)
