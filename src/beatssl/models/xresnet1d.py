"""The default encoder: an xresnet over time whose deep, coarse stages are read back at eight samples a step."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import LeadConvolution, conv_norm_relu, convolution, merged_levels, normalisation
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder

_STEM = 32
_STAGES = {4: 32, 8: 64, 16: 160, 32: 320}
"""Channels of the residual stages by stride."""

_MAP = 256
_KERNEL = 5
_BLOCKS = 2
_STRIDE = 8


class XResNet1d(Encoder):
    """xresnet1d (He et al. 2019, "Bag of tricks"; over time in Strodthoff et al. 2021, the PTB-XL benchmark).

    Stem of three convolutions and max-pooling, residual blocks of two convolutions of five steps, shortcuts by average
    pooling, the last norm of a block begun at zero. Two things differ from the benchmark: channels grow with the
    stride, so that most weights work at 16 and 32 samples a step, where they are cheap; and the feature map is the sum
    of the stages from stride 8 on, each through a convolution of one step and the coarse ones repeated (Lin et al.
    2017, "Feature pyramid networks"), so that a heartbeat keeps about nine steps and yet sees the rhythm around it.
    """

    def __init__(self, config: EncoderConfig) -> None:
        stem = config.channels(_STEM)
        stages = {stride: config.channels(channels) for stride, channels in _STAGES.items()}
        super().__init__(config, _STRIDE, config.channels(_MAP), {2: stem} | stages)
        self.first = LeadConvolution(config, stem, _KERNEL, 2)
        self.stem = nn.Sequential(
            normalisation(config, stem),
            nn.ReLU(inplace=True),
            conv_norm_relu(config, stem, stem, _KERNEL),
            conv_norm_relu(config, stem, stem, _KERNEL),
        )
        self.pool = nn.MaxPool2d((1, 2))
        self.stages = nn.ModuleList()
        inputs, before = stem, min(stages)
        for stride, channels in stages.items():
            self.stages.append(_stage(config, inputs, channels, stride // before))
            inputs, before = channels, stride
        coarse = [channels for stride, channels in stages.items() if stride >= _STRIDE]
        self.laterals = nn.ModuleList([convolution(channels, self.channels, 1) for channels in coarse])
        self.merged = nn.Sequential(normalisation(config, self.channels), nn.ReLU(inplace=True))

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        levels = [self.stem(self.first(ecg_mv, lead_mask))]
        x = self.pool(levels[0])
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return self.merged(merged_levels(self.laterals, levels[-len(self.laterals) :])), levels


class ResidualBlock(nn.Module):
    """y = ReLU(norm(conv(ReLU(norm(conv(x))))) + shortcut(x)); at the start the block is its shortcut."""

    def __init__(self, config: EncoderConfig, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        last = normalisation(config, outputs)
        nn.init.zeros_(last.get_parameter("weight"))
        self.body = nn.Sequential(
            conv_norm_relu(config, inputs, outputs, _KERNEL, stride), convolution(outputs, outputs, _KERNEL), last
        )
        shortcut: list[nn.Module] = [nn.AvgPool2d((1, stride))] if stride > 1 else []
        if inputs != outputs:
            shortcut += [convolution(inputs, outputs, 1), normalisation(config, outputs)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Float[Tensor, "record inputs 1 time"]) -> Float[Tensor, "record outputs 1 step"]:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def _stage(config: EncoderConfig, inputs: int, channels: int, stride: int) -> nn.Sequential:
    blocks = [ResidualBlock(config, inputs, channels, stride)]
    blocks += [ResidualBlock(config, channels, channels, 1) for _ in range(config.blocks(_BLOCKS) - 1)]
    return nn.Sequential(*blocks)
