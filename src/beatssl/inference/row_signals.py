"""Rows of a store as signals that views and networks take, read as they are asked for."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int16, Int64
from torch import Tensor

from beatssl.signals.leads import LEADS, to_twelve
from beatssl.store.layout import MISSING, UNITS_PER_MV, to_int16, to_mv
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


def twelve_units(store: Store, rows: Int64[np.ndarray, " row"]) -> Int16[np.ndarray, "row 12 time"]:
    """Signals of some rows as a store keeps them, each lead in its place among the twelve, as `prepare` puts them.

    A lead that has no such place is left out: an encoder of the twelve has none for it.
    """
    found = store.ecg_units(rows)
    if store.preparation.leads == LEADS:
        return found
    names = store.records["lead_names"].iloc[rows]
    ordered = [to_twelve(to_mv(row[: len(own)]), tuple(own)) for row, own in zip(found, names, strict=True)]
    return to_int16(np.stack(ordered)) if ordered else np.zeros((0, len(LEADS), found.shape[2]), np.int16)


class RowSignals:
    """`RowSignals(store)(rows)`: these rows in mV, 0 where not measured, with their beats.

    With `in_twelve` the leads of a store as recorded are put into their places among the twelve.
    """

    def __init__(self, store: Store, in_twelve: bool = False) -> None:
        self.store = store
        self.in_twelve = in_twelve
        self.samples = store.records["samples"].to_numpy(np.int64)
        beats = store.table("beats", ["row", "time_s"]).sort_values(["row", "time_s"], kind="stable")
        self.beat_at = (beats["time_s"].to_numpy(np.float64) * store.fs_hz).astype(np.float32)
        self.beat_begin = np.searchsorted(beats["row"].to_numpy(np.int64), np.arange(len(store) + 1))

    def __call__(self, rows: Int64[np.ndarray, " row"]) -> Signals:
        units = twelve_units(self.store, rows) if self.in_twelve else self.store.ecg_units(rows)
        ecg_mv, lead_mask = network_input(torch.from_numpy(units))
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


def on_device(signals: Signals, device: torch.device) -> Signals:
    """The same signals on a device."""
    if device.type == "cpu":
        return signals
    return Signals(
        signals.ecg_mv.to(device), signals.lead_mask.to(device), signals.valid.to(device),
        signals.beat_record.to(device), signals.beat_at.to(device), signals.fs_hz,
    )  # fmt: skip
