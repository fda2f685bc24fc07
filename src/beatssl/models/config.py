"""What networks are made of, apart from PyTorch."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Positive = Annotated[float, Field(gt=0)]

_LEVELS = {2: 32, 4: 48, 8: 64, 16: 96, 32: 128}
"""Channels by stride in samples of the encoder."""

_FINER = 16
"""Channels of the levels that leads at a higher rate have beside them."""

FINEST = 2
"""Samples of a lead to a step of the finest level."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EncoderConfig:
    """Which encoder, and how large."""

    name: str = "xresnet1d"
    """Key of `models.encoder.ENCODERS`: xresnet1d, resnet1d, growing-resnet1d, pyramid-resnet1d, unet, s4d or vit."""
    leads: Annotated[int, Field(ge=1)] = 12
    """Leads of the input, in a fixed order; a record may lack some of them."""
    width: Positive = 1.0
    """Factor on all numbers of channels, rounded to multiples of 32 (of 8 below 32)."""
    depth: Positive = 1.0
    """Factor on the number of blocks a stage, at least one each."""
    norm: Literal["batch", "group"] = "batch"
    """Of the convolutions. batch: keeps a record's amplitude. group: records do not see each other in training,
    but each is scaled to one amplitude."""
    gain_per_mv: Positive = 4.0
    """Fixed factor on the input: an ECG of 0.5 to 40 Hz has about 0.2 mV standard deviation."""
    pooling: Literal["mean-max", "mean-max-sd", "quantiles", "attention", "stages"] = "mean-max"
    """What an embedding is made of. mean-max: mean and maximum of the feature map over time; mean-max-sd, quantiles and
    attention: its standard deviation, its quartiles, or its means by four heads of attention too; stages: mean and
    maximum of the map and of every stage."""
    lead_peaks: bool = False
    """Whether an embedding is also made of the highest and the lowest value of each lead."""
    embedding: Annotated[int, Field(ge=0)] = 1024
    """Numbers in a record's embedding, by a layer after pooling; 0: none, the embedding is the pooled feature map."""

    def channels(self, default: int) -> int:
        """A number of channels of the default size, at this width."""
        wanted = default * self.width
        step = 32 if wanted >= 32 else 8
        return max(8, step * round(wanted / step))

    def blocks(self, default: int) -> int:
        """A number of blocks of the default size, at this depth."""
        return max(1, round(default * self.depth))


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DecoderConfig:
    """What the decoder of waves is made of."""

    width: Annotated[float, Field(gt=0)] = 1.0
    """Factor on all numbers of channels, rounded to multiples of 8."""
    kernel: Annotated[int, Field(ge=3)] = 7
    """Steps that a convolution sees."""
    share_leads: bool = True
    """Each lead also sees the mean of all measured leads, at every level."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Chance of a channel of the coarsest level to be left out in training."""
    rate: Literal[1, 2, 4] = 1
    """Samples of a lead to one of the encoder's; `segment` sets it."""

    def channels(self) -> dict[int, int]:
        """Channels of each level by its stride in samples of a lead, from fine to coarse."""
        finer = {FINEST * 2**level: _FINER for level in range(self.rate.bit_length() - 1)}
        levels = finer | {self.rate * stride: channels for stride, channels in _LEVELS.items()}
        return {stride: max(8, 8 * round(channels * self.width / 8)) for stride, channels in levels.items()}
