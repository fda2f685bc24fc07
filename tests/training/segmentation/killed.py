"""Run by test_segment.py: a fold, with and without co-training, killed at weight updates and while files are saved."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from killing import killed_at

from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.training.config import RunConfig
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
        segment(whole)  # first: what it imports, the forks have
        came.append(f"{sum(killed_at(partial(segment, killed), *at) for at in kills)} of {len(kills)}")
        segment(killed)
    print(", ".join(came))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
