"""The demo's segmenter: P, QRS and T waves in every lead, learnt on top of the pretrained encoder, and its figures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64

from beatssl.dataset.store import Store
from beatssl.evaluation.demo_training import TEST_FOLD, DemoRun
from beatssl.metrics.segmentation import segmentation_figures
from beatssl.progress import progress, track
from beatssl.training.labels import parse_folds
from beatssl.training.saved import Preprocessing
from beatssl.training.segment_apply import waves_of_record
from beatssl.training.segment_data import marked_rows
from beatssl.training.segment_fit import FitConfig, fit_segmenter
from beatssl.training.source import open_encoder

TRAINING_ROWS, TEST_ROWS = 64, 32
_AVERAGE = 0.95  # of so few updates a longer memory would still hold the first weights


@dataclass(frozen=True, slots=True)
class DemoWaves:
    """Waves found in records never seen, a line a wave, and their figures against the truth."""

    waves: pd.DataFrame
    figures: dict[str, Any]
    training_rows: int
    test_rows: int


def segment_demo(store: Store, run: DemoRun, out: Path, updates: int, say: Callable[[str], None]) -> DemoWaves:
    """Train on some records of the pretraining folds, and find the waves of some of the reported fold.

    The segmenter is kept in `out`/segmenter, for `segment --apply`. `say` is told each step.
    """
    train = _rows(store, parse_folds(run.config.folds), TRAINING_ROWS)
    test = _rows(store, (TEST_FOLD,), TEST_ROWS)
    say(f"training a segmenter: P, QRS and T waves of {len(train)} records, {updates} updates")
    opened = open_encoder(str(run.config.out), run.config.encoder, run.config.seed, store)
    fit = FitConfig(updates=updates, average=_AVERAGE, precision="float32")
    provenance = {"data": f"{store.kind}, {len(train)} records", "encoder": opened.name, "seed": run.config.seed}
    with progress("Training the segmenter", updates, "updates") as advance:
        fitted = fit_segmenter(
            fit, opened.encoder, marked_rows(store, train), None, Preprocessing.of_store(store), provenance,
            run.config.seed, torch.device("cpu"), advance,
        )  # fmt: skip
    fitted.segmenter.save_pretrained(out / "segmenter")
    say(f"finding the waves of {len(test)} records never seen")
    ids = store.records["record_id"].astype(str).to_numpy()
    waves = pd.concat(
        [
            waves_of_record(fitted.segmenter, str(ids[row]), store.ecg_mv([row])[0], store.leads)
            for row in track(test.tolist(), "Segmenting")
        ],
        ignore_index=True,
    )
    truth = store.waves[store.waves["record_id"].astype(str).isin(ids[test])]
    fs_hz = float(store.records["source_fs_hz"].iloc[test].max())
    return DemoWaves(waves, segmentation_figures(truth, waves, fs_hz), len(train), len(test))


def _rows(store: Store, folds: tuple[int, ...], most: int) -> Int64[np.ndarray, " row"]:
    """The first rows of some folds."""
    return np.flatnonzero(store.records["fold"].isin(folds).to_numpy(np.bool_))[:most]
