"""Heartbeats of a store through a frozen encoder: each one's part of the feature map."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from beatssl.inference.device import to_device
from beatssl.inference.row_signals import RowSignals
from beatssl.models.pooling import valid_steps
from beatssl.models.roi import beat_windows, roi_project
from beatssl.progress import track
from beatssl.store.store import Store

_CPU = torch.device("cpu")


@torch.inference_mode()
def embed_beats(
    encoder: nn.Module,
    store: Store,
    rows: Int64[np.ndarray, " row"],
    bins: int = 4,
    batch_size: int = 256,
    device: torch.device = _CPU,
) -> tuple[Float32[np.ndarray, "beat channel_bins"], Int64[np.ndarray, " beat"]]:
    """Every beat of some rows, at `bins` places from R − 250 to R + 450 ms, and its line in the store's table of beats.

    Of a store with leads as recorded pass `store.twelve_leads()`. The encoder is put into evaluation for it, and back
    into what it was in.
    """
    signals_of = RowSignals(store)
    number = store.beats["row"].to_numpy(np.int64)
    if (np.diff(number) < 0).any():
        raise ValueError(f"beats of {store.path} are not in the order of its rows; prepare the store again")
    was_training = encoder.training
    encoder.eval()
    parts: list[np.ndarray] = []
    lines: list[np.ndarray] = [np.zeros(0, np.int64)]
    try:
        for start in track(range(0, len(rows), batch_size), "Embedding beats", unit="batches"):
            row = rows[start : start + batch_size]
            signals = to_device(signals_of(row), device)
            encoded: Any = encoder(signals.ecg_mv, signals.lead_mask)
            begin, end = beat_windows(signals.beat_at, signals.beat_record, store.fs_hz)
            steps = valid_steps(signals.valid, encoded.stride, encoded.feature_map.shape[2])
            found = roi_project(
                encoded.feature_map.float(), signals.beat_record, begin / encoded.stride, end / encoded.stride, bins,
                steps,
            )  # fmt: skip
            parts.append(found.flatten(1).cpu().numpy())
            lines += [np.arange(*np.searchsorted(number, (one, one + 1))) for one in row]
    finally:
        encoder.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32), np.concatenate(lines)
