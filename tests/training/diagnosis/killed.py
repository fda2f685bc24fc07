"""Run by test_finetune.py: fine-tuning killed at one weight update after another, and while it saves its state."""

import sys
from dataclasses import replace
from pathlib import Path

from killing import killed_at

from beatssl.models.config import EncoderConfig
from beatssl.training.config import RunConfig
from beatssl.training.diagnosis.config import OPTIM, FinetuneConfig
from beatssl.training.diagnosis.finetune import finetune
from beatssl.views.config import ViewsConfig


def config(store: Path, out: Path) -> FinetuneConfig:
    return FinetuneConfig(
        store=store, out=out, encoder="random", network=EncoderConfig(width=0.25, depth=0.1), train_folds="1-4",
        valid_fold=5, test_fold=6, bootstrap_draws=20, init="fresh", epochs=3, least_updates=9,
        optim=replace(OPTIM, batch_size=6, accumulate=2, average=0.5, rate=1e-2, precision="float32"),
        views=ViewsConfig(amplitude=1.0, lead_mask=0.5, temporal_scaling=0.5),
        run=RunConfig(log_every=1, save_every=2, device="cpu"),
    )  # fmt: skip


KILLS = (
    (1, 0),  # the config, in a folder that has nothing yet
    (0, 4), (1, 0),  # an update between two states, and a state
    (0, 5), (3, 0),  # an update after two states, and the weights of the model when training is done
)  # fmt: skip


def main(store: Path, folder: Path) -> None:
    finetune(config(store, folder / "whole"))  # first: what it imports, the forks have
    kills = sum(killed_at(lambda: finetune(config(store, folder / "killed")), *at) for at in KILLS)
    finetune(config(store, folder / "killed"))
    print(f"{kills} of {len(KILLS)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
