"""TS2Vec: two crops of a record that overlap, some steps of each hidden, agree where they overlap, step by step and at
every level of a pyramid over time (Yue et al., "TS2Vec", AAAI 2022)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from beatssl.losses.gather import gather, gather_with_grad
from beatssl.losses.hierarchical import hierarchical_contrast
from beatssl.models.encoded import Encoder
from beatssl.models.pooling import valid_steps
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns
from beatssl.training.pretraining.diagnostics import Compared, contrast_figures, contrast_warnings
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.config import ViewsConfig
from beatssl.views.view import Signals
from beatssl.views.window import cut


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Ts2VecSettings:
    """Crops, hidden steps and the two contrasts."""

    crop: Annotated[float, Field(gt=0.5, le=1)] = 0.75
    """Share of a record in each crop; of two crops 2 · crop − 1 at least overlaps, and so much is compared."""
    mask_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Chance of a step of the feature map to have its samples hidden, in all leads, in each crop apart."""
    instance: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the contrast between records; the rest is that between the steps of a record."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Divides the cosines."""
    projector_out: Annotated[int, Field(ge=1)] = 128
    """Channels that steps are compared by, a linear map of those of the feature map."""


class Crops(NamedTuple):
    """Two crops with steps hidden; where in each the compared steps begin, and which of these lie within the record."""

    first: Signals
    second: Signals
    first_at: Int64[Tensor, " record"]
    second_at: Int64[Tensor, " record"]
    seen: Bool[Tensor, "record step"]


class Ts2Vec(Objective):
    """An encoder of maps and a linear layer, the steps of whose output are contrasted."""

    def __init__(self, encoder: Encoder, config: Ts2VecSettings) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.project = nn.Conv1d(encoder.channels, config.projector_out, 1)

    def views(self, make: ViewMaker) -> Crops:
        """Two crops of every record, at places of their own that are whole steps, and steps they have in common."""
        signals, stride = make.view(), self.encoder.stride
        whole = max(1, signals.ecg_mv.shape[2] // stride)
        length = max(1, round(self.config.crop * whole))
        common = max(1, 2 * length - whole)
        steps = valid_steps(signals.valid, stride, whole)
        places = (steps - length + 1).clamp(min=1)
        first, second = _drawn(places, make.generator), _drawn(places, make.generator)
        latest = torch.minimum(first, second) + length - common
        earliest = torch.maximum(first, second)
        begin = earliest + _drawn(latest - earliest + 1, make.generator)
        at = begin[:, None] + torch.arange(common, device=begin.device)
        one, other = (self._crop(signals, place, length, make.generator) for place in (first, second))
        return Crops(one, other, begin - first, begin - second, at < steps[:, None])

    def signals(self, views: Crops) -> tuple[Signals, ...]:
        """Both crops."""
        return views.first, views.second

    def forward(self, batch: Batch, views: Crops) -> Losses:
        """Both contrasts over the records of all processes."""
        pair = self.signals(views)
        ecg_mv, lead_mask = torch.cat([one.ecg_mv for one in pair]), torch.cat([one.lead_mask for one in pair])
        steps = self.project(self.encoder(ecg_mv, lead_mask).feature_map)
        length = views.seen.shape[1]
        z_a, z_b = (
            gather_with_grad(_from(part, at, length))
            for part, at in zip(steps.chunk(2), (views.first_at, views.second_at), strict=True)
        )
        seen = gather(views.seen)
        found = hierarchical_contrast(z_a, z_b, seen, self.config.temperature)
        total = self.config.instance * found.instance + (1 - self.config.instance) * found.temporal
        compared = Compared(_highest(z_a.detach(), seen), _highest(z_b.detach(), seen), None)
        return Losses(total, {"instance": found.instance, "temporal": found.temporal}, {"ts2vec": compared})

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures of whole overlaps, each by the maximum of its steps."""
        return contrast_figures(losses.details)

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """Collapse. That crops which overlap know each other says nothing."""
        said = contrast_warnings(figures, batch_size, ("ts2vec",))
        return {kind: message for kind, message in said.items() if kind == "ts2vec collapse"}

    def _crop(self, signals: Signals, begin: Int64[Tensor, " record"], length: int, luck: torch.Generator) -> Signals:
        """`length` steps of each record from step `begin` on, some of them hidden."""
        stride = self.encoder.stride
        crop = cut(signals, begin * stride, min(length * stride, signals.ecg_mv.shape[2]))
        drawn = torch.rand((len(begin), length), generator=luck, device=begin.device)
        hidden = (drawn < self.config.mask_share).repeat_interleave(stride, dim=1)[:, : crop.ecg_mv.shape[2]]
        return replace(crop, ecg_mv=crop.ecg_mv.masked_fill(hidden[:, None], 0))


def _drawn(places: Int64[Tensor, " record"], generator: torch.Generator) -> Int64[Tensor, " record"]:
    """A whole number from 0 to below `places` for each record."""
    luck = torch.rand(len(places), generator=generator, device=places.device, dtype=torch.float64)
    return torch.minimum((luck * places).long(), places - 1)


def _from(
    steps: Float[Tensor, "record channel _"], at: Int64[Tensor, " record"], length: int
) -> Float[Tensor, "record step channel"]:
    """`length` steps of each record from its own on."""
    index = at[:, None] + torch.arange(length, device=at.device)
    return steps.gather(2, index[:, None].expand(-1, steps.shape[1], -1)).transpose(1, 2)


def _highest(z: Float[Tensor, "record step d"], seen: Bool[Tensor, "record step"]) -> Float[Tensor, "record d"]:
    highest = z.masked_fill(~seen[..., None], torch.finfo(z.dtype).min).amax(dim=1)
    return torch.where(seen.any(dim=1, keepdim=True), highest, 0)


METHOD = Method(
    "ts2vec",
    Ts2VecSettings,
    lambda rows, config: Columns(),
    lambda encoder, config, columns: Ts2Vec(encoder.maps_only(), config),
    {"ts2vec": Preset("ts2vec", ViewsConfig(), Ts2VecSettings())},
)
"""Preset ts2vec: half of the steps hidden, both contrasts of weight one half as published, no augmentation. The
embedding is the pooled feature map."""
