"""Run by test_finetune.py: fine-tuning killed at one weight update after another, and while it saves its state."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from beatssl.models.encoded import EncoderConfig
from beatssl.training.diagnosis.finetune import OPTIM, FinetuneConfig, finetune
from beatssl.training.run import RunConfig
from beatssl.views.registry import ViewsConfig


def config(store: Path, out: Path) -> FinetuneConfig:
    return FinetuneConfig(
        store=store, out=out, encoder="random", network=EncoderConfig(width=0.25, depth=0.1), train_folds="1-4",
        valid_fold=5, test_fold=6, bootstrap_draws=20, init="fresh", epochs=3, least_updates=9,
        optim=replace(OPTIM, batch_size=6, accumulate=2, average=0.5, rate=1e-2, precision="float32"),
        views=ViewsConfig(amplitude=1.0, lead_mask=0.5, temporal_scaling=0.5),
        run=RunConfig(log_every=1, save_every=2, device="cpu"),
    )  # fmt: skip


def killed_at(store: Path, out: Path, replaced: int, steps: int) -> bool:
    """Fine-tune in a child that kills itself at its n-th file moved or weight update; whether it came that far."""
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
        finetune(config(store, out))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


KILLS = (
    (1, 0),  # the config, in a folder that has nothing yet
    (0, 4), (1, 0),  # an update between two states, and a state
    (0, 5), (3, 0),  # an update after two states, and the weights of the model when training is done
)  # fmt: skip


def main(store: Path, folder: Path) -> None:
    kills = sum(killed_at(store, folder / "killed", *at) for at in KILLS)
    finetune(config(store, folder / "killed"))
    finetune(config(store, folder / "whole"))
    print(f"{kills} of {len(KILLS)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
