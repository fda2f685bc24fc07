"""The demo's segmenter of P, QRS and T waves, trained on the pretrained encoder, and its figures."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64

from beatssl.analysis.waves import waves_of_record
from beatssl.demo.training import TEST_FOLD
from beatssl.inference.source import open_encoder
from beatssl.metrics.segmentation import segmentation_figures
from beatssl.progress import track
from beatssl.reports.pretrain_page import FinishedRun
from beatssl.reports.wave_section import FoundWaves
from beatssl.store.labels import parse_folds
from beatssl.store.store import Store
from beatssl.training.config import RunConfig
from beatssl.training.run import start_accelerator
from beatssl.training.segmentation.config import OPTIM, FitConfig
from beatssl.training.segmentation.fit import fit_segmenter
from beatssl.training.segmentation.marks import marked_rows

TRAINING_ROWS, TEST_ROWS = 64, 32
"""Records that the segmenter is trained on, and records whose waves it finds."""
_AVERAGE = 0.95  # over so few updates a slower average would still hold the initial weights


def segment_demo(store: Store, run: FinishedRun, out: Path, updates: int, say: Callable[[str], None]) -> FoundWaves:
    """Train on some records of the pretraining folds, and find the waves of some of the test fold.

    The segmenter is kept in `out`/segmenter, for `analyze --segmenter`. `say` is called with the name of each step.
    """
    train = _rows(store, parse_folds(run.config.folds), TRAINING_ROWS)
    test = _rows(store, (TEST_FOLD,), TEST_ROWS)
    say(f"training a segmenter: P, QRS and T waves of {len(train)} records, {updates} updates")
    opened = open_encoder(str(run.config.out), run.config.encoder, run.config.seed, store)
    fit = FitConfig(updates=updates, optim=replace(OPTIM, average=_AVERAGE, precision="float32"))
    provenance = {"data": f"{store.kind}, {len(train)} records", "encoder": opened.name, "seed": run.config.seed}
    folder, options = out / "segmenting", RunConfig(device=run.config.run.device)
    shutil.rmtree(folder, ignore_errors=True)
    fitted = fit_segmenter(
        fit, options, opened.encoder, marked_rows(store, train), store.preparation, provenance, run.config.seed,
        folder, start_accelerator(options, folder),
    )  # fmt: skip
    fitted.segmenter.save_pretrained(out / "segmenter")
    say(f"finding the waves of {len(test)} test records")
    ids = store.records["record_id"].astype(str).to_numpy()
    waves = pd.concat(
        [
            waves_of_record(fitted.segmenter, str(ids[row]), store.ecg_mv([row])[0], store.leads, store.preparation)
            for row in track(test.tolist(), "Segmenting")
        ],
        ignore_index=True,
    )
    truth = store.waves[store.waves["record_id"].astype(str).isin(ids[test])]
    fs_hz = float(store.records["source_fs_hz"].iloc[test].max())
    return FoundWaves(waves, segmentation_figures(truth, waves, fs_hz), len(train), len(test))


def _rows(store: Store, folds: tuple[int, ...], most: int) -> Int64[np.ndarray, " row"]:
    """The first rows of some folds."""
    return np.flatnonzero(store.records["fold"].isin(folds).to_numpy(np.bool_))[:most]
