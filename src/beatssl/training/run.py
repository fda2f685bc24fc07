"""The folder of a run: its config, its log, and whether it may go on."""

import json
from pathlib import Path
from typing import Any

from beatssl.files import read_json, write_json
from beatssl.store.manifest import differences

CONFIG, METRICS = "config.json", "metrics.jsonl"


def open_run(folder: Path, config: dict[str, Any]) -> None:
    """Begin a run, or go on with one of the same config.

    Raises ValueError where the folder holds a run of another config, naming each difference.
    """
    path = folder / CONFIG
    if path.exists():
        there = read_json(path)
        if lines := differences({key: there.get(key) for key in config}, json.loads(json.dumps(config))):
            raise ValueError(
                f"{folder} holds a run of another config (there against asked): {'; '.join(lines)}; "
                "pass another out= folder, remove this one, or ask for the same"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is no run (it has no {CONFIG}) and not empty; pass another out= folder")
    write_json(path, config)


class Log:
    """metrics.jsonl: a line of figures at a time, each with its `update`."""

    def __init__(self, folder: Path, updates: int) -> None:
        """Lines after `updates` are of work that was lost, and is done again: they are dropped."""
        self.path = folder / METRICS
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _update_of(line) <= updates]
        if kept != lines:
            self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write(self, update: int, figures: dict[str, Any]) -> None:
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
