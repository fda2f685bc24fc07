"""Records of a store through a frozen encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from beatssl.dataset.layout import MISSING, UNITS_PER_MV
from beatssl.dataset.store import Store
from beatssl.models.pooling import pool, valid_steps
from beatssl.progress import track


@torch.inference_mode()
def embed(
    encoder: nn.Module,
    store: Store,
    rows: Sequence[int] | Int64[np.ndarray, " row"],
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    title: str = "Embedding",
) -> Float32[np.ndarray, "row channels2"]:
    """Mean and maximum over time of the encoder's feature map, one line a row, in the order asked.

    The encoder is put into evaluation for it, and back into what it was in.
    """
    device = torch.device(device)
    wanted = np.asarray(rows, np.int64)
    samples = store.records["samples"].to_numpy(np.int64)
    was_training = encoder.training
    encoder.eval()
    parts: list[np.ndarray] = []
    try:
        starts = range(0, len(wanted), batch_size)
        for start in track(starts, title, unit="batches"):
            row = wanted[start : start + batch_size]
            units = torch.from_numpy(store.ecg_units(row)).to(device)
            missing = units == MISSING
            ecg_mv = units.float().div_(UNITS_PER_MV).masked_fill_(missing, 0)
            encoded: Any = encoder(ecg_mv, ~missing.all(dim=2))
            valid = torch.from_numpy(samples[row]).to(device)
            steps = valid_steps(valid, encoded.stride, encoded.feature_map.shape[2])
            parts.append(pool(encoded.feature_map, steps).float().cpu().numpy())
    finally:
        encoder.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
