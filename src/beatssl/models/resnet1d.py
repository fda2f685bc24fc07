"""The ResNet of Wang et al. (2017), as the PTB-XL benchmark runs it under the name resnet1d_wang."""

from collections.abc import Mapping

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import LeadConvolution, convolution, he_start, merged_levels, normalisation
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder

_CHANNELS = {1: 128, 2: 128, 4: 128}
_GROWING = {1: 64, 2: 128, 4: 256}
_PYRAMID = {1: 64, 2: 128, 4: 256, 8: 256, 16: 320}
"""Channels of the blocks by stride."""

_MAP_STRIDE = 4
_STEM_KERNEL = 7
_KERNELS = (5, 3)


class ResNet1d(Encoder):
    """A convolution of 7 samples, then three residual blocks (5 and 3 steps) at strides 1, 2 and 4, 128 channels each.

    No pooling in the stem; shortcuts across a stride are strided convolutions of one step (Strodthoff et al. 2021,
    "Deep learning for ECG analysis: benchmarks and insights from PTB-XL"). As its strided convolutions have odd
    kernels, as published, a step is centred 1.5 samples before the middle of the samples it stands for.
    """

    def __init__(self, config: EncoderConfig, channels: Mapping[int, int] = _CHANNELS) -> None:
        stages = {stride: config.channels(number) for stride, number in channels.items()}
        super().__init__(config, _MAP_STRIDE, stages[_MAP_STRIDE], stages)
        self.first = LeadConvolution(config, stages[1], _STEM_KERNEL)
        self.stem = nn.Sequential(normalisation(config, stages[1]), nn.ReLU(inplace=True))
        self.stages = _stages(config, stages)

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        x = self.stem(self.first(ecg_mv, lead_mask))
        levels: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return x, levels


class GrowingResNet1d(ResNet1d):
    """ResNet1d with 64, 128 and 256 channels: three quarters of the products, a map of twice the channels."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, _GROWING)


class PyramidResNet1d(ResNet1d):
    """GrowingResNet1d with two stages more, at strides 8 and 16, that see the rhythm around a beat.

    The feature map is the sum of the stages from stride 4 on, each through a convolution of one step and the coarse
    ones repeated. Their steps are centred 3.5 and 7.5 samples before the middle of the samples they stand for.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, _PYRAMID)
        coarse = [
            channels
            for stride, channels in zip(self.stage_strides, self.stage_channels, strict=True)
            if stride >= self.stride
        ]
        self.laterals = nn.ModuleList([convolution(channels, self.channels, 1) for channels in coarse])
        self.merged = nn.Sequential(normalisation(config, self.channels), nn.ReLU(inplace=True))

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        _, levels = super().levels(ecg_mv, lead_mask)
        return self.merged(merged_levels(self.laterals, levels[-len(self.laterals) :])), levels


class _Block(nn.Module):
    def __init__(self, config: EncoderConfig, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first, second = _KERNELS
        self.body = nn.Sequential(
            _odd_convolution(inputs, outputs, first, stride),
            normalisation(config, outputs),
            nn.ReLU(inplace=True),
            _odd_convolution(outputs, outputs, second, 1),
            normalisation(config, outputs),
        )
        shortened = [_odd_convolution(inputs, outputs, 1, stride), normalisation(config, outputs)]
        self.shortcut = nn.Sequential(*(shortened if stride > 1 or inputs != outputs else []))

    def forward(self, x: Float[Tensor, "record inputs 1 time"]) -> Float[Tensor, "record outputs 1 step"]:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def _stages(config: EncoderConfig, channels: Mapping[int, int]) -> nn.ModuleList:
    """Residual blocks by stride, from one on."""
    stages = nn.ModuleList()
    inputs, before = channels[1], 1
    for stride, outputs in channels.items():
        blocks = [_Block(config, inputs, outputs, stride // before)]
        blocks += [_Block(config, outputs, outputs, 1) for _ in range(config.blocks(1) - 1)]
        stages.append(nn.Sequential(*blocks))
        inputs, before = outputs, stride
    return stages


def _odd_convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d:
    return he_start(nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), (0, kernel // 2), bias=False))
