"""The pieces that convolutional encoders are made of, on signals as images (record, channel, 1, time)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.config import EncoderConfig

_GROUP = 8
"""Channels a group of group norm; every number of channels is a multiple of it."""


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution over time whose step k is centred on the samples it stands for.

    For that the kernel must be odd at stride 1 and even at stride 2: it grows by one where it is not. A length that is
    a multiple of the stride is divided by it exactly.
    """
    kernel += (kernel - stride) % 2
    return he_start(nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), (0, (kernel - stride) // 2), bias=False))


def he_start(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, begun so that a signal keeps its size through it and a ReLU (He et al. 2015).

    Batch norm would hide a signal that shrinks from layer to layer in training, but an untrained encoder that is only
    evaluated has no statistics yet, and its biases would drown what comes in.
    """
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def normalisation(config: EncoderConfig, channels: int) -> nn.Module:
    """Batch or group norm, as the config says."""
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(channels // _GROUP, channels)


def conv_norm_relu(config: EncoderConfig, inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, outputs, kernel, stride), normalisation(config, outputs), nn.ReLU(inplace=True)
    )


def merged_levels(
    laterals: nn.ModuleList, levels: Sequence[Float[Tensor, "record _ 1 _"]]
) -> Float[Tensor, "record channel 1 step"]:
    """The sum of levels, from fine to coarse, each half as fine as the one before: each through its convolution, the
    coarse ones repeated (Lin et al. 2017, "Feature pyramid networks")."""
    parts = [lateral(level) for lateral, level in zip(laterals, levels, strict=True)]
    merged = parts.pop()
    for part in reversed(parts):
        merged = part + F.interpolate(merged, scale_factor=(1.0, 2.0), mode="nearest")
    return merged


class LeadConvolution(nn.Module):
    """The first convolution of an encoder: records with missing leads enter here.

    Missing leads count as zero, and the measured ones are scaled by √(leads / measured leads), so that a sum over
    leads keeps its size. As zero could also be measured, each missing lead adds a learned bias to the output.
    """

    def __init__(self, config: EncoderConfig, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.gain_per_mv = config.gain_per_mv
        self.convolution = convolution(config.leads, outputs, kernel, stride)
        self.missing = nn.Linear(config.leads, outputs, bias=False)

    def forward(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> Float[Tensor, "record channel 1 step"]:
        measured = lead_mask.sum(1).clamp(min=1).to(ecg_mv.dtype)
        gain = self.gain_per_mv * (lead_mask.shape[1] / measured).sqrt()
        signal = ecg_mv.where(lead_mask[:, :, None], 0.0) * gain[:, None, None]
        image = signal.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return self.convolution(image) + self.missing((~lead_mask).to(ecg_mv.dtype))[:, :, None, None]


class Stem(nn.Module):
    """Convolutions that halve the time at each step, for encoders whose body keeps it: a smooth patch embedding."""

    def __init__(self, config: EncoderConfig, channels: Sequence[int], kernel: int) -> None:
        super().__init__()
        self.first = LeadConvolution(config, channels[0], kernel, 2)
        self.first_norm = nn.Sequential(normalisation(config, channels[0]), nn.ReLU(inplace=True))
        self.rest = nn.ModuleList([conv_norm_relu(config, *pair, kernel, 2) for pair in pairwise(channels)])

    def forward(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> list[Float[Tensor, "record _ 1 _"]]:
        """The outputs at strides 2, 4, …"""
        levels = [self.first_norm(self.first(ecg_mv, lead_mask))]
        for halving in self.rest:
            levels.append(halving(levels[-1]))
        return levels
