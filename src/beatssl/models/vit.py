"""A small vision transformer over time: patches of eight samples, attention among neighbours, rotary positions."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import Stem
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder, Samples, ceil_division

_STEM = (32, 64)
_CHANNELS = 192
_LAYERS = 6
_HEAD = 32
"""Channels a head."""

_KERNEL = 5
_BLOCK = 64
"""Steps whose attention is computed together; each of them sees its own block and the two beside it."""

_ROTARY_BASE = 10_000.0


class ViT(Encoder):
    """Dosovitskiy et al. 2021 over time, with the convolutional patches of Xiao et al. 2021 (stride 8).

    Attention reaches at least 64 steps (5 s at 100 Hz) to each side a layer, so time and memory grow with the length
    and not with its square; positions are rotations (Su et al. 2021) within that reach, so any length is known ground.
    """

    def __init__(self, config: EncoderConfig) -> None:
        channels = _HEAD * max(1, round(_CHANNELS * config.width / _HEAD))
        stem = [*map(config.channels, _STEM), channels]
        stages = {2 ** (level + 1): count for level, count in enumerate(stem)}
        super().__init__(config, max(stages), channels, stages)
        self.stem = Stem(config, stem, _KERNEL)
        self.layers = nn.ModuleList([_Layer(channels) for _ in range(config.blocks(_LAYERS))])
        self.norm = nn.LayerNorm(channels)

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        *fine, patches = self.stem(ecg_mv, lead_mask)
        steps = patches.shape[-1]
        x = F.pad(patches.squeeze(2).transpose(1, 2), (0, 0, 0, -steps % _BLOCK))
        there = _keys_there(steps, x.device)
        for layer in self.layers:
            x = layer(x, there)
        feature_map = self.norm(x[:, :steps]).transpose(1, 2).unsqueeze(2)
        return feature_map, [*fine, feature_map]


def _keys_there(steps: Samples, device: torch.device) -> Bool[Tensor, "block reach"]:
    """Which of the steps that a block reaches lie within the record."""
    first = torch.arange(ceil_division(steps, _BLOCK), device=device) * _BLOCK - _BLOCK
    at = first[:, None] + torch.arange(3 * _BLOCK, device=device)
    return (at >= 0) & (at < steps)


class _Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = LocalAttention(channels)
        self.widened = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(
        self, x: Float[Tensor, "record step channel"], there: Bool[Tensor, "block reach"]
    ) -> Float[Tensor, "record step channel"]:
        x = x + self.attention(self.attention_norm(x), there)
        return x + self.widened(x)


class LocalAttention(nn.Module):
    """Softmax attention of each block of steps over itself and the blocks before and after it."""

    rotation: Float[Tensor, "2 reach half"]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // _HEAD
        self.projections = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        frequency = _ROTARY_BASE ** (-torch.arange(0, _HEAD, 2) / _HEAD)
        angle = torch.arange(3 * _BLOCK)[:, None] * frequency
        self.register_buffer("rotation", torch.stack([angle.cos(), angle.sin()]), persistent=False)

    def forward(
        self, x: Float[Tensor, "record step channel"], there: Bool[Tensor, "block reach"]
    ) -> Float[Tensor, "record step channel"]:
        """`step` counts whole blocks; `there` says which steps that a block reaches exist."""
        query, key, value = (self._blocks(part) for part in self.projections(x).chunk(3, -1))
        own = slice(_BLOCK, 2 * _BLOCK)
        seen = there[None, :, None, None, :].expand(x.shape[0], -1, 1, _BLOCK, -1).flatten(0, 1)
        y = F.scaled_dot_product_attention(
            _rotate(query, self.rotation[:, own]).flatten(0, 1),
            _rotate(_reach(key), self.rotation).flatten(0, 1),
            _reach(value).flatten(0, 1),
            attn_mask=seen,
        )
        return self.output(y.transpose(1, 2).reshape(x.shape))

    def _blocks(self, x: Float[Tensor, "record step channel"]) -> Float[Tensor, "record block head within each"]:
        return x.unflatten(2, (self.heads, _HEAD)).unflatten(1, (-1, _BLOCK)).transpose(2, 3)


def _reach(
    blocks: Float[Tensor, "record block head within each"],
) -> Float[Tensor, "record block head reach each"]:
    """Each block with the one before and the one after it; zeros beyond the ends."""
    padded = F.pad(blocks, (0, 0, 0, 0, 0, 0, 1, 1))
    return torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], 3)


def _rotate(
    x: Float[Tensor, "record block head at each"], rotation: Float[Tensor, "2 at half"]
) -> Float[Tensor, "record block head at each"]:
    """Pairs of channels turned by an angle that grows with the position."""
    cos, sin = rotation.to(x.dtype)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cos - other * sin, one * sin + other * cos], -1)
