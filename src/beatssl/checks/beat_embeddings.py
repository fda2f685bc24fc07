"""Beat classes of MIT-BIH's DS2 by a linear probe and by nearest neighbour on an encoder's embeddings of beats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.checks.beat_classes import figures_of_marked_beats, matched_classes
from beatssl.inference.beat_embedding import embed_beats
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.source import open_encoder
from beatssl.metrics.beat_classes import ClassFigures, class_counts, class_figures
from beatssl.models.config import EncoderConfig
from beatssl.results import FOR_FILES, Number
from beatssl.store.splits import split_mitdb
from beatssl.store.store import Store
from beatssl.training.diagnosis.linear import Linear, fit_path
from beatssl.training.diagnosis.probe import scaled

BINS = 4
INVERSE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a class's log prior odds that are subtracted from its log odds before the classes are compared."""
MOST_NEIGHBOURS = 2000
"""Training beats of a class that a beat is compared with for its nearest neighbour, drawn at random."""

_NO_BEAT = len(CLASSES)
_BEATS_AT_ONCE = 4096
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class BeatProbe:
    """A linear model for each class, and what is subtracted from its log odds; the greatest decides."""

    line: Linear
    prior: Float64[np.ndarray, " 4"]
    prior_share: float
    inner_macro_f1: float

    def classes(self, values: Float32[np.ndarray, "beat feature"]) -> Int64[np.ndarray, " beat"]:
        """The class of each beat, as its number in `CLASSES`."""
        return (self.line.scores(values) - self.prior_share * self.prior).argmax(axis=1).astype(np.int64)


@dataclass(frozen=True)
class BeatProbeChoice:
    """What the validation records of DS1 decide."""

    inverse_penalty: float
    prior_share: float
    inner_macro_f1: Number
    """On these records."""


@dataclass(frozen=True)
class MacroF1:
    """Macro F1 on DS2 by three ways to a class."""

    beat_embeddings: Number
    """By the linear probe."""
    nearest_neighbour: Number
    """The class of the most similar training beat."""
    small_classifier: Number
    """The classifier that `prepare` applies."""
    shape_clusters: Number
    """Clusters of beat shape, mapped to classes on DS1; NaN where the store has none."""


@dataclass(frozen=True)
class BeatEmbeddingFigures:
    """Beat classes from an encoder's embeddings of beats."""

    encoder: str
    DS2: ClassFigures
    """By a linear probe."""
    DS2_nearest_neighbour: ClassFigures
    chosen: BeatProbeChoice
    training_beats: dict[str, int]
    """Training beats of each class."""
    macro_f1_of: MacroF1
    pretraining: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The encoder's provenance."""


def check_beat_embeddings(
    store: Store, encoder: str = "default", device: Device = "auto", seed: int = 0
) -> BeatEmbeddingFigures:
    """Per class sensitivity, PPV and F1 on DS2, and the macro F1 of the shape clusters and of the small classifier.

    A beat is four bins of the encoder's feature map minus the median over the beats of its ten seconds, so that the
    difference to its neighbours is left. Its class is that of a linear probe, and beside it that of the most similar
    training beat (cosine; at most `MOST_NEIGHBOURS` of a class). The probe is trained on DS1; four of its records, the
    validation set, choose the penalty and the weights of the classes. Matching and counting are those of
    `check_beat_classes`.

    Raises ValueError where the store has no reference beats, SplitError where it is not MIT-BIH, CheckpointError where
    the encoder expects signals prepared otherwise.
    """
    if not len(store.reference_beats):
        raise ValueError("this store has no reference beats; prepare mitdb")
    twelve = store.twelve_leads()
    split = split_mitdb(store.records)
    opened = open_encoder(encoder, EncoderConfig(), seed, twelve)
    where = torch_device(device)
    rows = np.sort(np.concatenate(list(split.sides().values())))
    values, line = embed_beats(opened.encoder.to(where), twelve, rows, BINS, device=where)
    row = store.beats["row"].to_numpy(np.int64)[line]
    values = less_row_median(values, row)
    pairs = matched_classes(store.beats.assign(cluster=np.arange(len(store.beats))), store.reference_beats)
    true = _true_of(pairs, len(store.beats))[line]
    train, valid, test = (np.isin(row, side) for side in (split.train, split.valid, split.test))
    used = train & (true >= 0)
    values = scaled(values, used)
    probe = fit_beats(values[used], true[used], values[valid & (true >= 0)], true[valid & (true >= 0)])
    found = np.full(len(store.beats), _NO_BEAT)
    found[line[test]] = probe.classes(values[test])
    nearest = np.full(len(store.beats), _NO_BEAT)
    drawn = drawn_beats(true, used, np.random.default_rng(seed))
    nearest[line[test]] = nearest_classes(values[drawn], true[drawn], values[test])
    of_test = pairs[pairs["record_id"].isin(store.records["record_id"].iloc[split.test].astype(str))]
    figures, by_neighbour = _figures(of_test, found), _figures(of_test, nearest)
    of_store = figures_of_marked_beats(store)
    clusters = of_store.clusters_mapped_on_DS1
    return BeatEmbeddingFigures(
        encoder=opened.name,
        DS2=figures,
        DS2_nearest_neighbour=by_neighbour,
        chosen=BeatProbeChoice(probe.line.inverse_penalty, probe.prior_share, probe.inner_macro_f1),
        training_beats={name: int((true[used] == k).sum()) for k, name in enumerate(CLASSES)},
        macro_f1_of=MacroF1(
            beat_embeddings=figures.macro_f1,
            nearest_neighbour=by_neighbour.macro_f1,
            small_classifier=of_store.sets["DS2"].macro_f1,
            shape_clusters=float("nan") if clusters is None else clusters.macro_f1,
        ),
        pretraining=opened.provenance,
    )


