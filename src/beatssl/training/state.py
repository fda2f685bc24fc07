"""All that a run needs to go on, in one safetensors file that appears in one step."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from beatssl.inference.tensors import read_tensors, write_tensors

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


def _moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    return {
        name: dict(optimizer.state[weight]) for name, weight in model.named_parameters() if weight in optimizer.state
    }


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _place(kind: str, weight: Tensor) -> torch.device:
    # AdamW counts its steps on the CPU, whatever the weights are on, unless it is fused.
    return torch.device("cpu") if kind == "step" else weight.device
