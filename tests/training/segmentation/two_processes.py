"""Run by test_task.py: one batch on one process and shared by two; prints how far losses and gradients differ.

Nothing random, since processes draw apart, and no norm by the batch, since it would see each process's records alone.
"""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from sharing import compared
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from beatssl.inference.segmenter import EcgSegmenter, build_decoder
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.store import Store
from beatssl.training.config import OptimConfig
from beatssl.training.segmentation.config import UNCHANGED, FitConfig
from beatssl.training.segmentation.marks import marked_rows
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows
from beatssl.training.segmentation.task import WaveTask
from beatssl.views.config import ViewsConfig

CONFIG = FitConfig(
    decoder=DecoderConfig(width=0.25, kernel=5, dropout=0.0), train="all", optim=OptimConfig(batch_size=4),
    views=ViewsConfig(), hearts=UNCHANGED, nameless=0.0, few=0.0, smooth=0.0, cotrain_weight=0.5,
)  # fmt: skip


def step(store: Store, cotrained: bool, process: int, processes: int) -> list[Tensor]:
    """Losses and gradients of the first batch. The network is of float64: what is left to see is a mistake."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        encoder = build_encoder(EncoderConfig(width=0.25, depth=0.1, norm="group")).maps_only()
    segmenter = EcgSegmenter(encoder, build_decoder(CONFIG.decoder, encoder), store.preparation, {})
    for layer in segmenter.modules():
        if isinstance(layer, nn.Conv2d):  # some begin at 0, and would let no gradient through
            layer.weight.data += 0.01
    pseudo = PseudoLabelledRows(store, np.arange(8, 16), store.preparation) if cotrained else None
    task = WaveTask(
        segmenter, marked_rows(store, range(8)), CONFIG, 0, torch.device("cpu"), (process, processes), pseudo=pseudo
    )
    model = task.model.double()
    task.train_mode()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    wrapped: nn.Module = model if processes == 1 else DistributedDataParallel(model)
    batch = next(task.batches(0, 1))
    seen, marked = task.views(batch, torch.Generator(), 0)
    losses = task.losses(wrapped, batch, (replace(seen, ecg_mv=seen.ecg_mv.double()), marked))
    losses.total.backward()
    gradients = (weight.grad for weight in model.parameters() if weight.grad is not None)
    return [losses.total.detach(), *(loss.detach() for loss in losses.parts.values()), *gradients]


def main(path: str) -> None:
    for cotrained in (False, True):
        print(*compared(partial(step, Store(path), cotrained)))


if __name__ == "__main__":
    main(sys.argv[1])
