"""Tasks on whole records of PTB-XL: linear probes of labels and of age."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from beatssl.store.labels import Cohort, Rows, cohort, validation_only
from beatssl.store.quantities import quantities, quantities_of
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.sources import TEST_FOLD, TRAIN_FOLDS, VALID_FOLD, Source, rows_in
from beatssl.training.diagnosis.config import INVERSE_PENALTIES
from beatssl.training.diagnosis.figures import Scores, macros_by_draw
from beatssl.training.diagnosis.learnable import LearntLabels, LearntNumbers
from beatssl.training.diagnosis.number_figures import numbers_by_draw
from beatssl.training.diagnosis.probe import fit, scaled
from beatssl.training.diagnosis.question import training_draws

DRAWS = 5
"""Of a share of the labels."""


def probe_labels(
    source: Source,
    store: Store,
    config: ScorecardConfig,
    labels: str,
    share: float = 1.0,
    leads: Sequence[str] = (),
) -> list[Figure]:
    """Macro AUROC and F1 of logistic regression on embeddings, as `probe` measures them.

    Args:
        source: encoder or features.
        store: PTB-XL.
        config: folds, seed, draws of the bootstrap.
        labels: label set, or column of the records.
        share: of the training patients; figures are means over `DRAWS` draws of them.
        leads: those that validation and test rows are shown with alone.

    Raises ValueError where the store has no such labels or folds.
    """
    group = cohort(store, labels, TRAIN_FOLDS, VALID_FOLD, TEST_FOLD)
    group = group if config.test else validation_only(group)
    values = embedded(source, store, group, leads)
    scores: list[np.ndarray] = []
    for used in training_draws(store, group, share, DRAWS, config.seed):
        line, _ = fit(values, LearntLabels(group, used), INVERSE_PENALTIES)
        scores.append(line.scores(scaled(values, used)))
    return macro_of_labels(group, scores, config)


def macro_of_labels(group: Cohort, scores: Sequence[Scores], config: ScorecardConfig) -> list[Figure]:
    """Macro AUROC and F1 of the test rows, means over draws of labels, of which each has its scores."""
    found = macros_by_draw(group, scores, config.seed, config.bootstrap_draws)
    records = int(group.test.sum())
    return [
        figure(name, float(values[0]), values[1:], records)
        for name, values in (("AUROC", found["auroc"]), ("F1", found["f1"]))
    ]


def probe_numbers(source: Source, store: Store, config: ScorecardConfig, labels: str) -> list[Figure]:
    """Mean absolute error and R² of ridge regression on embeddings, of one column of numbers of the records."""
    numbers = quantities_of(store, labels)
    if numbers is None:
        raise ValueError(f"{labels} of store {store.path} holds no numbers; pass a column that does")
    group = quantities(store, numbers, TRAIN_FOLDS, VALID_FOLD, TEST_FOLD)
    group = group if config.test else validation_only(group)
    values = embedded(source, store, group)
    learnt = LearntNumbers(group, group.train)
    line, _ = fit(values, learnt, INVERSE_PENALTIES)
    predicted = learnt.in_units(line.scores(scaled(values, group.train)))
    found = numbers_by_draw(group, [predicted], config.seed, config.bootstrap_draws)
    records = int(group.known[group.test, 0].sum())
    return [
        figure("MAE (years)", float(found["mae"][0, 0]), found["mae"][1:, 0], records, higher_is_better=False),
        figure("R²", float(found["r2"][0, 0]), found["r2"][1:, 0], records),
    ]


def embedded(
    source: Source, store: Store, group: Rows, leads: Sequence[str] = ()
) -> Float32[np.ndarray, "row embedding"]:
    """Of a group's rows; those that validate or test are shown with `leads` alone, if any.

    All rows of a side are embedded, whether or not they have the labels asked for, so that the same embeddings in the
    cache serve all tasks.
    """
    known: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for folds, shown in ((TRAIN_FOLDS, ()), ((VALID_FOLD,), leads), ((TEST_FOLD,), leads)):
        side = rows_in(store, folds)
        if np.isin(side, group.row).any():
            rows.append(side)
            known.append(source.of_records(side, shown))
    every = np.concatenate(rows)
    at = np.searchsorted(every[order := np.argsort(every)], group.row)
    return np.concatenate(known)[order[at]]
