"""Run by test_pretrain.py: a run that is killed at one weight update after another, and while it saves its state."""

import os
import signal
import sys
from pathlib import Path

import torch

from beatssl.models.encoded import EncoderConfig
from beatssl.training.optim import OptimConfig
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import RunConfig


def config(store: Path, out: Path) -> PretrainConfig:
    return PretrainConfig(
        stores=(store,), out=out, epochs=3, encoder=EncoderConfig(width=0.25, depth=0.5),
        optim=OptimConfig(batch_size=6, average=0.5, accumulate=2),
        run=RunConfig(log_every=1, save_every=2, device="cpu"),
        set=("objective.projector_hidden=16", "objective.projector_out=8", "objective.regression=0.5",
             "objective.beat_shape=4", "objective.kernel.coordinates=0"),
    )  # fmt: skip


def killed_at(store: Path, out: Path, replaced: int, steps: int) -> bool:
    """Train in a child that kills itself at its n-th file moved or weight update; whether it came that far."""
    child = os.fork()
    if child == 0:
        move, step = os.replace, torch.optim.AdamW.step
        counted = {"moved": 0, "steps": 0}

        def kill(kind: str, limit: int) -> None:
            counted[kind] += 1
            if counted[kind] == limit:
                os.kill(os.getpid(), signal.SIGKILL)

        def replace(source: Path, target: Path) -> None:
            kill("moved", replaced)
            move(source, target)

        def stepped(*args: object, **named: object) -> object:
            kill("steps", steps)
            return step(*args, **named)

        os.replace, torch.optim.AdamW.step = replace, stepped
        pretrain(config(store, out))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main(store: Path, folder: Path) -> None:
    torch.set_num_threads(1)  # before a fork, and so that both runs add up in one order
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports for seconds, here once for all children
    kills = sum(killed_at(store, folder / "killed", *at) for at in ((0, 2), (0, 4), (1, 0), (0, 1), (2, 0)))
    pretrain(config(store, folder / "killed"))
    pretrain(config(store, folder / "whole"))
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
