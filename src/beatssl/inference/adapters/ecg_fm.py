"""ECG-FM: wav2vec 2.0 on twelve leads, pretrained with contrast of adjacent segments and random lead masking.

McKeen et al. 2024 (arXiv:2408.05178), after Oh et al. 2022 (W2V+CMSC+RLM) and Baevski et al. 2020. Names, shapes and
order of operations are those of the published files, which fairseq-signals wrote; the code is our own.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from beatssl.inference.adapters.adapter import Adapter, ForeignNetwork, Input


@dataclass(frozen=True)
class EcgFmLayout:
    """Sizes as published for the base model (`w2v_cmsc_rlm.yaml`)."""

    leads: int = 12
    convolutions: tuple[int, ...] = (256, 256, 256, 256)
    """Channels of the convolutions, each of kernel and stride 2."""
    channels: int = 768
    layers: int = 12
    heads: int = 12
    wide: int = 3072
    """Channels within the feed-forward layers."""
    position_kernel: int = 128
    position_groups: int = 16


class EcgFm(ForeignNetwork):
    """Convolutions, then a transformer whose layers normalise after each sum."""

    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.channels, self.stride = layout.channels, 2 ** len(layout.convolutions)
        self.feature_extractor = _Convolutions(layout)
        self.layer_norm = nn.LayerNorm(layout.convolutions[-1])
        self.post_extract_proj = nn.Linear(layout.convolutions[-1], layout.channels)
        self.conv_pos = _Position(layout)
        self.encoder = _Transformer(layout)

    def forward(
        self, signal: Float[Tensor, "segment lead time"], recorded: Int[Tensor, " segment"]
    ) -> Float[Tensor, "segment channel step"]:
        features = self.feature_extractor(signal).transpose(1, 2)
        x = self.post_extract_proj(self.layer_norm(features))
        x = x + self.conv_pos(x)
        steps = self.steps(recorded).clamp(min=1)
        there = torch.arange(x.shape[1], device=x.device) < steps[:, None]
        return self.encoder(x, there).transpose(1, 2)

    def steps(self, recorded: Int[Tensor, " segment"]) -> Int[Tensor, " segment"]:
        return torch.div(recorded, self.stride, rounding_mode="floor")


class _Convolutions(nn.Module):
    """Each halves the time; the first is followed by a normalisation of every channel over its segment."""

    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for number, (inputs, outputs) in enumerate(pairwise((layout.leads, *layout.convolutions))):
            halving = nn.Conv1d(inputs, outputs, 2, stride=2, bias=False)
            norm = [nn.GroupNorm(outputs, outputs)] if number == 0 else []
            self.conv_layers.append(nn.Sequential(halving, nn.Identity(), *norm, nn.GELU()))

    def forward(self, signal: Float[Tensor, "segment lead time"]) -> Float[Tensor, "segment channel step"]:
        for layer in self.conv_layers:
            signal = layer(signal)
        return signal


class _NormedConvolution(nn.Module):
    """A grouped convolution whose kernels have their length apart (Salimans and Kingma 2016), one for each place."""

    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        wide, kernel, self.groups = layout.channels, layout.position_kernel, layout.position_groups
        self.bias = nn.Parameter(torch.zeros(wide))
        self.weight_g = nn.Parameter(torch.ones(1, 1, kernel))
        self.weight_v = nn.Parameter(torch.randn(wide, wide // self.groups, kernel))

    def forward(self, x: Float[Tensor, "segment channel step"]) -> Float[Tensor, "segment channel step"]:
        kernel = self.weight_v.shape[2]
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        # An even kernel gives a step too many, the last.
        return F.conv1d(x, weight, self.bias, padding=kernel // 2, groups=self.groups)[..., : x.shape[2]]


class _Position(nn.Module):
    """What a step's neighbourhood says of its place."""

    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(_NormedConvolution(layout), nn.GELU())

    def forward(self, x: Float[Tensor, "segment step channel"]) -> Float[Tensor, "segment step channel"]:
        return self.pos_conv(x.transpose(1, 2)).transpose(1, 2)


class _Transformer(nn.Module):
    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Layer(layout) for _ in range(layout.layers)])
        self.layer_norm = nn.LayerNorm(layout.channels)

    def forward(
        self, x: Float[Tensor, "segment step channel"], there: Bool[Tensor, "segment step"]
    ) -> Float[Tensor, "segment step channel"]:
        """`there`: steps that stand for what was recorded; no step attends to the others."""
        x = self.layer_norm(x.masked_fill(~there[..., None], 0))
        keys = there[:, None, None, :]
        for layer in self.layers:
            x = layer(x, keys)
        return x


class _Layer(nn.Module):
    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.self_attn = _Attention(layout)
        self.self_attn_layer_norm = nn.LayerNorm(layout.channels)
        self.fc1 = nn.Linear(layout.channels, layout.wide)
        self.fc2 = nn.Linear(layout.wide, layout.channels)
        self.final_layer_norm = nn.LayerNorm(layout.channels)

    def forward(
        self, x: Float[Tensor, "segment step channel"], keys: Bool[Tensor, "segment 1 1 step"]
    ) -> Float[Tensor, "segment step channel"]:
        x = self.self_attn_layer_norm(x + self.self_attn(x, keys))
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))


class _Attention(nn.Module):
    def __init__(self, layout: EcgFmLayout) -> None:
        super().__init__()
        self.heads = layout.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(layout.channels, layout.channels) for _ in range(4)
        )

    def forward(
        self, x: Float[Tensor, "segment step channel"], keys: Bool[Tensor, "segment 1 1 step"]
    ) -> Float[Tensor, "segment step channel"]:
        parts = [of(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for of in (self.q_proj, self.k_proj, self.v_proj)]
        mixed = F.scaled_dot_product_attention(*parts, attn_mask=keys)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


ECG_FM = Adapter(
    name="ecg-fm",
    title="ECG-FM (McKeen et al. 2024, W2V+CMSC+RLM, base)",
    source="https://huggingface.co/wanglab/ecg-fm",
    files=("mimic_iv_ecg_physionet_pretrained.pt",),
    licence="MIT",
    trained_on="MIMIC-IV-ECG and PhysioNet 2021 (PTB-XL, CPSC, Georgia, Chapman/Ningbo, PTB, INCART), without labels",
    takes=Input(fs_hz=500, segment_s=5, scaling="lead"),
    layout=EcgFmLayout(),
    network=EcgFm,
    holder="model",
    unused=r"(mask_emb$|quantizer\.|project_q\.|final_proj\.)",
    nested="encoder.",
    renamed={
        "conv_pos.pos_conv.0.parametrizations.weight.original0": "conv_pos.pos_conv.0.weight_g",
        "conv_pos.pos_conv.0.parametrizations.weight.original1": "conv_pos.pos_conv.0.weight_v",
    },
)
