"""Run by test_label_task.py: one batch on one process and shared by two; prints how far losses and gradients differ.

Views that draw nothing, since processes draw apart, and group norm, since batch norm sees each process's records alone.
"""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from sharing import compared
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.row_signals import RowSignals
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.labels import cohort
from beatssl.store.store import Store
from beatssl.training.diagnosis.finetune import RecordInputs
from beatssl.training.diagnosis.label_task import LabelTask
from beatssl.training.diagnosis.learnable import LearntLabels
from beatssl.views.config import ViewsConfig
from beatssl.views.registry import build_views


def step(store: Store, process: int, processes: int) -> list[Tensor]:
    """Loss and gradients of the first batch. The encoder is of float64: what is left to see is a mistake."""
    group = cohort(store, "superclass", (1, 2, 3, 4), 5, 6)
    # Some labels are not known, so that the processes' losses are means over unlike numbers of entries.
    group = replace(group, known=group.known & (np.arange(len(group.row))[:, None] % 3 != np.arange(5)))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        encoder = build_encoder(EncoderConfig(width=0.25, depth=0.1, norm="group"))
        model = EcgClassifier(encoder, HeadConfig(group.names), store.preparation, {})
        model.encoder.double()
    shown = torch.ones(len(store.leads), dtype=torch.bool)
    task = LabelTask(
        model=model, trained=((model, 1.0),), inputs=RecordInputs(
            RowSignals(store), group.row, build_views(ViewsConfig()), shown
        ), labels=LearntLabels(group, group.train, balance=0.5),
        record_id=store.records["record_id"].to_numpy()[group.row],
        epochs=1, least_updates=1, batch_size=8, accumulate=1, half=False, seed=0, device=torch.device("cpu"),
        share=(process, processes), from_probe=True,
    )  # fmt: skip
    task.train_mode()
    wrapped: nn.Module = model if processes == 1 else DistributedDataParallel(model)
    batch = next(task.batches(0, 1))
    ecg_mv, lead_mask, valid = task.views(batch, torch.Generator(), 0)
    losses = task.losses(wrapped, batch, (ecg_mv.double(), lead_mask, valid))
    losses.total.backward()
    return [losses.total.detach(), *(weight.grad for weight in model.parameters() if weight.grad is not None)]


def main(path: str) -> None:
    print(*compared(partial(step, Store(path))))


if __name__ == "__main__":
    main(sys.argv[1])
