"""Which device runs a network."""

from typing import Literal

import torch

Device = Literal["auto", "cpu", "cuda"]
"""auto: a GPU where there is one."""


def torch_device(name: Device) -> torch.device:
    """The device of that name. Raises ValueError for cuda where PyTorch finds no GPU."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ValueError("device 'cuda': PyTorch finds no GPU; pass device='cpu' or 'auto'")
    return torch.device("cuda" if there and name != "cpu" else "cpu")
