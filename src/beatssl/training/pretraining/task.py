"""Pretraining as a task of the training loop: an objective on batches of unlabelled rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from beatssl.training.optim import Groups
from beatssl.training.pretraining.batches import Batch, Batches
from beatssl.training.pretraining.objective import Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.registry import build_views


@dataclass
class Pretraining:
    """An objective, the batches it sees and the views it is shown; see `training.task.Task`."""

    model: Objective
    stream: Batches
    preset: Preset
    epochs: int
    accumulate: int
    probe_every: int
    probe: Callable[[nn.Module], dict[str, float]]
    """Figures of the encoder."""
    keep: Callable[[nn.Module, int], None]
    """Writes the encoder for use, after so many updates."""
    title: str = "Pretraining"
    chosen_by: None = None

    def __post_init__(self) -> None:
        self.updates_per_epoch = max(1, self.stream.per_epoch // self.accumulate)
        self.updates = self.updates_per_epoch * self.epochs
        self._augment = build_views(self.preset.views)

    def groups(self) -> Groups:
        """All weights, at one rate."""
        return ((self.model, 1.0),)

    def train_mode(self) -> None:
        """Everything is trained."""
        self.model.train()

    def batches(self, first: int, end: int) -> Iterator[Batch]:
        """This process's part of some batches."""
        return self.stream.between(first, end)

    def views(self, batch: Batch, generator: torch.Generator, update: int) -> Any:
        """What the objective compares, at windows while these last."""
        window_s = self.preset.window_s if update < self.preset.window_share * self.updates else 0.0
        progress = update / self.updates
        return self.model.views(ViewMaker(batch.signals(), self._augment, window_s, generator, progress))

    def losses(self, model: nn.Module, batch: Batch, seen: Any) -> Losses:
        """The objective's."""
        return model(batch, seen)

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """The objective's."""
        return self.model.diagnostics(losses)

    def warnings(self, figures: Mapping[str, float]) -> dict[str, str]:
        """The objective's."""
        return self.model.warnings(figures, self.stream.size)

    def evaluation_due(self, update: int) -> bool:
        """Every `probe_every` epochs."""
        every = self.probe_every * self.updates_per_epoch
        return bool(every) and update > 0 and update % every == 0

    def evaluate(self, model: nn.Module, update: int) -> dict[str, float]:
        """A linear probe on the validation fold."""
        return self.probe(model)

    @torch.no_grad()
    def suspects(self, batch: Batch, seen: Any) -> list[str]:
        """Records whose embedding is not finite, or else all of the batch."""
        spoilt = torch.zeros(len(batch), dtype=torch.bool)
        for signals in self.model.signals(seen):
            good = self.model.embed(signals).isfinite().all(dim=1) & signals.ecg_mv.isfinite().all(dim=(1, 2))
            spoilt |= ~good.cpu()
        rows = batch.row[spoilt.numpy()] if spoilt.any() else batch.row
        return [str(name) for name in self.stream.rows.record_id[rows]]

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        """The encoder, for use."""
        self.keep(model, updates)
