"""Rows of a store as signals that views and networks take, read as they are asked for."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int16, Int64
from torch import Tensor

from beatssl.store.layout import MISSING, UNITS_PER_MV
from beatssl.store.store import Store
from beatssl.views.view import Signals


def network_input(
    units: Int16[Tensor, "record lead time"], shown: Bool[Tensor, " lead"] | None = None
) -> tuple[Float32[Tensor, "record lead time"], Bool[Tensor, "record lead"]]:
    """Signals as a store keeps them in mV, 0 where not measured, and which leads are measured.

    With `shown` the other leads are withheld, as if they had not been recorded.
    """
    missing = units == MISSING
    if shown is not None:
        missing = missing | ~shown[:, None]
    return units.float().div_(UNITS_PER_MV).masked_fill_(missing, 0), ~missing.all(dim=2)


class RowSignals:
    """`RowSignals(store)(rows)`: these rows in mV, 0 where not measured, with their beats."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.samples = store.records["samples"].to_numpy(np.int64)
        beats = store.table("beats", ["row", "time_s"]).sort_values(["row", "time_s"], kind="stable")
        self.beat_at = (beats["time_s"].to_numpy(np.float64) * store.fs_hz).astype(np.float32)
        self.beat_begin = np.searchsorted(beats["row"].to_numpy(np.int64), np.arange(len(store) + 1))

    def __call__(self, rows: Int64[np.ndarray, " row"]) -> Signals:
        ecg_mv, lead_mask = network_input(torch.from_numpy(self.store.ecg_units(rows)))
        count = np.diff(self.beat_begin)[rows]
        record = np.repeat(np.arange(len(rows)), count)
        within = np.arange(len(record)) - np.repeat(np.cumsum(count) - count, count)
        beat = self.beat_begin[rows][record] + within
        return Signals(
            ecg_mv=ecg_mv,
            lead_mask=lead_mask,
            valid=torch.from_numpy(self.samples[rows]),
            beat_record=torch.from_numpy(record),
            beat_at=torch.from_numpy(self.beat_at[beat]),
            fs_hz=self.store.fs_hz,
        )
