"""Masked reconstruction: stretches of a record are hidden, and the signal there is predicted from the rest (He et al.,
"Masked autoencoders", CVPR 2022; for ECG Zhang et al., "MaeFE", 2022)."""

from dataclasses import replace
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from beatssl.losses.gather import gather, gather_with_grad
from beatssl.models.encoded import Encoder
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.config import ViewsConfig
from beatssl.views.view import Signals, inside


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MaskedSettings:
    """What is hidden."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Chance of a patch to be hidden."""
    patch_s: Annotated[float, Field(gt=0)] = 0.2
    """Seconds of a patch. In all leads at once: else a lead would be read off the others."""


class Masked(NamedTuple):
    """Records with patches hidden, the same whole, and which samples are hidden and were measured."""

    shown: Signals
    whole: Signals
    hidden: Bool[Tensor, "record lead time"]


class MaskedReconstruction(Objective):
    """An encoder and a linear layer from each step of its feature map to the samples that the step stands for."""

    def __init__(self, encoder: Encoder, config: MaskedSettings) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.reconstruct = nn.Conv1d(encoder.channels, encoder.config.leads * encoder.stride, 1)

    def views(self, make: ViewMaker) -> Masked:
        """Augmented records, and the same with some patches at zero in all leads."""
        whole = make.view()
        records, _, time = whole.ecg_mv.shape
        patch = max(1, round(self.config.patch_s * whole.fs_hz))
        device = whole.ecg_mv.device
        luck = torch.rand((records, -(-time // patch)), generator=make.generator, device=device)
        hidden = (luck < self.config.share).repeat_interleave(patch, dim=1)[:, None, :time]
        counted = hidden & (inside(whole) > 0)[:, None] & whole.lead_mask[:, :, None]
        return Masked(replace(whole, ecg_mv=whole.ecg_mv.masked_fill(hidden, 0)), whole, counted)

    def signals(self, views: Masked) -> tuple[Signals, ...]:
        """The masked records and the whole ones."""
        return views.shown, views.whole

    def forward(self, batch: Batch, views: Masked) -> Losses:
        """Σ (x̂ − x)² over hidden samples / their number, x in units of 1 / `gain_per_mv` (about one SD of an ECG)."""
        encoded = self.encoder(views.shown.ecg_mv, views.shown.lead_mask)
        time = views.whole.ecg_mv.shape[2]
        steps = self.reconstruct(encoded.feature_map).float()
        found = steps.unflatten(1, (-1, encoded.stride)).transpose(2, 3).flatten(2)[:, :, :time]
        error = (found - views.whole.ecg_mv * self.encoder.config.gain_per_mv).square()
        total = gather_with_grad(torch.where(views.hidden, error, 0).sum(dim=(1, 2)))
        count = gather(views.hidden.sum(dim=(1, 2)))
        loss = total.sum() / count.sum().clamp(min=1)
        return Losses(loss, {"reconstruction": loss})


METHOD = Method(
    "masked_reconstruction",
    MaskedSettings,
    lambda rows, config: Columns(),
    lambda encoder, config, columns: MaskedReconstruction(encoder.maps_only(), config),
    {"masked-reconstruction": Preset("masked_reconstruction", ViewsConfig(), MaskedSettings())},
)
"""Preset masked-reconstruction: half of the patches of 0.2 s hidden, no augmentation. The embedding is the pooled
feature map."""
