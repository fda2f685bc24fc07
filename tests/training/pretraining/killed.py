"""Run by test_pretrain.py: a run that is killed at one weight update after another, and while it saves its state."""

import sys
from pathlib import Path

from killing import killed_at

from beatssl.models.config import EncoderConfig
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.pretrain import pretrain


def config(store: Path, out: Path) -> PretrainConfig:
    return PretrainConfig(
        stores=(store,), out=out, epochs=3, encoder=EncoderConfig(width=0.25, depth=0.5),
        optim=OptimConfig(batch_size=6, average=0.5, accumulate=2),
        run=RunConfig(log_every=1, save_every=2, device="cpu"),
        set=("objective.projector_hidden=16", "objective.projector_out=8", "objective.regression=0.5",
             "objective.beat_shape=4", "objective.kernel.coordinates=0"),
    )  # fmt: skip


KILLS = ((0, 2), (0, 4), (1, 0), (0, 1), (2, 0))


def main(store: Path, folder: Path) -> None:
    pretrain(config(store, folder / "whole"))  # first: what it imports, the forks have
    kills = sum(killed_at(lambda: pretrain(config(store, folder / "killed")), *at) for at in KILLS)
    pretrain(config(store, folder / "killed"))
    print(f"{kills} of {len(KILLS)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
