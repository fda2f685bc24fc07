"""Rows of a store as signals that views and networks take, read as they are asked for."""

import numpy as np
import torch
from jaxtyping import Int64

from beatssl.store.layout import MISSING, UNITS_PER_MV
from beatssl.store.store import Store
from beatssl.views.view import Signals


class RowSignals:
    """`RowSignals(store)(rows)`: these rows in mV, 0 where not measured, with their beats."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.samples = store.records["samples"].to_numpy(np.int64)
        beats = store.table("beats", ["row", "time_s"]).sort_values(["row", "time_s"], kind="stable")
        self.beat_at = (beats["time_s"].to_numpy(np.float64) * store.fs_hz).astype(np.float32)
        self.beat_begin = np.searchsorted(beats["row"].to_numpy(np.int64), np.arange(len(store) + 1))

    def __call__(self, rows: Int64[np.ndarray, " row"]) -> Signals:
        units = torch.from_numpy(self.store.ecg_units(rows))
        missing = units == MISSING
        count = np.diff(self.beat_begin)[rows]
        record = np.repeat(np.arange(len(rows)), count)
        within = np.arange(len(record)) - np.repeat(np.cumsum(count) - count, count)
        beat = self.beat_begin[rows][record] + within
        return Signals(
            ecg_mv=units.float().div_(UNITS_PER_MV).masked_fill_(missing, 0),
            lead_mask=~missing.all(dim=2),
            valid=torch.from_numpy(self.samples[rows]),
            beat_record=torch.from_numpy(record),
            beat_at=torch.from_numpy(self.beat_at[beat]),
            fs_hz=self.store.fs_hz,
        )


def on_device(signals: Signals, device: torch.device) -> Signals:
    """The same signals on a device."""
    if device.type == "cpu":
        return signals
    return Signals(
        signals.ecg_mv.to(device), signals.lead_mask.to(device), signals.valid.to(device),
        signals.beat_record.to(device), signals.beat_at.to(device), signals.fs_hz,
    )  # fmt: skip
