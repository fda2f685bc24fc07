"""Diagnoses predicted from the record features alone, by logistic regression and boosted trees."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from beatssl.results import Number
from beatssl.store.labels import Cohort
from beatssl.store.splits import Split, check_split, patients
from beatssl.store.standardise import FeatureStandardiser
from beatssl.store.store import Store
from beatssl.training.diagnosis.figures import (
    EvaluationSetup,
    FiguresOverDraws,
    Folds,
    RecordCounts,
    Scores,
    figures_of,
    macro_auroc,
)


@dataclass(frozen=True)
class FeatureCheckConfig:
    """Folds of the check, what it chooses from on the validation fold, and its models."""

    label_set: str = "superclass"
    train_folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    valid_fold: int = 8
    test_fold: int = 9
    inverse_penalties: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    tree_rounds: tuple[int, ...] = (75, 100, 150, 200)
    tree_learning_rate: float = 0.08
    tree_leaves: int = 15
    tree_smallest_leaf: int = 30
    tree_penalty: float = 5.0
    tree_feature_share: float = 0.2
    tree_bins: int = 63
    bootstrap_draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class ChosenPenalty:
    """What the validation fold chose for logistic regression."""

    inverse_penalty: float
    valid_macro_auroc: Number


@dataclass(frozen=True)
class ChosenRounds:
    """What the validation fold chose for boosted trees."""

    rounds: int
    valid_macro_auroc: Number


@dataclass(frozen=True, kw_only=True)
class FeatureModelFigures(FiguresOverDraws, EvaluationSetup):
    """Figures of one model on the test fold, as metrics.json of a probe has them."""

    chosen: ChosenPenalty | ChosenRounds


@dataclass(frozen=True)
class FeatureFigures:
    """Diagnoses predicted from the record features alone."""

    logistic_regression: FeatureModelFigures
    boosted_trees: FeatureModelFigures
    feature_count: int
    features: tuple[str, ...]


def check_features(store: Store, config: FeatureCheckConfig = FeatureCheckConfig()) -> FeatureFigures:
    """Diagnoses predicted from the record features alone, by logistic regression and by boosted trees.

    The validation fold chooses the penalty and the number of trees, by macro AUROC, and each label's threshold; all
    figures are of the test fold. Rows without a label in the set are dropped and counted.

    Raises ValueError where the store has no such labels, or where a fold is empty; SplitError where a patient or a
    waveform stands in two folds.
    """
    cohort = _cohort(store, config)
    features = store.features.iloc[cohort.row].reset_index(drop=True)
    scale = FeatureStandardiser.fit(features, None, cohort.train)
    linear = scale.for_models(scale.transform(features))
    models: dict[str, Callable[[], tuple[Scores, ChosenPenalty | ChosenRounds]]] = {
        "logistic_regression": lambda: _logistic(linear, cohort, config),
        "boosted_trees": lambda: _trees(features[list(scale.columns)].to_numpy(np.float32), cohort, config),
    }
    people = store.records.iloc[cohort.row].reset_index(drop=True)
    found: dict[str, FeatureModelFigures] = {}
    for model, fit in models.items():
        scores, chosen = fit()
        found[model] = _figures(store, config, cohort, people, scores, chosen, f"features, {model}")
    return FeatureFigures(**found, feature_count=len(scale.columns), features=tuple(scale.columns))


def _cohort(store: Store, config: FeatureCheckConfig) -> Cohort:
    targets = store.targets(config.label_set)
    table, fold = targets.to_numpy(bool), store.records["fold"].fillna(-1).to_numpy(np.int64)
    row = np.flatnonzero(table.any(axis=1))
    sides = {
        "train": np.isin(fold, config.train_folds),
        "valid": fold == config.valid_fold,
        "test": fold == config.test_fold,
    }
    for name, side in sides.items():
        if not side[row].any():
            raise ValueError(f"no labelled row is in the {name} fold; the store has folds {sorted(set(fold.tolist()))}")
    check_split(store.records, Split(*(np.flatnonzero(side) for side in sides.values())))
    return Cohort(
        row=row,
        labels=table[row],
        known=np.ones_like(table[row]),
        names=tuple(targets.columns),
        train=sides["train"][row],
        valid=sides["valid"][row],
        test=sides["test"][row],
        patient=patients(store.records).to_numpy()[row],
        dropped=int((np.any(list(sides.values()), axis=0) & ~table.any(axis=1)).sum()),
    )


def _logistic(
    values: Float32[np.ndarray, "row feature"], cohort: Cohort, config: FeatureCheckConfig
) -> tuple[Scores, ChosenPenalty]:
    """One logistic regression a label; the penalty, one for all labels, by the validation fold."""
    train = values[cohort.train].astype(np.float64)
    best, best_scores, best_penalty = -1.0, np.zeros(cohort.labels.shape), 0.0
    for penalty in config.inverse_penalties:
        scores = np.zeros(cohort.labels.shape)
        for k in range(len(cohort.names)):
            target = cohort.labels[cohort.train, k]
            if target.all() or not target.any():
                continue
            model = LogisticRegression(C=penalty, solver="newton-cholesky", max_iter=50).fit(train, target)
            scores[:, k] = values @ model.coef_[0] + model.intercept_[0]
        value = macro_auroc(cohort.labels[cohort.valid], scores[cohort.valid])
        if value > best:
            best, best_scores, best_penalty = value, scores, penalty
    return best_scores, ChosenPenalty(best_penalty, best)


def boosted_trees(config: FeatureCheckConfig, rounds: int) -> HistGradientBoostingClassifier:
    """Trees of one label, not fitted yet."""
    return HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=config.tree_learning_rate, max_leaf_nodes=config.tree_leaves,
        min_samples_leaf=config.tree_smallest_leaf, l2_regularization=config.tree_penalty,
        max_features=config.tree_feature_share, max_bins=config.tree_bins, random_state=config.seed,
        early_stopping=False,
    )  # fmt: skip


def _trees(
    values: Float32[np.ndarray, "row feature"], cohort: Cohort, config: FeatureCheckConfig
) -> tuple[Scores, ChosenRounds]:
    """Gradient-boosted trees, one set a label; how many, one number for all labels, by the validation fold."""
    rounds = config.tree_rounds
    staged: Float64[np.ndarray, "rounds row label"] = np.zeros((len(rounds), *cohort.labels.shape))
    for k in range(len(cohort.names)):
        target = cohort.labels[cohort.train, k]
        if target.all() or not target.any():
            continue
        model = boosted_trees(config, max(rounds)).fit(values[cohort.train], target)
        held_out = ~cohort.train
        for count, scores in enumerate(model.staged_decision_function(values[held_out]), start=1):
            if count in rounds:
                staged[rounds.index(count), held_out, k] = np.ravel(np.asarray(scores))
    quality = [macro_auroc(cohort.labels[cohort.valid], staged[at][cohort.valid]) for at in range(len(rounds))]
    at = int(np.argmax(quality))
    return staged[at], ChosenRounds(rounds[at], quality[at])


def _figures(
    store: Store,
    config: FeatureCheckConfig,
    cohort: Cohort,
    people: pd.DataFrame,
    scores: Scores,
    chosen: ChosenPenalty | ChosenRounds,
    encoder: str,
) -> FeatureModelFigures:
    sides = {"train": cohort.train, "valid": cohort.valid, "test": cohort.test}
    return FeatureModelFigures(
        config_hash=_hash({"check": asdict(config), "store": store.manifest.get("config")}),
        seed=config.seed,
        labels=config.label_set,
        label_share=1.0,
        folds=Folds(config.train_folds, config.valid_fold, config.test_fold),
        records=RecordCounts(**{name: int(side.sum()) for name, side in sides.items()}, dropped=cohort.dropped),
        **vars(figures_of(cohort, people, [scores], config.seed, config.bootstrap_draws)),
        chosen=chosen,
        encoder=encoder,
    )


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]
