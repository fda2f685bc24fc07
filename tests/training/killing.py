"""Used by the scripts killed.py: training in a child that kills itself at a weight update, or while it saves a file."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import torch


def killed_at(train: Callable[[], object], replaced: int, steps: int) -> bool:
    """Train in a child that kills itself at its n-th file moved or weight update; whether it came that far."""
    child = os.fork()
    if child == 0:
        move, step = os.replace, torch.optim.AdamW.step
        counted = {"moved": 0, "steps": 0}

        def kill(kind: str, limit: int) -> None:
            counted[kind] += 1
            if counted[kind] == limit:
                os.kill(os.getpid(), signal.SIGKILL)

        def replaced_by(source: Path, target: Path) -> None:
            kill("moved", replaced)
            move(source, target)

        def stepped(*args: object, **named: object) -> object:
            kill("steps", steps)
            return step(*args, **named)

        os.replace, torch.optim.AdamW.step = replaced_by, stepped
        train()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
