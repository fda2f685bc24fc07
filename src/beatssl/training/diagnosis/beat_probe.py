"""Classes of beats by a linear probe and by nearest neighbour on embeddings of beats; MIT-BIH's DS1 and DS2."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.classes.matching import NO_BEAT, matched_classes
from beatssl.metrics.beat_classes import ClassFigures, class_counts, class_figures
from beatssl.store.splits import split_mitdb
from beatssl.store.store import Store
from beatssl.training.diagnosis.linear import Linear, fit_path
from beatssl.training.diagnosis.probe import scaled

BINS = 4
"""Places of a beat that its embedding is of."""
INVERSE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a class's log prior odds that are subtracted from its log odds before the classes are compared."""
MOST_NEIGHBOURS = 2000
"""Training beats of a class that a beat is compared with for its nearest neighbour, drawn at random."""

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
class ClassedBeats:
    """Beats of the records that are scored, each with the classes found."""

    pairs: pd.DataFrame
    """Reference against the beats found, as `matched_classes` gives them."""
    by_probe: Int64[np.ndarray, " line"]
    """The class of every line of the store's table of beats; `NO_BEAT` where it is not scored."""
    by_neighbour: Int64[np.ndarray, " line"]
    probe: BeatProbe
    training_beats: dict[str, int]
    """Of each class."""


def mitdb_rows(store: Store) -> Int64[np.ndarray, " row"]:
    """Rows of the records of DS1 and DS2, ascending. Raises ValueError without reference beats, SplitError where the
    store is not MIT-BIH."""
    if not len(store.reference_beats):
        raise ValueError("this store has no reference beats; prepare mitdb")
    return np.sort(np.concatenate(list(split_mitdb(store.records).sides().values())))


def classed_beats(
    store: Store,
    values: Float32[np.ndarray, "beat feature"],
    line: Int64[np.ndarray, " beat"],
    seed: int,
    validation_only: bool = False,
) -> ClassedBeats:
    """Beats of DS2, or of the validation records of DS1, classed by a probe and by nearest neighbour of DS1's others.

    A beat is its embedding minus the median over the beats of its row, so that the difference to its neighbours is
    left. The probe is trained on DS1; four of its records, the validation set, choose the penalty and the weights of
    the classes. The nearest neighbour is by cosine, among at most `MOST_NEIGHBOURS` training beats of a class.

    Args:
        store: MIT-BIH.
        values: embeddings of beats of the rows that `mitdb_rows` names.
        line: their lines in the store's table of beats.
        seed: of the draw of training beats.
        validation_only: class the validation records, and not DS2.
    """
    split = split_mitdb(store.records)
    scored = split.valid if validation_only else split.test
    row = store.beats["row"].to_numpy(np.int64)[line]
    pairs = matched_classes(store.beats, store.reference_beats)
    true = true_of(pairs, len(store.beats))[line]
    used, inner = (np.isin(row, side) & (true >= 0) for side in (split.train, split.valid))
    values = scaled(less_row_median(values, row), used)
    probe = fit_beats(values[used], true[used], values[inner], true[inner])
    drawn = drawn_beats(true, used, np.random.default_rng(seed))
    by_probe, by_neighbour = (np.full(len(store.beats), NO_BEAT) for _ in range(2))
    at = np.isin(row, scored)
    by_probe[line[at]] = probe.classes(values[at])
    by_neighbour[line[at]] = nearest_classes(values[drawn], true[drawn], values[at])
    ids = store.records["record_id"].iloc[scored].astype(str)
    return ClassedBeats(
        pairs=pairs[pairs["record_id"].isin(ids)],
        by_probe=by_probe,
        by_neighbour=by_neighbour,
        probe=probe,
        training_beats={name: int((true[used] == k).sum()) for k, name in enumerate(CLASSES)},
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


def true_of(pairs: pd.DataFrame, beats: int) -> Int64[np.ndarray, " beat"]:
    """The class of every line of the table of beats; −1 for what is no beat, or of none of `CLASSES`."""
    true = np.full(beats, -1)
    real = pairs[(pairs["line"] >= 0) & (pairs["true"] != NO_BEAT)]
    true[real["line"].to_numpy(np.int64)] = real["true"].to_numpy(np.int64)
    return true


def found_classes(pairs: pd.DataFrame, found: Int64[np.ndarray, " line"]) -> Int64[np.ndarray, " pair"]:
    """The class found of each pair, from those of all lines of the table of beats; `NO_BEAT` where it was missed."""
    line = pairs["line"].to_numpy(np.int64)
    return np.where(line >= 0, found[line], NO_BEAT)


def figures_of_beats(pairs: pd.DataFrame, found: Int64[np.ndarray, " line"]) -> ClassFigures:
    """Figures of classes; `found` has that of every line of the table of beats."""
    own = found_classes(pairs, found)
    return class_figures(class_counts(pairs["true"].to_numpy(np.int64), own, len(CLASSES) + 1), CLASSES)
