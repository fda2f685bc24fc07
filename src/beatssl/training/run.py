"""How a run is carried out, and the log in its folder."""

import json
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available

from beatssl.inference.device import torch_device
from beatssl.store.outputs import CONFIG as CONFIG
from beatssl.store.outputs import open_folder
from beatssl.training.config import RunConfig

METRICS = "metrics.jsonl"


def start_accelerator(run: RunConfig, out: Path, config: dict[str, Any] | None = None) -> Accelerator:
    """The devices and processes of a run, and its folder, opened where there is a `config` (see `open_folder`).

    Raises ImportError where tensorboard is wanted and not there, ValueError where `out` holds another run.
    """
    if run.tensorboard and not is_tensorboard_available():
        raise ImportError("tensorboard is not installed: pip install tensorboard, or leave tensorboard out")
    accelerator = Accelerator(
        cpu=torch_device(run.device).type == "cpu",
        mixed_precision="no",  # the loop casts, so that the losses stay outside of it
        log_with="tensorboard" if run.tensorboard else None,
        project_dir=str(out) if run.tensorboard else None,
    )
    if config is not None and accelerator.is_main_process:
        open_folder(out, json.loads(json.dumps(config)), run.overwrite)
    accelerator.wait_for_everyone()
    if run.tensorboard:
        accelerator.init_trackers("tensorboard")
    return accelerator


class Log:
    """metrics.jsonl: a line of figures at a time, each with its `update`."""

    def __init__(self, folder: Path, updates: int) -> None:
        """Lines after `updates` are of work that was lost, and is done again: they are dropped."""
        self.path = folder / METRICS
        folder.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _update_of(line) <= updates] if updates else []
        if kept != lines:
            self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write(self, update: int, figures: dict[str, Any]) -> None:
        """One line."""
        line = json.dumps({"update": update} | {name: _short(value) for name, value in figures.items()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    path = folder / METRICS
    if not path.exists():
        raise ValueError(f"{folder} has no {METRICS}; pass the folder of a run")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _update_of(line: str) -> float:
    try:
        return json.loads(line)["update"]
    except (ValueError, KeyError):
        return float("inf")  # cut off by a kill


def _short(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
