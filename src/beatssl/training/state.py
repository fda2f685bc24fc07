"""All that a run needs to go on, in one safetensors file that appears in one step."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

STATE = "state.safetensors"
_FORMAT = "beatssl-training-state-1"


@dataclass(frozen=True)
class Position:
    """How far a run has come."""

    updates: int


def save_state(
    folder: Path, position: Position, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> None:
    """Weights, buffers, their running average, optimizer moments and the position, as `folder`/state.safetensors.

    Randomness needs no state: every number drawn follows from the run's seed and the position (see `stream`).
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for name, moments in _moments(model, optimizer).items():
        tensors |= {f"optimizer.{kind}.{name}": value for kind, value in moments.items()}
    about = {"format": _FORMAT, "updates": str(position.updates)}
    write_tensors(folder / STATE, tensors, about)


def load_state(
    folder: Path, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> Position | None:
    """Put back what `save_state` wrote; None where the folder has no state yet.

    Raises ValueError where the file does not fit the model, or is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return None
    tensors, about = read_tensors(path)
    if about.get("format") != _FORMAT:
        raise ValueError(
            f"{path} holds {about.get('format')!r}, not {_FORMAT!r}; begin the run again in another folder"
        )
    try:
        model.load_state_dict(_below(tensors, "model."))
        if average is not None:
            average.load_state_dict(_below(tensors, "average."))
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit this run's network: {error}; begin again in another folder") from error
    moments = _below(tensors, "optimizer.")
    for name, weight in model.named_parameters():
        kinds = {kind.split(".", 1)[0] for kind in moments if kind.split(".", 1)[1] == name}
        if kinds:
            optimizer.state[weight] = {kind: moments[f"{kind}.{name}"].to(_place(kind, weight)) for kind in kinds}
    return Position(int(about["updates"]))


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


def write_json(path: Path, value: dict[str, Any]) -> None:
    """JSON that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(scratch, path)


def _moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    return {
        name: dict(optimizer.state[weight]) for name, weight in model.named_parameters() if weight in optimizer.state
    }


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _place(kind: str, weight: Tensor) -> torch.device:
    # AdamW counts its steps on the CPU, whatever the weights are on, unless it is fused.
    return torch.device("cpu") if kind == "step" else weight.device


def _flush(path: Path) -> None:
    at = os.open(path, os.O_RDONLY)
    try:
        os.fsync(at)
    except OSError:
        pass  # a file system that cannot flush a folder
    finally:
        os.close(at)
