"""The demo's small pretraining run, and linear probes of its encoder and of the same network untrained."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from beatssl.inference.device_name import Device
from beatssl.metrics.classification import PairedDifference, macro_figures, paired_difference, paired_weights
from beatssl.models.config import EncoderConfig
from beatssl.reports.pretrain_page import FinishedRun
from beatssl.studies.predictions import read_predictions
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.probe import probe
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import CONFIG

NETWORK = EncoderConfig(width=0.5)
PRETRAINING_FOLDS, TEST_FOLD = "1-8", 9
BATCH_SIZE = 64

_BOOTSTRAP_DRAWS = 1000


def train_demo(store: Path, out: Path, epochs: int, say: Callable[[str], None], device: Device = "auto") -> FinishedRun:
    """Pretrain on the store's folds 1–8 into `out`/pretraining, and probe on fold 9 into `out`/probes.

    A run that an earlier demo left there is replaced. `say` is called with the name of each step.

    Raises ValueError where `out`/pretraining holds something that is no run.
    """
    config = PretrainConfig(
        stores=(store,), out=out / "pretraining", encoder=NETWORK, folds=PRETRAINING_FOLDS, epochs=epochs,
        optim=OptimConfig(batch_size=BATCH_SIZE), run=RunConfig(log_every=4, device=device),
    )  # fmt: skip
    if (config.out / CONFIG).exists():
        shutil.rmtree(config.out)
    say(f"pretraining a small encoder for {epochs} epochs, about a minute")
    began = time.perf_counter()
    trained = pretrain(config)
    seconds = time.perf_counter() - began
    say("linear probes of the random and the pretrained encoder")
    probes: dict[str, DiagnosisFigures] = {}
    for name, source in (("random", "random"), ("pretrained", str(config.out))):
        figures = probe(
            ProbeConfig(
                store,
                out / "probes" / name,
                encoder=source,
                network=NETWORK,
                test_fold=TEST_FOLD,
                device=device,
                overwrite=True,
            )
        )
        assert isinstance(figures, DiagnosisFigures)
        probes[name] = figures
    gain = _gain(out / "probes" / "pretrained", out / "probes" / "random")
    return FinishedRun(config, trained.rows, trained.updates, seconds, probes, gain)


def _gain(one: Path, other: Path, seed: int = 0) -> PairedDifference:
    """Macro AUROC of one probe less that of another on the test fold, over the same draws of patients."""
    found = [read_predictions(folder) for folder in (one, other)]
    weights = paired_weights(found[0].patient, _BOOTSTRAP_DRAWS, np.random.default_rng(seed))
    drawn = [
        macro_figures(of.test_labels, of.test_scores[0], np.zeros(len(of.names)), weights, of.test_known)["macro_auroc"]
        for of in found
    ]
    return paired_difference(*drawn)
