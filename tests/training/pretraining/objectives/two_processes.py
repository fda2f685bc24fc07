"""Run by test_contract.py: one batch on one process and shared by two; prints how far losses and gradients differ,
a line a preset.

Views that draw nothing, since processes draw apart, and group norm, since batch norm sees each process's records alone.
"""

import sys
from dataclasses import replace
from functools import partial

import torch
from sharing import compared
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.pretraining.batches import Batches
from beatssl.training.pretraining.columns import Rows, load_rows
from beatssl.training.pretraining.objectives import METHODS
from beatssl.training.pretraining.objectives.latent_prediction import Blocks
from beatssl.training.pretraining.objectives.ts2vec import Crops
from beatssl.training.pretraining.presets import preset
from beatssl.views.view import Signals

BATCH, BEATS = 8, 3
WHICH = {
    "beatssl": (
        "objective.regression=1",
        "objective.beat_regression=1",
        "objective.projector_hidden=16",
        "objective.beat_bins=4",
        "objective.beat_shape=4",
        "objective.kernel.coordinates=0",
    ),
    "vicreg": ("objective.projector_hidden=16", "objective.projector_out=8"),
    "ts2vec": ("objective.projector_out=8",),
    "latent-prediction": ("objective.predictor_channels=16",),
}
"""What is changed of each preset."""


def step(data: Rows, name: str, process: int, processes: int) -> list[Tensor]:
    """Loss and gradients of the first batch. In float64: what is left to see is a mistake, not rounding."""
    values = preset(name, WHICH[name])
    method = METHODS[values.method]
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5, norm="group"))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        columns = method.columns(data, values.objective)
        objective = method.build(encoder, values.objective, columns).double()
    wrapped: nn.Module = objective if processes == 1 else DistributedDataParallel(objective)
    batch = Batches(data, columns, BATCH, BEATS, 0, process, processes).batch(0)
    signals = batch.signals()
    exact = replace(signals, ecg_mv=signals.ecg_mv.double(), beat_at=signals.beat_at.double())
    louder = replace(exact, ecg_mv=1.5 * exact.ecg_mv)
    outcome = wrapped(batch, views(name, exact, louder))
    outcome.total.backward()
    return [outcome.total.detach(), *(weight.grad for weight in objective.parameters() if weight.grad is not None)]


def views(name: str, first: Signals, second: Signals) -> object:
    """What an objective compares of two versions of the records, the same wherever a record is."""
    records, steps = len(first.valid), torch.arange(100)
    if name == "ts2vec":
        none = torch.zeros(records, dtype=torch.int64)
        return Crops(first, second, none, none, (steps < 90).expand(records, -1))
    if name == "latent-prediction":
        hidden = (torch.arange(125) % 25 < first.valid[:, None] // 50).contiguous()
        return Blocks(first, second, hidden)
    return first, second


def main(store: str) -> None:
    rows = load_rows([store])
    for name in WHICH:
        print(*compared(partial(step, rows, name)))


if __name__ == "__main__":
    main(sys.argv[1])
