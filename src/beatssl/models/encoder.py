"""All encoders by name."""

from collections.abc import Callable

import torch

from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoded as Encoded
from beatssl.models.encoded import Encoder as Encoder
from beatssl.models.resnet1d import GrowingResNet1d, PyramidResNet1d, ResNet1d
from beatssl.models.s4d import S4DEncoder
from beatssl.models.unet import UNetEncoder
from beatssl.models.vit import ViT
from beatssl.models.xresnet1d import XResNet1d

ENCODERS: dict[str, Callable[[EncoderConfig], Encoder]] = {
    "xresnet1d": XResNet1d,
    "resnet1d": ResNet1d,
    "growing-resnet1d": GrowingResNet1d,
    "pyramid-resnet1d": PyramidResNet1d,
    "unet": UNetEncoder,
    "s4d": S4DEncoder,
    "vit": ViT,
}
"""Encoder classes by name; another one registers itself by a line here or `ENCODERS["mine"] = Mine`."""


def build_encoder(config: EncoderConfig, seed: int = 0) -> Encoder:
    """An encoder with fresh weights, which depend on `seed` alone; the global generator is left as it was.

    Raises ValueError for a name that is not registered.
    """
    if config.name not in ENCODERS:
        raise ValueError(f"no encoder {config.name!r}; there are {', '.join(ENCODERS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = ENCODERS[config.name](config)
    return encoder.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]  torch's stub lacks it
