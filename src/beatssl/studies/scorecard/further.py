"""Tasks on further databases: linear probes by cross-validation over patients. They are reported, never chosen by."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.metrics.classification import patient_weights, weighted_auroc, weighted_f1
from beatssl.store.labels import Cohort, Labels, labels_of_set
from beatssl.store.own_data.sides import draw_sides
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.store.vocabularies.snomed import annotated
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure, figure
from beatssl.studies.scorecard.sources import TRAIN_FOLDS, FeatureSource, Source
from beatssl.training.diagnosis.config import INVERSE_PENALTIES
from beatssl.training.diagnosis.learnable import LearntLabels
from beatssl.training.diagnosis.probe import fit, scaled

PARTS = 5
"""Each is tested once; the next one chooses the penalty, the others train."""
LEAST_SHARE = 0.5
"""Of a row's length that is measured; a shorter rest of a longer record is left out."""


@dataclass(frozen=True)
class Question:
    """What is asked of a database's records."""

    label_set: str
    least: int = 10
    """Positive records that a label needs."""
    asked: tuple[str, ...] = ()
    """Labels that figures are of; none: all that have enough."""
    among: tuple[str, ...] = ()
    """Only records with one of these labels; none: all that have any."""
    classes: tuple[str, ...] = ()
    """Labels that exclude each other, of which the likeliest is found: the mean of their F1 is given too."""


QUESTIONS: Mapping[str, Question] = {
    "brugada": Question("brugada", asked=("brugada",), among=("brugada", "healthy")),
    "ptbdb": Question("ptbdb", least=5),
    "cinc2021": Question("snomed"),
    "cinc2011": Question("cinc2011", asked=("acceptable",)),
    "cinc2017": Question("cinc2017", classes=("normal", "af", "other")),
}
"""By task."""


@dataclass(frozen=True)
class Predicted:
    """Scores of records by models that have not seen their patients."""

    names: tuple[str, ...]
    labels: Bool[np.ndarray, "record label"]
    known: Bool[np.ndarray, "record label"]
    """Where false, the record's source does not annotate the label: it neither trains nor counts in its figure."""
    scores: Float64[np.ndarray, "record label"]
    """Log odds in standard deviations from their mean, both over the rows that trained the part's model: its own
    intercept and penalty, which would rank parts against each other, are taken out. The mean over a record's rows."""
    log_odds: Float64[np.ndarray, "record label"]
    """As the models give them."""
    patient: Shaped[np.ndarray, " record"]


Scored = Callable[[Source, Store, Sequence[Cohort]], Iterable[Float64[np.ndarray, "row label"]]]
"""Log odds of all rows by the model of each part, learnt from the part's training rows."""


def probed(source: Source, store: Store, parts: Sequence[Cohort]) -> Iterable[Float64[np.ndarray, "row label"]]:
    """By logistic regression on what is frozen; the validation rows choose the penalty."""
    values = _of_any_store(source).of_records(parts[0].row)
    for group in parts:
        line, _ = fit(values, LearntLabels(group, group.train), INVERSE_PENALTIES)
        yield line.scores(scaled(values, group.train))


