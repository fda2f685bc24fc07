"""The demo's small pretraining run, and a linear probe of it beside one of the same network untrained."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beatssl.metrics.classification import macro_figures, paired_difference, paired_weights
from beatssl.models.encoded import EncoderConfig
from beatssl.reports.pretrain_page import FinishedRun
from beatssl.training.diagnosis.probe import PREDICTIONS, ProbeConfig, probe
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import CONFIG

NETWORK = EncoderConfig(width=0.5)
PRETRAINING_FOLDS, TEST_FOLD = "1-8", 9
BATCH_SIZE = 64
LEAST_RECORDS = 128
"""Of fewer, some fold has no diagnosis to learn, to choose by or to report."""

_BOOTSTRAP_DRAWS = 1000


def train_demo(store: Path, out: Path, epochs: int, say: Callable[[str], None]) -> FinishedRun:
    """Pretrain on the store's folds 1–8 into `out`/pretraining, and probe on fold 9 into `out`/probes.

    A run that an earlier demo left there is replaced. `say` is told each step. Raises ValueError where
    `out`/pretraining holds something that is no run.
    """
    config = PretrainConfig(
        stores=(store,), out=out / "pretraining", encoder=NETWORK, folds=PRETRAINING_FOLDS, epochs=epochs,
        batch_size=BATCH_SIZE, log_every=4,
    )  # fmt: skip
    if (config.out / CONFIG).exists():
        shutil.rmtree(config.out)
    say(f"pretraining a small encoder for {epochs} epochs, about a minute")
    began = time.perf_counter()
    trained = pretrain(config)
    seconds = time.perf_counter() - began
    say("probing: what do the random and the pretrained encoder know of the diagnoses?")
    probes = {
        name: probe(ProbeConfig(store, out / "probes" / name, encoder=source, network=NETWORK, test_fold=TEST_FOLD))
        for name, source in (("random", "random"), ("pretrained", str(config.out)))
    }
    gain = _gain(out / "probes" / "pretrained", out / "probes" / "random")
    return FinishedRun(config, trained.rows, trained.updates, seconds, probes, gain)


def _gain(one: Path, other: Path, seed: int = 0) -> dict[str, Any]:
    """Macro AUROC of one probe less that of another on the reported fold, over the same draws of patients."""
    tables = [pd.read_parquet(folder / PREDICTIONS) for folder in (one, other)]
    tables = [table[table["fold"] == TEST_FOLD] for table in tables]
    names = [str(name).removeprefix("p_") for name in tables[0].columns if str(name).startswith("p_")]
    labels = tables[0][[f"true_{name}" for name in names]].to_numpy(np.bool_)
    weights = paired_weights(tables[0]["patient"].to_numpy(), _BOOTSTRAP_DRAWS, np.random.default_rng(seed))
    drawn = [
        macro_figures(
            labels, table[[f"p_{name}" for name in names]].to_numpy(np.float64), np.zeros(len(names)), weights
        )
        for table in tables
    ]
    return paired_difference(drawn[0]["macro_auroc"], drawn[1]["macro_auroc"])
