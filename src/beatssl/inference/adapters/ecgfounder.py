"""ECGFounder: a residual network with grouped convolutions and squeeze-and-excitation, trained on 150 diagnoses.

Li et al. 2024 (arXiv:2410.04133); the network is Net1D (Hong et al. 2020). Names, shapes and order of operations are
those of the published file; the code is our own. Its batch normalisations are in the file but switched off.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from beatssl.inference.adapters.adapter import Adapter, ForeignNetwork, Input


@dataclass(frozen=True)
class EcgFounderLayout:
    """Sizes as published for twelve leads."""

    leads: int = 12
    first: int = 64
    """Channels of the first convolution."""
    stages: tuple[int, ...] = (64, 160, 160, 400, 400, 1024, 1024)
    """Channels of each stage; each halves the time."""
    blocks: tuple[int, ...] = (2, 2, 2, 3, 3, 4, 4)
    """Blocks of each stage."""
    kernel: int = 16
    group: int = 16
    """Channels of a group."""


class EcgFounder(ForeignNetwork):
    """The network up to its last feature map, whose mean over time the published classifier sees."""

    def __init__(self, layout: EcgFounderLayout) -> None:
        super().__init__()
        self.channels, self.stride = layout.stages[-1], 2 ** (len(layout.stages) + 1)
        self.first_conv = _Convolution(layout.leads, layout.first, layout.kernel, stride=2)
        widths = pairwise((layout.first, *layout.stages))
        self.stage_list = nn.ModuleList(
            [
                _Stage(*width, blocks, layout, first=number == 0)
                for number, (width, blocks) in enumerate(zip(widths, layout.blocks, strict=True))
            ]
        )

    def forward(
        self, signal: Float[Tensor, "segment lead time"], recorded: Int[Tensor, " segment"]
    ) -> Float[Tensor, "segment channel step"]:
        x = F.silu(self.first_conv(signal))
        for stage in self.stage_list:
            x = stage(x)
        return x

    def steps(self, recorded: Int[Tensor, " segment"]) -> Int[Tensor, " segment"]:
        return torch.div(recorded + self.stride - 1, self.stride, rounding_mode="floor")


class _Convolution(nn.Module):
    """With zeros at the ends, so that a length is divided by the stride and rounded up; an odd one more at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Float[Tensor, "segment inputs time"]) -> Float[Tensor, "segment outputs step"]:
        time = x.shape[2]
        missing = max(0, (-(-time // self.stride) - 1) * self.stride + self.kernel - time)
        return self.conv(F.pad(x, (missing // 2, missing - missing // 2)))


class _Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int, blocks: int, layout: EcgFounderLayout, first: bool) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(
            [
                _Block(outputs if number else inputs, outputs, layout, halve=number == 0, plain=first and number == 0)
                for number in range(blocks)
            ]
        )

    def forward(self, x: Float[Tensor, "segment inputs time"]) -> Float[Tensor, "segment outputs step"]:
        for block in self.block_list:
            x = block(x)
        return x


class _Block(nn.Module):
    """Three convolutions, the middle one grouped, weighted by channel, added to the input."""

    def __init__(self, inputs: int, outputs: int, layout: EcgFounderLayout, halve: bool, plain: bool) -> None:
        """`plain`: what comes in has been through an activation already."""
        super().__init__()
        self.halve, self.plain, self.more = halve, plain, outputs - inputs
        self.conv1 = _Convolution(inputs, outputs, 1)
        self.conv2 = _Convolution(
            outputs, outputs, layout.kernel, stride=2 if halve else 1, groups=outputs // layout.group
        )
        self.conv3 = _Convolution(outputs, outputs, 1)
        self.se_fc1 = nn.Linear(outputs, outputs // 2)
        self.se_fc2 = nn.Linear(outputs // 2, outputs)

    def forward(self, x: Float[Tensor, "segment inputs time"]) -> Float[Tensor, "segment outputs step"]:
        y = self.conv1(x if self.plain else F.silu(x))
        y = self.conv3(F.silu(self.conv2(F.silu(y))))
        weight = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(y.mean(2)))))
        if self.halve:
            x = F.max_pool1d(F.pad(x, (0, 1)), 2)
        before = self.more // 2
        return y * weight[..., None] + F.pad(x, (0, 0, before, self.more - before))


ECGFOUNDER = Adapter(
    name="ecgfounder",
    title="ECGFounder (Li et al. 2024, twelve leads)",
    source="https://huggingface.co/PKUDigitalHealth/ECGFounder",
    files=("12_lead_ECGFounder.pth",),
    licence="MIT",
    trained_on="the Harvard-Emory ECG database with 150 diagnoses as labels",
    takes=Input(fs_hz=500, segment_s=10, scaling="record"),
    layout=EcgFounderLayout(),
    network=EcgFounder,
    holder="state_dict",
    unused=r"(dense\.|first_bn\.|stage_list\.\d+\.block_list\.\d+\.bn[123]\.)",
)
