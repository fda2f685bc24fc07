"""Retrieval: records with the same superclass found by the similarity of their embeddings."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped

from beatssl.metrics.classification import mean_of_known, paired_weights
from beatssl.store.labels import cohort, validation_only
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.records import embedded
from beatssl.studies.scorecard.sources import TEST_FOLD, TRAIN_FOLDS, VALID_FOLD, Source
from beatssl.training.diagnosis.probe import scaled

NEAREST = 10
_QUERIES_AT_ONCE = 128


def retrieve_superclasses(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Mean average precision, and precision among the ten nearest, macro over PTB-XL's superclasses.

    Queries are the records of the validation or test fold, what is searched those of the training folds, by cosine of
    embeddings standardised on the latter; see `precisions`.
    """
    group = cohort(store, "superclass", TRAIN_FOLDS, VALID_FOLD, TEST_FOLD)
    group = group if config.test else validation_only(group)
    values = scaled(embedded(source, store, group), group.train)
    ask, searched = group.test, group.train
    average, nearest = precisions(
        values[ask], group.labels[ask], group.patient[ask],
        values[searched], group.labels[searched], group.patient[searched],
    )  # fmt: skip
    weights = paired_weights(group.patient[ask], config.bootstrap_draws, np.random.default_rng(config.seed))
    records = int(ask.sum())
    return {
        "retrieval": [
            figure(name, float(drawn[0]), drawn[1:], records)
            for name, drawn in (
                ("mAP", macro_mean(average, weights)),
                (f"precision of {NEAREST}", macro_mean(nearest, weights)),
            )
        ]
    }


def precisions(
    queries: Float32[np.ndarray, "query feature"],
    of_queries: Bool[np.ndarray, "query label"],
    asking: Shaped[np.ndarray, " query"],
    values: Float32[np.ndarray, "record feature"],
    labels: Bool[np.ndarray, "record label"],
    patient: Shaped[np.ndarray, " record"],
    nearest: int = NEAREST,
) -> tuple[Float64[np.ndarray, "query label"], Float64[np.ndarray, "query label"]]:
    """Average precision of the whole ranking, and precision among the `nearest`, for each label that a query has.

    Records are ranked by the cosine of their values with the query's. One that shares the label is relevant, and a
    record of the query's own patient is left out. Average precision is the mean over the relevant records of the share
    of relevant ones among those ranked up to them. NaN for a label that the query, or no other patient, has.
    """
    average, among = (np.full(of_queries.shape, np.nan) for _ in range(2))
    for at, order in _rankings(queries, asking, values, patient):
        relevant = labels[order][:, of_queries[at]].astype(np.float64)
        place = np.arange(1, len(order) + 1)[:, None]
        count = relevant.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            average[at, of_queries[at]] = (relevant * np.cumsum(relevant, axis=0) / place).sum(axis=0) / count
            among[at, of_queries[at]] = np.where(count > 0, relevant[:nearest].mean(axis=0), np.nan)
    return average, among


def _rankings(
    queries: Float32[np.ndarray, "query feature"],
    asking: Shaped[np.ndarray, " query"],
    values: Float32[np.ndarray, "record feature"],
    patient: Shaped[np.ndarray, " record"],
) -> Iterator[tuple[int, np.ndarray]]:
    """Each query's number, and the records of other patients from the most to the least similar."""
    unit, of_query = _unit(values), _unit(queries)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        similarity = of_query[start : start + _QUERIES_AT_ONCE] @ unit.T
        for at, line in enumerate(similarity, start=start):
            order = np.argsort(-line, kind="stable")
            yield at, order[patient[order] != asking[at]]


def _unit(values: Float32[np.ndarray, "row feature"]) -> Float32[np.ndarray, "row feature"]:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def macro_mean(
    values: Float64[np.ndarray, "query label"], weights: Float64[np.ndarray, "draw query"]
) -> Float64[np.ndarray, " draw"]:
    """Mean over the labels of the weighted mean over the queries that have a value."""
    known = np.isfinite(values)
    total, count = weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64)
    return mean_of_known(np.where(count > 0, total / np.where(count > 0, count, 1), np.nan))
