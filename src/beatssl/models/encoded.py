"""Settings, input and output of every encoder."""

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from beatssl.models.config import EncoderConfig
from beatssl.models.pooling import HEADS, QUANTILES, attended, deviation, pool, quantiles, valid_steps

Positive = Annotated[float, Field(gt=0)]
if TYPE_CHECKING:
    Samples = int
else:
    Samples = int | torch.SymInt
    """A length; a symbol while a model is exported for any."""


@dataclass
class Encoded:
    """A batch of records as an encoder sees them.

    Step k of a map with stride s stands for the samples k·s … (k + 1)·s − 1, its centre is at (k + ½)·s.
    """

    feature_map: Float[Tensor, "record channel step"]
    stages: list[Float[Tensor, "record _ _"]]  # from fine to coarse, as a decoder wants them
    stride: int  # samples a step of `feature_map`
    peaks: Float[Tensor, "record lead2"] | None = field(default=None, kw_only=True)  # highest and lowest, lead by lead


class Encoder(nn.Module):
    """Base of all encoders: checks the input, pads it to whole steps and cuts the maps to ceil(time / stride).

    Subclasses give `levels`. Inside, a signal is an image one pixel high, (record, channel, 1, time) with the channels
    last in memory: on CPUs its convolutions are about 1.3 (bfloat16) to 2 times as fast as those over (channel, time).
    """

    def __init__(self, config: EncoderConfig, stride: int, channels: int, stages: dict[int, int]) -> None:
        super().__init__()
        self.config = config
        self.stride = stride
        self.channels = channels
        self.stage_strides = tuple(stages)
        self.stage_channels = tuple(stages.values())
        self.attention = nn.Conv1d(channels, HEADS, 1) if config.pooling == "attention" else None
        pooled = self._pooled_size()
        self.embedding = _embedding(config, pooled)
        self.embedding_size = config.embedding or pooled

    def forward(self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]) -> Encoded:
        """Signals in mV of any length, and which leads are measured; what others hold does not count, NaN included.

        Raises ValueError for another number of leads than the encoder was built for, and for no samples.
        """
        leads, time = ecg_mv.shape[1:]
        if leads != self.config.leads or time == 0:
            raise ValueError(
                f"{leads} leads of {time} samples, but this {self.config.name} takes {self.config.leads} leads of at "
                "least one sample; put leads in canonical order with signals.leads.to_twelve, or build it with leads="
            )
        whole = F.pad(ecg_mv, (0, -time % max(self.stride, *self.stage_strides)))
        feature_map, stages = self.levels(whole, lead_mask)
        return Encoded(
            _cut(feature_map, time, self.stride),
            [_cut(stage, time, stride) for stage, stride in zip(stages, self.stage_strides, strict=True)],
            self.stride,
            peaks=_peaks(ecg_mv, lead_mask, self.config.gain_per_mv) if self.config.lead_peaks else None,
        )

    def embed(self, encoded: Encoded, valid: Int[Tensor, " record"] | None = None) -> Float[Tensor, "record embedding"]:
        """Embeddings of whole records: mean and maximum of the feature map, or what `config.pooling` says, then a layer
        that can tell what of it comes together, so that a linear probe need not.

        `valid`: samples of each record before the padding; None: all.
        """
        maps = {encoded.stride: encoded.feature_map}
        if self.config.pooling == "stages":
            maps = dict(zip(self.stage_strides, encoded.stages, strict=True)) | maps
        parts: list[Tensor] = []
        for stride, level in maps.items():
            steps = None if valid is None else valid_steps(valid, stride, level.shape[2])
            parts.append(pool(level, steps))
            if self.config.pooling == "mean-max-sd":
                parts.append(deviation(level, steps))
            if self.config.pooling == "quantiles":
                parts.append(quantiles(level, steps))
            if self.attention is not None:
                parts.append(attended(level, self.attention(level), steps))
        if encoded.peaks is not None:
            parts.append(encoded.peaks)
        return self.embedding(torch.cat(parts, dim=1))

    def _pooled_size(self) -> int:
        """Numbers that come of pooling."""
        channels = {self.stride: self.channels}
        if self.config.pooling == "stages":
            channels = dict(zip(self.stage_strides, self.stage_channels, strict=True)) | channels
        values = 2 + {"mean-max-sd": 1, "quantiles": len(QUANTILES), "attention": HEADS}.get(self.config.pooling, 0)
        return values * sum(channels.values()) + 2 * self.config.leads * self.config.lead_peaks

    def maps_only(self) -> "Encoder":
        """A copy without the layer that makes embeddings, for tasks that read the maps alone."""
        bare = copy.deepcopy(self)
        bare.config = replace(self.config, embedding=0)
        bare.embedding, bare.embedding_size = nn.Identity(), self._pooled_size()
        return bare

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        """The feature map and the stages of signals that fill whole steps."""
        raise NotImplementedError


def _embedding(config: EncoderConfig, pooled: int) -> nn.Module:
    if not config.embedding:
        return nn.Identity()
    scale = nn.BatchNorm1d(pooled) if config.norm == "batch" else nn.LayerNorm(pooled)
    return nn.Sequential(scale, nn.Linear(pooled, config.embedding), nn.GELU())


def _peaks(
    ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"], gain_per_mv: float
) -> Float[Tensor, "record lead2"]:
    """Highest and lowest value of every lead, 0 of those that are not measured."""
    signal = ecg_mv.where(lead_mask[:, :, None], 0.0) * gain_per_mv
    return torch.cat([signal.amax(dim=2), signal.amin(dim=2)], dim=1)


def _cut(
    level: Float[Tensor, "record channel 1 whole"], time: Samples, stride: int
) -> Float[Tensor, "record channel step"]:
    return level.squeeze(2)[..., : ceil_division(time, stride)]


def ceil_division(samples: Samples, stride: int) -> Samples:
    """Steps that hold all samples, in integers, as an exported length of its own is one."""
    return (samples + stride - 1) // stride