def less_row_median(
    values: Float32[np.ndarray, "beat feature"], row: Int64[np.ndarray, " beat"]
) -> Float32[np.ndarray, "beat feature"]:
    """Each beat minus the median over the beats of its row; rows ascend."""
    out = values.copy()
    for part in np.split(np.arange(len(row)), np.flatnonzero(np.diff(row)) + 1):
        out[part] -= np.median(values[part], axis=0)
    return out


def fit_beats(
    values: Float32[np.ndarray, "beat feature"],
    true: Int64[np.ndarray, " beat"],
    inner: Float32[np.ndarray, "inner_beat feature"],
    inner_true: Int64[np.ndarray, " inner_beat"],
) -> BeatProbe:
    """Of the probes fitted to beats of known class, the one with the greatest macro F1 (N, S, V, F) on inner beats."""
    labels = true[:, None] == np.arange(len(CLASSES))
    prior = np.log(np.maximum(labels.mean(axis=0), 1 / len(labels)))
    best: BeatProbe | None = None
    for line in fit_path(values, labels, INVERSE_PENALTIES, tolerance=_TOLERANCE):
        for share in PRIOR_SHARES:
            found = BeatProbe(line, prior, share, 0.0).classes(inner)
            quality = class_figures(class_counts(inner_true, found, len(CLASSES)), CLASSES).macro_f1
            if best is None or quality > best.inner_macro_f1:
                best = BeatProbe(line, prior, share, quality)
    assert best is not None
    return best


def drawn_beats(
    true: Int64[np.ndarray, " beat"], used: Bool[np.ndarray, " beat"], rng: np.random.Generator
) -> Int64[np.ndarray, " drawn"]:
    """Of the beats `used` at most `MOST_NEIGHBOURS` of each class, so that no class wins by its number; ascending."""
    of_classes = [np.flatnonzero(used & (true == k)) for k in range(len(CLASSES))]
    return np.sort(np.concatenate([rng.permutation(beats)[:MOST_NEIGHBOURS] for beats in of_classes]))


def nearest_classes(
    values: Float32[np.ndarray, "beat feature"],
    true: Int64[np.ndarray, " beat"],
    of: Float32[np.ndarray, "other feature"],
) -> Int64[np.ndarray, " other"]:
    """For each beat `of` the class of the beat whose embedding has the greatest cosine with its own."""
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    starts = range(0, len(of), _BEATS_AT_ONCE)
    nearest = [(of[start : start + _BEATS_AT_ONCE] @ unit.T).argmax(axis=1) for start in starts]
    return true[np.concatenate([*nearest, np.zeros(0, np.int64)])]


def _true_of(pairs: pd.DataFrame, beats: int) -> Int64[np.ndarray, " beat"]:
    """The class of every line of the table of beats; −1 for what is no beat, or of none of `CLASSES`."""
    true = np.full(beats, -1)
    real = pairs[(pairs["cluster"] >= 0) & (pairs["true"] != _NO_BEAT)]
    true[real["cluster"].to_numpy(np.int64)] = real["true"].to_numpy(np.int64)
    return true


def _figures(pairs: pd.DataFrame, found: Int64[np.ndarray, " beat"]) -> ClassFigures:
    """`pairs` has the line of each beat as its cluster, −1 where the beat was missed."""
    line = pairs["cluster"].to_numpy(np.int64)
    own = np.where(line >= 0, found[line], _NO_BEAT)
    return class_figures(class_counts(pairs["true"].to_numpy(np.int64), own, len(CLASSES) + 1), CLASSES)
