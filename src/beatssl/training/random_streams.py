"""Random numbers of a run. Each follows from the run's seed, what it is for and where in the run it is drawn, so that
a run can be resumed at any update without the state of a generator."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int64

ORDER, BEATS, VIEWS, NETWORK, WEIGHTS, COTRAINING, HEARTS = range(7)
"""What a number is for; two uses never share a stream."""


def seed_of(seed: int, use: int, *place: int) -> int:
    """The seed of one generator, from the run's seed, what it is for, and where in the run."""
    return int(np.random.SeedSequence([seed, use, *place]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None, None, None]:
    """PyTorch's own random numbers (dropout, first weights) from `seed` within the block, and as before after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def shuffled(rows: int, size: int, seed: int, number: int) -> Int64[np.ndarray, " record"]:
    """Rows of batch `number`: an epoch shows each of `rows` once in a random order, but for a rest that fills no batch.

    Raises ValueError where the rows fill no batch.
    """
    if not 1 <= size <= rows:
        raise ValueError(f"batch size {size} with {rows} rows; pass one from 1 to {rows}")
    epoch, at = divmod(number, rows // size)
    order = np.random.default_rng([seed, ORDER, epoch]).permutation(rows)
    return order[at * size : (at + 1) * size]


def part_of(rows: Int64[np.ndarray, " record"], process: int, processes: int) -> Int64[np.ndarray, " own"]:
    """The part of a batch that one of several processes holds; all parts are equally long.

    Raises ValueError where the rows cannot be shared equally.
    """
    if len(rows) % processes:
        raise ValueError(f"batch size {len(rows)} cannot be shared by {processes} processes equally; pass a multiple")
    share = len(rows) // processes
    return rows[process * share : (process + 1) * share]
