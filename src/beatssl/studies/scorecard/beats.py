"""Tasks on beats: the classes of MIT-BIH by a linear probe and by nearest neighbour on embeddings of beats."""

import numpy as np
import pandas as pd
from jaxtyping import Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.metrics.beat_classes import counts_of_records, drawn_figures
from beatssl.metrics.classification import patient_weights
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.sources import Source
from beatssl.training.diagnosis.beat_probe import BINS, classed_beats, found_classes, mitdb_rows


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
    counts = counts_of_records(record, pairs["true"].to_numpy(np.int64), found, len(CLASSES) + 1)
    person = dict(zip(store.records["record_id"].astype(str), patients(store.records), strict=True))
    whose, _ = pd.factorize(np.array([person[one] for one in np.unique(record)]))
    weights = patient_weights(whose, config.bootstrap_draws, np.random.default_rng(config.seed))
    one, drawn = (drawn_figures(counts, of, CLASSES) for of in (np.ones((1, len(counts))), weights))
    return [figure(name, float(one[name][0]), drawn[name], len(counts)) for name in ("macro F1", "F1 of S", "F1 of V")]