def further_records(task: str, source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Figures of one of `QUESTIONS`, over all records pooled, each scored by the part that tests it.

    Raises ValueError where the store has no such labels, SplitError where it has fewer patients than parts.
    """
    found = cross_validated(source, store, QUESTIONS[task], config.seed)
    return {task: figures_of(found, QUESTIONS[task], config)}


def figures_of(found: Predicted, question: Question, config: ScorecardConfig) -> list[Figure]:
    """AUROC, and where labels exclude each other the mean F1 of the classes."""
    return [macro("AUROC", areas(found, config), len(found.patient)), *_f1(found, question, _weights(found, config))]


def areas(found: Predicted, config: ScorecardConfig) -> Float64[np.ndarray, "draws_and_one label"]:
    """AUROC of each label: of all records, then of every bootstrap draw of their patients."""
    every = _weights(found, config)
    each = [
        weighted_auroc(found.labels[of, k], found.scores[of, k], every[:, of]) for k, of in enumerate(found.known.T)
    ]
    return np.stack(each, axis=1)


def cross_validated(source: Source, store: Store, question: Question, seed: int, scored: Scored = probed) -> Predicted:
    """Out-of-fold scores of the models that `scored` learns, `PARTS` parts drawn by patient, stratified by label.

    Rows that share patients or waveforms stay in one part. A record's score is the mean over its rows; of the last row
    of a longer record at least `LEAST_SHARE` must be measured. Raises as `further_records`.
    """
    rows, labels = _asked(store, question)
    return out_of_fold(source, store, rows, labels, seed, scored)


def out_of_fold(
    source: Source,
    store: Store,
    rows: Int64[np.ndarray, " row"],
    labels: Labels,
    seed: int,
    scored: Scored = probed,
) -> Predicted:
    """As `cross_validated`, of some rows of a store with these labels, a line a row."""
    records = store.records.iloc[rows].reset_index(drop=True)
    part = draw_sides(records, labels, (1.0,) * PARTS, np.random.default_rng(seed))
    patient = patients(records).to_numpy()
    parts: list[Cohort] = []
    for k in range(PARTS):
        test, valid = part == k, part == (k + 1) % PARTS
        group = Cohort(
            row=rows, labels=labels.given, known=labels.known, names=labels.names, train=~(test | valid), valid=valid,
            test=test, patient=patient, dropped=len(store) - len(rows),
        )  # fmt: skip
        parts.append(group)
    odds, scores = np.zeros(labels.given.shape), np.zeros(labels.given.shape)
    for group, own in zip(parts, scored(source, store, parts), strict=True):
        odds[group.test] = own[group.test]
        scores[group.test] = _standardised(own, labels.known & group.train[:, None])[group.test]
    return _by_record(records, labels, patient, scores, odds)


def _asked(store: Store, question: Question) -> tuple[Int64[np.ndarray, " row"], Labels]:
    """Rows that the question is about, and their labels.

    Of a label that none of a source's rows has nothing is known there. Rows of which nothing is known are left out.
    """
    found = labels_of_set(store, question.label_set)
    column = {name: found.given[:, k] for k, name in enumerate(found.names)}
    if absent := [name for name in (*question.asked, *question.among, *question.classes) if name not in column]:
        raise ValueError(f"store {store.path} has no record labelled {absent[0]!r} ({question.label_set})")
    records = store.records
    long = records["samples"].to_numpy(np.int64) >= LEAST_SHARE * round(store.duration_s * store.fs_hz)
    kept = (long | records["segment"].eq(0).to_numpy(np.bool_)) & found.known.any(axis=1)
    if question.among:
        kept &= np.any([column[name] for name in question.among], axis=0)
    rows = np.flatnonzero(kept)
    ids = (records["source"].astype(str) + "/" + records["record_id"].astype(str)).to_numpy()[rows]
    records_with = {name: len(np.unique(ids[column[name][rows]])) for name in found.names}
    for name in (*question.asked, *question.classes):
        if records_with[name] < question.least:
            raise ValueError(
                f"store {store.path}: records labelled {name!r} ({question.label_set}) are {records_with[name]}, "
                f"{question.least} are needed; prepare all of the database"
            )
    names = question.asked or tuple(name for name, count in records_with.items() if count >= question.least)
    if not names:
        raise ValueError(
            f"store {store.path}: no label of {question.label_set} has {question.least} records; prepare all of them"
        )
    given = np.stack([column[name] for name in names], axis=1)
    known = annotated(records["source"].astype(str), given)
    rows = rows[known[rows].any(axis=1)]
    return rows, Labels(given[rows], known[rows], names)


def _standardised(
    odds: Float64[np.ndarray, "row label"], used: Bool[np.ndarray, "row label"]
) -> Float64[np.ndarray, "row label"]:
    """Log odds in standard deviations from their mean over the entries used; 0 for a label without any."""
    count = np.maximum(used.sum(axis=0), 1)
    less_mean = odds - np.where(used, odds, 0).sum(axis=0) / count
    deviation = np.sqrt(np.where(used, less_mean**2, 0).sum(axis=0) / count)
    return np.where(used.any(axis=0), less_mean / np.maximum(deviation, 1e-12), 0)


def _of_any_store(source: Source) -> Source:
    """The same; features on the scale of all rows, where it would be that of PTB-XL's training folds."""
    if not isinstance(source, FeatureSource):
        return source
    records = source.store.records.assign(fold=TRAIN_FOLDS[0])
    return replace(source, store=source.store.with_tables(records=records))


def _by_record(
    records: pd.DataFrame,
    labels: Labels,
    patient: Shaped[np.ndarray, " row"],
    *of_rows: Float64[np.ndarray, "row label"],
) -> Predicted:
    ids = records["source"].astype(str) + "/" + records["record_id"].astype(str)
    _, first, of = np.unique(ids.to_numpy(str), return_index=True, return_inverse=True)
    count = np.bincount(of)

    def mean(values: Float64[np.ndarray, "row label"]) -> Float64[np.ndarray, "record label"]:
        return np.stack([np.bincount(of, column) / count for column in values.T], axis=1)

    scores, odds = map(mean, of_rows)
    return Predicted(labels.names, labels.given[first], labels.known[first], scores, odds, patient[first])


def _f1(found: Predicted, question: Question, weights: Float64[np.ndarray, "draw record"]) -> list[Figure]:
    """The mean F1 of the classes, where labels exclude each other: the likeliest of all is found."""
    if not question.classes:
        return []
    likeliest = found.log_odds.argmax(axis=1)
    at = [found.names.index(name) for name in question.classes]
    each = np.stack([weighted_f1(found.labels[:, k], likeliest == k, weights) for k in at], axis=1)
    return [macro(f"F1 of {', '.join(question.classes)}", each, len(found.patient))]


def _weights(found: Predicted, config: ScorecardConfig) -> Float64[np.ndarray, "draws_and_one record"]:
    drawn = patient_weights(found.patient, config.bootstrap_draws, np.random.default_rng(config.seed))
    return np.concatenate([np.ones((1, len(found.patient))), drawn])


def macro(name: str, values: Float64[np.ndarray, "draw label"], records: int) -> Figure:
    """The mean over the labels that have a figure; of the first line, the others give the interval."""
    there = np.isfinite(values)
    mean = np.where(there, values, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    mean[~there.any(axis=1)] = np.nan
    return figure(name, float(mean[0]), mean[1:], records)
