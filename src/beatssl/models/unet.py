"""The contracting half of a U-Net over time."""

from itertools import pairwise

from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import LeadConvolution, conv_norm_relu, normalisation
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder

_LEVELS = {1: 32, 2: 64, 4: 128, 8: 256}
"""Channels by stride."""

_KERNEL = 9


class UNetEncoder(Encoder):
    """Two convolutions of nine steps a level, max-pooling by two between levels (Ronneberger et al. 2015; for the
    waves of the ECG Moskalenko et al. 2019). Its stages begin at stride 1, so a decoder gives back every sample."""

    def __init__(self, config: EncoderConfig) -> None:
        levels = {stride: config.channels(channels) for stride, channels in _LEVELS.items()}
        stride = max(levels)
        super().__init__(config, stride, levels[stride], levels)
        finest = levels[min(levels)]
        self.first = LeadConvolution(config, finest, _KERNEL)
        self.stem = nn.Sequential(
            normalisation(config, finest),
            nn.ReLU(inplace=True),
            *(conv_norm_relu(config, finest, finest, _KERNEL) for _ in range(config.blocks(1))),
        )
        self.pool = nn.MaxPool2d((1, 2))
        self.down = nn.ModuleList([_level(config, *pair) for pair in pairwise(levels.values())])

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        levels = [self.stem(self.first(ecg_mv, lead_mask))]
        for level in self.down:
            levels.append(level(self.pool(levels[-1])))
        return levels[-1], levels


def _level(config: EncoderConfig, inputs: int, outputs: int) -> nn.Sequential:
    repeated = [conv_norm_relu(config, outputs, outputs, _KERNEL) for _ in range(config.blocks(1))]
    return nn.Sequential(conv_norm_relu(config, inputs, outputs, _KERNEL), *repeated)
