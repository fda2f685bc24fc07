"""Rows in random batches, as arrays that a network can take."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int

from beatssl.dataset.store import Store


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a store."""

    row: Int[np.ndarray, " row"]
    ecg_mv: Float32[np.ndarray, "row lead time"]  # 0 where not measured
    measured: Bool[np.ndarray, "row lead time"]


def batches(
    store: Store, rows: Int[np.ndarray, " all_rows"], batch_size: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Each of `rows` once, in random order, `batch_size` at a time; the last batch may be smaller.

    Raises ValueError for a batch size under 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch size {batch_size}; pass at least 1")
    order = rng.permutation(rows)
    for start in range(0, len(order), batch_size):
        row = order[start : start + batch_size]
        ecg_mv = store.ecg_mv(row)
        measured = np.isfinite(ecg_mv)
        yield Batch(row, np.where(measured, ecg_mv, np.float32(0)), measured)
