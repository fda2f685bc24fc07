"""CMSC: the two halves of a record are a positive pair, and so are those of two records of one patient (contrastive
multi-segment coding; Kiyasseh et al., "CLOCS", ICML 2021)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import pandas as pd
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.losses.contrast import contrast
from beatssl.losses.gather import gather, gather_with_grad
from beatssl.models.encoded import Encoder
from beatssl.models.projector import Projector
from beatssl.store.splits import patients
from beatssl.targets.soft import hard_targets
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns, Rows
from beatssl.training.pretraining.diagnostics import Compared, contrast_figures, contrast_warnings
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.config import ViewsConfig
from beatssl.views.view import Signals
from beatssl.views.window import cut


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CmscSettings:
    """The contrast of halves."""

    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Divides the cosines."""
    projector_layers: Annotated[int, Field(ge=0)] = 1
    """Hidden layers of the projector; 0: the embedding itself is contrasted, linearly mapped."""
    projector_hidden: Annotated[int, Field(ge=1)] = 512
    projector_out: Annotated[int, Field(ge=1)] = 128


class Cmsc(Objective):
    """Hard contrast of the two halves of every record; positives are all halves of one patient."""

    def __init__(self, encoder: Encoder, config: CmscSettings) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        sizes = config.projector_hidden, config.projector_out, config.projector_layers
        self.project = Projector(encoder.embedding_size, *sizes)

    def views(self, make: ViewMaker) -> tuple[Signals, Signals]:
        """The first half and the second half of what was recorded of each record, each half of equal length."""
        signals = make.view()
        half = signals.valid // 2
        length = max(1, signals.ecg_mv.shape[2] // 2)
        first = cut(signals, torch.zeros_like(half), length)
        second = cut(signals, half, length)
        return _ended(first, half), _ended(second, half)

    def forward(self, batch: Batch, views: tuple[Signals, Signals]) -> Losses:
        """The contrast over the halves of all processes."""
        ecg_mv, lead_mask, valid = (torch.cat([getattr(one, name) for one in views]) for name in _PARTS)
        embedding = self.encoder.embed(self.encoder(ecg_mv, lead_mask), valid)
        z_a, z_b = (gather_with_grad(part) for part in self.project(embedding).chunk(2))
        targets = hard_targets(gather(batch.record["patient"]))
        loss = contrast(z_a, z_b, targets, "hard", self.config.temperature)
        return Losses(loss, {"cmsc": loss}, {"cmsc": Compared(z_a, z_b, targets)})

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures of the embeddings of halves."""
        return contrast_figures(losses.details)

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """Collapse, and halves too alike or too unlike."""
        found = contrast_warnings(figures, batch_size, ("cmsc",))
        return {kind: message for kind, message in found.items() if kind != "cmsc targets"}


_PARTS = ("ecg_mv", "lead_mask", "valid")


def _ended(signals: Signals, valid: torch.Tensor) -> Signals:
    """The same with nothing after the first `valid` samples of each record."""
    inside = torch.arange(signals.ecg_mv.shape[2], device=valid.device) < valid[:, None]
    return replace(signals, ecg_mv=signals.ecg_mv * inside[:, None], valid=valid)


def _columns(rows: Rows, config: CmscSettings) -> Columns:
    return Columns(record={"patient": pd.factorize(patients(rows.records))[0]})


METHOD = Method(
    "cmsc",
    CmscSettings,
    _columns,
    lambda encoder, config, columns: Cmsc(encoder, config),
    {"cmsc": Preset("cmsc", ViewsConfig(), CmscSettings())},
)
"""Preset cmsc: temperature 0.1, halves as they were recorded, without augmentation, as published."""
