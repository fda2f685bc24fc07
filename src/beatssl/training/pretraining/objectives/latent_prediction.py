"""Latent prediction: blocks of a record are hidden, and the feature map that a slower copy of the encoder has there of
the whole record is predicted from what is left (joint-embedding predictive architecture: Assran et al., "I-JEPA", CVPR
2023; for time data2vec, Baevski et al., ICML 2022)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from torch import Tensor, nn
from torch.nn import functional

from beatssl.losses.gather import gather, gather_with_grad
from beatssl.losses.latent import explained, standardised
from beatssl.losses.regression import masked_regression
from beatssl.models.encoded import Encoder
from beatssl.models.pooling import valid_steps
from beatssl.training.optim import move_average
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns
from beatssl.training.pretraining.diagnostics import effective_rank
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.config import ViewsConfig
from beatssl.views.view import Signals

Count = Annotated[int, Field(ge=1)]
_FIRST_DECAY = 0.9
_FLAT_RANK, _ENOUGH = 4.0, 8


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class LatentSettings:
    """What is hidden, the copy that gives the targets, and the network that predicts them."""

    blocks: Count = 4
    """Blocks of a record that are hidden; they may overlap."""
    block_s: Annotated[float, Field(gt=0)] = 1.0
    """Seconds of a block. In all leads at once: else a lead would be read off the others."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.996
    """Of the running average of the encoder's weights that gives the targets, a batch. It begins as the encoder."""
    decay_at: Annotated[int, Field(ge=0)] = 0
    """Batches over which the decay rises to this, linearly from 0.9; 0: it stands from the first on."""
    predictor_channels: Count = 128
    predictor_layers: Count = 3
    """Convolutions over seven steps, each reaching twice as far as the last: three see 21 steps to either side."""

    def decay_of(self, batch: int) -> float:
        """The decay at a batch, counted from 0."""
        first = min(_FIRST_DECAY, self.decay)
        return self.decay if batch >= self.decay_at else first + (self.decay - first) * batch / self.decay_at


class Blocks(NamedTuple):
    """Records with blocks hidden, the same whole, and the steps that are hidden and lie within the record."""

    shown: Signals
    whole: Signals
    hidden: Bool[Tensor, "record step"]


@dataclass
class _Predicted:
    """Predictions, targets, and each record's mean over its feature map, without gradients."""

    predicted: Float[Tensor, "n channel"]
    target: Float[Tensor, "n channel"]
    pooled: Float[Tensor, "record channel"]


class Predictor(nn.Module):
    """From the feature map of what is shown to that of what is hidden: hidden steps begin as one learnt value each, and
    convolutions bring in what stands around them."""

    def __init__(self, channels: int, inside: int, layers: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv1d(channels, inside, 1), nn.Conv1d(inside, channels, 1)
        self.token = nn.Parameter(torch.zeros(inside))
        self.norms = nn.ModuleList([nn.GroupNorm(1, inside) for _ in range(layers)])
        self.layers = nn.ModuleList(
            [nn.Conv1d(inside, inside, 7, dilation=2**k, padding=3 * 2**k) for k in range(layers)]
        )

    def forward(
        self, feature_map: Float[Tensor, "record channel step"], hidden: Bool[Tensor, "record step"]
    ) -> Float[Tensor, "record channel step"]:
        """Predictions at every step; what the map holds at hidden ones does not count."""
        x = self.enter(feature_map)
        x = torch.where(hidden[:, None], self.token[:, None].to(x.dtype), x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(functional.gelu(norm(x)))
        return self.leave(x)


class LatentPrediction(Objective):
    """An encoder that is trained on what is shown, its slower copy `target`, and the predictor between them.

    The copy and the number of batches it has followed are part of the state, so that a resumed run has the same ones;
    the encoder alone is kept for use.
    """

    batches: Tensor

    def __init__(self, encoder: Encoder, config: LatentSettings) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.predict = Predictor(encoder.channels, config.predictor_channels, config.predictor_layers)
        self.target = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def views(self, make: ViewMaker) -> Blocks:
        """Augmented records, and the same with some blocks at zero in all leads; blocks are whole steps."""
        whole, stride = make.view(), self.encoder.stride
        time, device = whole.ecg_mv.shape[2], whole.ecg_mv.device
        length = -(-time // stride)
        steps = valid_steps(whole.valid, stride, length)
        block = max(1, round(self.config.block_s * whole.fs_hz / stride))
        places = (steps - block + 1).clamp(min=1)[:, None]
        luck = torch.rand((len(steps), self.config.blocks), generator=make.generator, device=device)
        begin = torch.minimum((luck * places).long(), places - 1)[:, :, None]
        at = torch.arange(length, device=device)
        hidden = ((at >= begin) & (at < begin + block)).any(dim=1) & (at < steps[:, None])
        samples = hidden.repeat_interleave(stride, dim=1)[:, None, :time]
        return Blocks(replace(whole, ecg_mv=whole.ecg_mv.masked_fill(samples, 0)), whole, hidden)

    def signals(self, views: Blocks) -> tuple[Signals, ...]:
        """The records with blocks hidden and the whole ones."""
        return views.shown, views.whole

    def forward(self, batch: Batch, views: Blocks) -> Losses:
        """Huber's loss over the hidden steps of all processes, each channel of the targets standardised over them.

        In training the copy first follows the encoder by one step.
        """
        if self.training:
            self._follow()
        shown, whole, hidden = views
        encoded = self.encoder(shown.ecg_mv, shown.lead_mask)
        predicted = self.predict(encoded.feature_map, hidden).transpose(1, 2)[hidden]
        with torch.no_grad():
            latent = self.target(whole.ecg_mv, whole.lead_mask).feature_map
        target = standardised(gather(latent.transpose(1, 2)[hidden]))
        predicted = gather_with_grad(predicted.float())
        loss = masked_regression(predicted, target, torch.ones_like(target, dtype=torch.bool))
        seen = _Predicted(predicted.detach(), target, gather(latent.mean(dim=2)))
        return Losses(loss, {"latent": loss}, seen)

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """How much of the targets' variance is predicted, and how many dimensions the records' maps span."""
        seen: _Predicted = losses.details
        share = float(explained(seen.predicted, seen.target))
        return {"latent_explained": share, "latent_effective_rank": effective_rank(seen.pooled)}

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """Collapse: targets that are alike for all records are easy to predict."""
        rank = figures.get("latent_effective_rank", float("inf"))
        if batch_size < _ENOUGH or rank >= _FLAT_RANK:
            return {}
        return {
            "latent collapse": f"the feature maps of a batch span {rank:.1f} dimensions (collapse): raise "
            "objective.decay, lower the learning rate, or hide more (objective.blocks, objective.block_s)"
        }

    @torch.no_grad()
    def _follow(self) -> None:
        move_average(self.target, self.encoder, self.config.decay_of(int(self.batches)))
        self.batches += 1


METHOD = Method(
    "latent_prediction",
    LatentSettings,
    lambda rows, config: Columns(),
    lambda encoder, config, columns: LatentPrediction(encoder.maps_only(), config),
    {"latent-prediction": Preset("latent_prediction", ViewsConfig(), LatentSettings())},
)
"""Preset latent-prediction: four blocks of one second hidden, decay 0.996, no augmentation. The embedding is the pooled
feature map."""
