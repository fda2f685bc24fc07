"""Tasks on beats: the classes of MIT-BIH by a linear probe and by nearest neighbour on embeddings of beats."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.metrics.beat_classes import class_counts, class_figures
from beatssl.metrics.classification import patient_weights
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.sources import Source
from beatssl.training.diagnosis.beat_probe import BINS, classed_beats, found_classes, mitdb_rows

SUPRAVENTRICULAR, VENTRICULAR = 1, 2
"""In `CLASSES`."""


def beats_by_both(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Macro F1 and F1 of S and V on DS2, or on the validation records of DS1, of both ways; the beats embedded once.

    Raises ValueError and SplitError as `mitdb_rows`.
    """
    rows = mitdb_rows(store)
    values, line = source.of_beats(rows, BINS)
    classed = classed_beats(store, values, line, config.seed, validation_only=not config.test)
    found = {"beats-linear": classed.by_probe, "beats-nearest": classed.by_neighbour}
    return {
        task: figures_of_pairs(classed.pairs, found_classes(classed.pairs, of), store, config)
        for task, of in found.items()
    }


def figures_of_pairs(
    pairs: pd.DataFrame, found: Int64[np.ndarray, " pair"], store: Store, config: ScorecardConfig
) -> list[Figure]:
    """Macro F1 and F1 of S and V of matched beats of a store and their found classes.

    Intervals are over patients; a record whose patient the store does not know is a patient of its own.
    """
    record = pairs["record_id"].to_numpy(str)
    counts = counts_of_records(record, pairs["true"].to_numpy(np.int64), found)
    person = dict(zip(store.records["record_id"].astype(str), patients(store.records), strict=True))
    whose, _ = pd.factorize(np.array([person[one] for one in np.unique(record)]))
    weights = patient_weights(whose, config.bootstrap_draws, np.random.default_rng(config.seed))
    one, drawn = f1_of(counts, np.ones((1, len(counts)))), f1_of(counts, weights)
    return [
        figure(name, float(one[0, at]), drawn[:, at], len(counts))
        for at, name in enumerate(("macro F1", "F1 of S", "F1 of V"))
    ]


def counts_of_records(
    record: np.ndarray, true: Int64[np.ndarray, " pair"], found: Int64[np.ndarray, " pair"]
) -> Int64[np.ndarray, "record 5 5"]:
    """Beats of each record by true and found class."""
    size = len(CLASSES) + 1
    return np.stack([class_counts(true[record == one], found[record == one], size) for one in np.unique(record)])


def f1_of(
    counts: Int64[np.ndarray, "record 5 5"], weights: Float64[np.ndarray, "draw record"]
) -> Float64[np.ndarray, "draw 3"]:
    """Macro F1, F1 of S and F1 of V where records count as often as their weights say."""
    drawn = np.einsum("dr,rij->dij", weights, counts).round().astype(np.int64)
    out = np.full((len(drawn), 3), np.nan)
    for at, of_draw in enumerate(drawn):
        figures = class_figures(of_draw, CLASSES)
        of = [figures.per_class[CLASSES[k]].f1 for k in (SUPRAVENTRICULAR, VENTRICULAR)]
        out[at] = figures.macro_f1, *of
    return out
