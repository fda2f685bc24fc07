"""All that a run needs to be resumed, in one safetensors file that appears in one step."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from beatssl.inference.tensors import read_tensors, write_tensors

STATE = "state.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_FORMAT = "beatssl-training-state-2"


@dataclass
class Best:
    """The weights that a run keeps so far, by a figure of its evaluations."""

    update: int
    figure: float
    weights: dict[str, Tensor]


@dataclass
class Position:
    """How far a run has come, its evaluations so far, and the best of them."""

    updates: int = 0
    evaluations: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    best: Best | None = None


def save_state(
    folder: Path, position: Position, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> None:
    """Weights, buffers, their running average, optimizer moments and the position, as `folder`/state.safetensors.

    Randomness needs no state: every number drawn follows from the run's seed and the position (`random_streams`).
    """
    tensors = _prefixed("model", model.state_dict())
    if average is not None:
        tensors |= _prefixed("average", average.state_dict())
    for name, weight in model.named_parameters():
        for kind, value in optimizer.state.get(weight, {}).items():
            tensors[f"optimizer.{kind}.{name}"] = value
    about = {"format": _FORMAT, "updates": position.updates, "evaluations": json.dumps(position.evaluations)}
    if position.best is not None:
        tensors |= _prefixed("best", position.best.weights)
        about |= {"best_update": position.best.update, "best_figure": repr(position.best.figure)}
    write_tensors(folder / STATE, tensors, about)


def load_state(folder: Path, model: nn.Module, average: nn.Module | None, optimizer: torch.optim.Optimizer) -> Position:
    """Put back what `save_state` wrote; where the folder has no state yet, the position is the start.

    Raises ValueError where the file does not fit the model, or is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return Position()
    tensors, about = read_tensors(path)
    if about.get("format") != _FORMAT:
        raise ValueError(
            f"{path} holds {about.get('format')!r}, not {_FORMAT!r}; begin the run again in another folder"
        )
    try:
        model.load_state_dict(_below(tensors, "model"))
        if average is not None:
            average.load_state_dict(_below(tensors, "average"))
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit this run's network: {error}; begin again in another folder") from error
    moments = _below(tensors, "optimizer")
    for name, weight in model.named_parameters():
        if f"step.{name}" in moments:
            optimizer.state[weight] = {kind: moments[f"{kind}.{name}"].to(_place(kind, weight)) for kind in _MOMENTS}
    best = None
    if "best_update" in about:
        best = Best(int(about["best_update"]), float(about["best_figure"]), _below(tensors, "best"))
    return Position(int(about["updates"]), json.loads(about["evaluations"]), best)


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def _place(kind: str, weight: Tensor) -> torch.device:
    # AdamW counts its steps on the CPU, whatever the weights are on, unless it is fused.
    return torch.device("cpu") if kind == "step" else weight.device
