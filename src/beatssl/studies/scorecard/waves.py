"""The task on waves: P, QRS and T of LUDB from the marks of few subjects, with a frozen encoder."""

import shutil

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.metrics.classification import patient_weights
from beatssl.metrics.segmentation import WAVES, sample_counts
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.sources import FeatureSource, Source
from beatssl.training.config import RunConfig
from beatssl.training.segmentation.config import FitConfig, SegmentConfig
from beatssl.training.segmentation.segment import WAVES as FOUND
from beatssl.training.segmentation.segment import segment

UPDATES = 400
SHARE = 1 / 16
"""Of the training subjects."""


def waves_of_few(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Sample F1 of P, QRS and T and their mean, over LUDB's five validation or test folds; every record counts once.

    A decoder on the frozen encoder is trained for 400 updates on a sixteenth of the training subjects, as `segment`
    does. A run that was stopped goes on. Raises ValueError for features, which are no encoder.
    """
    if isinstance(source, FeatureSource):
        raise ValueError("measured features have no feature map for a decoder")
    made_of = f"{source.fingerprint[:16]}-{str(Store(store.path).fingerprint())[:16]}"
    folder = config.out / "runs" / f"waves-{made_of}-{'test' if config.test else 'valid'}-{config.seed}"
    segment(
        SegmentConfig(
            store=store.path,
            out=folder,
            encoder=source.name,
            network=config.network,
            fit=FitConfig(updates=UPDATES),
            label_share=SHARE,
            validation_only=not config.test,
            seed=config.seed,
            run=RunConfig(device=config.device),
        )
    )
    f1 = f1_by_draw(store, pd.read_parquet(folder / FOUND), config)
    shutil.rmtree(folder)
    records = store.records["record_id"].nunique()
    return {
        "waves-sixteenth": [
            figure(name, float(one[0]), one[1:], records)
            for name, one in zip(("F1", *(f"F1 of {wave}" for wave in WAVES)), f1.T, strict=True)
        ]
    }


def f1_by_draw(store: Store, found: pd.DataFrame, config: ScorecardConfig) -> Float64[np.ndarray, "draws_and_one 4"]:
    """Mean sample F1, and that of P, QRS and T: of all records, then of every bootstrap draw of them."""
    fs_hz = float(store.records["source_fs_hz"].max())
    counts = sample_counts(store.waves, found, fs_hz).groupby(level=0).sum()
    drawn = patient_weights(np.arange(len(counts)), config.bootstrap_draws, np.random.default_rng(config.seed))
    weights = np.concatenate([np.ones((1, len(counts))), drawn])
    both, reference, said = (
        weights @ counts[[f"{side}_{wave}" for wave in WAVES]].to_numpy(np.float64)
        for side in ("both", "reference", "found")
    )
    of = np.where(reference + said > 0, 2 * both / np.maximum(reference + said, 1), np.nan)
    return np.concatenate([of.mean(axis=1, keepdims=True), of], axis=1)
