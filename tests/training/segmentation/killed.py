"""Run by test_segment.py: a fold, with and without co-training, killed at weight updates and while files are saved."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from beatssl.models.decoder import DecoderConfig
from beatssl.models.encoded import EncoderConfig
from beatssl.training.run import RunConfig
from beatssl.training.segmentation.config import OPTIM, FitConfig, SegmentConfig
from beatssl.training.segmentation.segment import segment


def config(store: Path, out: Path, cotrain: Path | None) -> SegmentConfig:
    optim = replace(OPTIM, batch_size=3, average=0.5, rate=0.1, precision="float32")
    fit = FitConfig(
        decoder=DecoderConfig(width=0.25, kernel=5), train="all", updates=6, optim=optim, cotrain_updates=4,
        evaluate_every=3,
    )  # fmt: skip
    return SegmentConfig(
        store, out, encoder="random", network=EncoderConfig(width=0.25, depth=0.1), fit=fit, fold_count=3, only=(1,),
        cotrain=cotrain, seed=1, run=RunConfig(log_every=1, save_every=2, device="cpu"),
    )  # fmt: skip


def killed_at(of: SegmentConfig, replaced: int, steps: int) -> bool:
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
        segment(of)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


MARKS = (
    (1, 0),  # the config, in a folder that has nothing yet
    (0, 4), (1, 0),  # an update between two states, and a state
    (0, 1), (3, 0),  # the update after a state, and the model when training is done
)  # fmt: skip
COTRAINED = (
    (0, 4), (2, 0),  # on pseudo-labels alone: an update, and the model when training is done
    (0, 3), (2, 0),  # on both: an update after a state, and the last state
)  # fmt: skip


def main(store: Path, other: Path, folder: Path) -> None:
    came: list[str] = []
    for kind, cotrain, kills in (("marks", None, MARKS), ("cotrained", other, COTRAINED)):
        killed, whole = (config(store, folder / f"{kind}-{name}", cotrain) for name in ("killed", "whole"))
        came.append(f"{sum(killed_at(killed, *at) for at in kills)} of {len(kills)}")
        segment(killed)
        segment(whole)
    print(", ".join(came))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
