"""Which device runs a network, and how batches come there."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from beatssl.inference.device_name import Device as Device

Value = TypeVar("Value")


def torch_device(name: Device) -> torch.device:
    """The device of that name. Raises ValueError for cuda where PyTorch finds no GPU."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ValueError("device 'cuda': PyTorch finds no GPU; pass device='cpu' or 'auto'")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 itself; without that float32 is several times as fast, and as good.

    oneDNN takes bfloat16 on every processor with AVX-512, but most of these only imitate it, as PyTorch does on those
    without and on GPUs before Ampere. Of processors other than x86 PyTorch does not tell; they count as imitating it.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    itself: tuple[Callable[[], bool], ...] = (
        torch.cpu._is_avx512_bf16_supported,  # noqa: SLF001  torch has no public name for it
        torch.cpu._is_amx_tile_supported,  # noqa: SLF001
    )
    return any(there() for there in itself)


def to_device(value: Value, device: torch.device) -> Value:
    """A batch with all its tensors on a device; of dataclasses, mappings and tuples those within."""
    if device.type == "cpu":
        return value
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else value.to(device)
    elif is_dataclass(value) and not isinstance(value, type):
        moved = replace(value, **{one.name: to_device(getattr(value, one.name), device) for one in fields(value)})
    elif isinstance(value, Mapping):
        moved = {key: to_device(one, device) for key, one in value.items()}
    elif isinstance(value, tuple):
        moved = tuple(to_device(one, device) for one in value)
    return moved
