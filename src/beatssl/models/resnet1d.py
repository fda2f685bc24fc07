"""The ResNet of Wang et al. (2017), as the PTB-XL benchmark runs it under the name resnet1d_wang."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import LeadConvolution, he_start, normalisation
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder

_CHANNELS = 128
_STEM_KERNEL = 7
_KERNELS = (5, 3)
_STRIDES = (1, 2, 4)


class ResNet1d(Encoder):
    """A convolution of 7 samples, then three residual blocks (5 and 3 steps) at strides 1, 2 and 4, 128 channels each.

    No pooling in the stem; shortcuts across a stride are strided convolutions of one step (Strodthoff et al. 2021,
    "Deep learning for ECG analysis: benchmarks and insights from PTB-XL"). As its strided convolutions have odd
    kernels, as published, a step is centred 1.5 samples before the middle of the samples it stands for.
    """

    def __init__(self, config: EncoderConfig) -> None:
        channels = config.channels(_CHANNELS)
        super().__init__(config, _STRIDES[-1], channels, dict.fromkeys(_STRIDES, channels))
        self.first = LeadConvolution(config, channels, _STEM_KERNEL)
        self.stem = nn.Sequential(normalisation(config, channels), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList()
        for before, stride in zip((1, *_STRIDES), _STRIDES, strict=False):
            blocks = [_Block(config, channels, stride // before)]
            blocks += [_Block(config, channels, 1) for _ in range(config.blocks(1) - 1)]
            self.stages.append(nn.Sequential(*blocks))

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        x = self.stem(self.first(ecg_mv, lead_mask))
        levels: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return x, levels


class _Block(nn.Module):
    def __init__(self, config: EncoderConfig, channels: int, stride: int) -> None:
        super().__init__()
        first, second = _KERNELS
        self.body = nn.Sequential(
            _odd_convolution(channels, first, stride),
            normalisation(config, channels),
            nn.ReLU(inplace=True),
            _odd_convolution(channels, second, 1),
            normalisation(config, channels),
        )
        strided = [_odd_convolution(channels, 1, stride), normalisation(config, channels)]
        self.shortcut = nn.Sequential(*(strided if stride > 1 else []))

    def forward(self, x: Float[Tensor, "record channel 1 time"]) -> Float[Tensor, "record channel 1 step"]:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def _odd_convolution(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    return he_start(nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, kernel // 2), bias=False))
