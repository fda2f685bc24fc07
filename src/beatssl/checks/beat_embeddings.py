"""Beat classes of MIT-BIH's DS2 as a linear probe reads them from a frozen encoder's embeddings of beats."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.checks.beat_classes import check_beat_classes, matched_classes
from beatssl.inference.beat_embedding import embed_beats
from beatssl.inference.source import open_encoder
from beatssl.metrics.beat_classes import class_counts, class_figures
from beatssl.models.encoded import EncoderConfig
from beatssl.store.splits import split_mitdb
from beatssl.store.store import Store
from beatssl.training.diagnosis.linear import Linear, fit_path
from beatssl.training.diagnosis.probe import scaled

BINS = 4
INVERSE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How much of the rarity of a class is taken back from its log odds before the classes are weighed."""
_NO_BEAT = len(CLASSES)
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class BeatProbe:
    """A line for each class, and what is taken from its log odds; the greatest decides."""

    line: Linear
    prior: Float64[np.ndarray, " 4"]
    prior_share: float
    inner_macro_f1: float

    def classes(self, values: Float32[np.ndarray, "beat feature"]) -> Int64[np.ndarray, " beat"]:
        """The class of each beat, as its number in `CLASSES`."""
        return (self.line.scores(values) - self.prior_share * self.prior).argmax(axis=1).astype(np.int64)


def check_beat_embeddings(store: Store, encoder: str = "default", seed: int = 0) -> dict[str, Any]:
    """Per class sensitivity, PPV and F1 on DS2, beside those of the shape clusters and of the small classifier.

    A beat is four places of the encoder's feature map, less the median over the beats of its ten seconds: what sets it
    apart from its neighbours. The probe learns on DS1; penalty and weights of the classes are chosen on four records of
    it. Matching and counting are those of `check_beat_classes`.

    Raises ValueError where the store has no reference beats, SplitError where it is not MIT-BIH, CheckpointError where
    the encoder knows signals prepared otherwise.
    """
    if not len(store.reference_beats):
        raise ValueError("this store has no reference beats; prepare mitdb")
    twelve = store.twelve_leads()
    split = split_mitdb(store.records)
    opened = open_encoder(encoder, EncoderConfig(), seed, twelve)
    values, line = embed_beats(opened.encoder, twelve, np.sort(np.concatenate(list(split.sides().values()))), BINS)
    row = store.beats["row"].to_numpy(np.int64)[line]
    values = beside_usual(values, row)
    pairs = matched_classes(store.beats.assign(cluster=np.arange(len(store.beats))), store.reference_beats)
    true = _true_of(pairs, len(store.beats))[line]
    train, valid, test = (np.isin(row, side) for side in (split.train, split.valid, split.test))
    used = train & (true >= 0)
    values = scaled(values, used)
    probe = fit_beats(values[used], true[used], values[valid & (true >= 0)], true[valid & (true >= 0)])
    found = np.full(len(store.beats), _NO_BEAT)
    found[line[test]] = probe.classes(values[test])
    of_test = pairs[pairs["record_id"].isin(store.records["record_id"].iloc[split.test].astype(str))]
    beside = check_beat_classes(store)
    return {
        "encoder": opened.name,
        "DS2": _figures(of_test, found),
        "chosen": {
            "inverse_penalty": probe.line.inverse_penalty, "prior_share": probe.prior_share,
            "inner_macro_f1": probe.inner_macro_f1,
        },
        "beats_learnt_from": {name: int((true[used] == k).sum()) for k, name in enumerate(CLASSES)},
        "macro_f1_beside": {
            "beat_embeddings": _figures(of_test, found)["macro_f1"],
            "small_classifier": beside["DS2"]["macro_f1"],
            "shape_clusters": beside.get("clusters_mapped_on_DS1", {}).get("macro_f1"),
        },
        "pretraining": opened.provenance,
    }  # fmt: skip


def beside_usual(
    values: Float32[np.ndarray, "beat feature"], row: Int64[np.ndarray, " beat"]
) -> Float32[np.ndarray, "beat feature"]:
    """Each beat less the median over the beats of its row; rows ascend."""
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
    """The probe learnt from beats of known class whose macro F1 over N, S, V and F is greatest on the inner beats."""
    labels = true[:, None] == np.arange(len(CLASSES))
    prior = np.log(np.maximum(labels.mean(axis=0), 1 / len(labels)))
    best: BeatProbe | None = None
    for line in fit_path(values, labels, INVERSE_PENALTIES, tolerance=_TOLERANCE):
        for share in PRIOR_SHARES:
            found = BeatProbe(line, prior, share, 0.0).classes(inner)
            quality = class_figures(class_counts(inner_true, found, len(CLASSES)), CLASSES)["macro_f1"]
            if best is None or quality > best.inner_macro_f1:
                best = BeatProbe(line, prior, share, quality)
    assert best is not None
    return best


def _true_of(pairs: pd.DataFrame, beats: int) -> Int64[np.ndarray, " beat"]:
    """The class of every line of the table of beats; −1 for what is no beat, or of no class that counts."""
    true = np.full(beats, -1)
    real = pairs[(pairs["cluster"] >= 0) & (pairs["true"] != _NO_BEAT)]
    true[real["cluster"].to_numpy(np.int64)] = real["true"].to_numpy(np.int64)
    return true


def _figures(pairs: pd.DataFrame, found: Int64[np.ndarray, " beat"]) -> dict[str, Any]:
    """`pairs` has the line of each beat as its cluster, −1 where the beat was missed."""
    line = pairs["cluster"].to_numpy(np.int64)
    own = np.where(line >= 0, found[line], _NO_BEAT)
    return class_figures(class_counts(pairs["true"].to_numpy(np.int64), own, len(CLASSES) + 1), CLASSES)
