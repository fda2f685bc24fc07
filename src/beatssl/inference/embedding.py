"""Records of a store through a frozen encoder."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from beatssl.inference.row_signals import network_input
from beatssl.models.encoded import Encoder
from beatssl.progress import track
from beatssl.store.store import Store


@torch.inference_mode()
def embed(
    encoder: Encoder,
    store: Store,
    rows: Sequence[int] | Int64[np.ndarray, " row"],
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    title: str = "Embedding",
    leads: Sequence[str] = (),
) -> Float32[np.ndarray, "row embedding"]:
    """The encoder's embeddings of whole records, one line a row, in the order asked.

    `leads`: those the encoder is shown, the others withheld as if they had not been recorded; none: all. The encoder is
    put into evaluation for it, and back into what it was in.

    Raises ValueError for a lead that is none of the store's.
    """
    device = torch.device(device)
    shown = shown_leads(store, leads).to(device)
    wanted = np.asarray(rows, np.int64)
    samples = store.records["samples"].to_numpy(np.int64)
    was_training = encoder.training
    encoder.eval()
    parts: list[np.ndarray] = []
    try:
        starts = range(0, len(wanted), batch_size)
        for start in track(starts, title, unit="batches"):
            row = wanted[start : start + batch_size]
            encoded = encoder(*network_input(torch.from_numpy(store.ecg_units(row)).to(device), shown))
            valid = torch.from_numpy(samples[row]).to(device)
            parts.append(encoder.embed(encoded, valid).float().cpu().numpy())
    finally:
        encoder.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def shown_leads(store: Store, leads: Sequence[str]) -> Bool[Tensor, " lead"]:
    """Which of a store's leads are among `leads`; without any, all. Raises ValueError for one that is none of them."""
    if strange := [name for name in leads if name not in store.leads]:
        raise ValueError(f"{strange[0]!r} is no lead of store {store.path}; it has {', '.join(store.leads)}")
    return torch.tensor([not leads or name in leads for name in store.leads])
