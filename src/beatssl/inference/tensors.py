"""Tensors in safetensors files that are there whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """A safetensors file that is there whole or not at all, whenever the process or the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    plain = {name: value.detach().contiguous().cpu().clone() for name, value in tensors.items()}
    # Written by Python, so that the file may be read by whom the user's umask lets; save_file keeps it to its owner.
    scratch.write_bytes(save(plain, metadata={name: str(value) for name, value in about.items()}))
    _flush(scratch)
    os.replace(scratch, path)
    _flush(path.parent)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file. Raises ValueError where it is none."""
    try:
        with safe_open(str(path), "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file ({error}); remove it to begin again") from None


def _flush(path: Path) -> None:
    at = os.open(path, os.O_RDONLY)
    try:
        os.fsync(at)
    except OSError:
        pass  # a file system that cannot flush a folder
    finally:
        os.close(at)


def hash_of_weights(module: nn.Module) -> str:
    """SHA-256 over names and values of all weights and buffers of a module."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
