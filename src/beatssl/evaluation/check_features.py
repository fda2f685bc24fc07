"""How much of a diagnosis the record features hold: plain classifiers on them alone, with no network."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from beatssl.dataset.standardise import FeatureStandardiser
from beatssl.dataset.store import Store
from beatssl.metrics.classification import auroc, best_f1_thresholds, figures_of_labels, report

_AGES = (("under 50", 0, 50), ("50 to 69", 50, 70), ("70 and over", 70, np.inf))
_SMALLEST_GROUP = 50


@dataclass(frozen=True)
class FeatureCheckConfig:
    """What the check trains on, chooses from and reports."""

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


@dataclass(frozen=True, slots=True)
class _Cohort:
    """Labelled rows and the folds they stand in."""

    rows: Int64[np.ndarray, " row"]
    labels: Bool[np.ndarray, "row label"]
    names: tuple[str, ...]
    train: Bool[np.ndarray, " row"]
    valid: Bool[np.ndarray, " row"]
    test: Bool[np.ndarray, " row"]
    dropped: int


_Scores = Float64[np.ndarray, "row label"]


def check_features(store: Store, config: FeatureCheckConfig = FeatureCheckConfig()) -> dict[str, Any]:
    """Diagnoses predicted from the record features alone, by logistic regression and by boosted trees.

    The penalty and the number of trees are chosen by macro AUROC on the choosing fold, and so is each label's
    threshold; only the reported fold's figures come out, in the layout of `metrics.json` under
    `logistic_regression` and `boosted_trees`. Rows without a label in the set are dropped and counted.

    Raises ValueError where the store has no such labels, or where a fold is empty.
    """
    cohort = _cohort(store, config)
    features = store.features.iloc[cohort.rows].reset_index(drop=True)
    scale = FeatureStandardiser.fit(features, None, cohort.train)
    linear = scale.for_models(scale.transform(features))
    models: dict[str, Callable[[], tuple[_Scores, dict[str, float]]]] = {
        "logistic_regression": lambda: _logistic(linear, cohort, config),
        "boosted_trees": lambda: _trees(features[list(scale.columns)].to_numpy(np.float32), cohort, config),
    }
    people = store.records.iloc[cohort.rows].reset_index(drop=True)
    out: dict[str, Any] = {}
    for model, fit in models.items():
        scores, chosen = fit()
        out[model] = _entry(store, config, cohort, people, scores) | {"chosen": chosen, "encoder": f"features, {model}"}
    return out | {"feature_count": len(scale.columns), "features": list(scale.columns)}


def _cohort(store: Store, config: FeatureCheckConfig) -> _Cohort:
    targets = store.targets(config.label_set)
    names, table = tuple(targets.columns), targets.to_numpy(bool)
    rows = np.flatnonzero(table.any(axis=1))
    fold = store.records["fold"].fillna(-1).to_numpy(np.int64)
    used = np.isin(fold, [*config.train_folds, config.valid_fold, config.test_fold])
    of = fold[rows]
    cohort = _Cohort(
        rows, table[rows], names, np.isin(of, config.train_folds), of == config.valid_fold, of == config.test_fold,
        int((used & ~table.any(axis=1)).sum()),
    )  # fmt: skip
    for name, part in (("train", cohort.train), ("valid", cohort.valid), ("test", cohort.test)):
        if not part.any():
            raise ValueError(f"no labelled row is in the {name} fold; the store has folds {sorted(set(fold.tolist()))}")
    return cohort


def _macro_auroc(labels: Bool[np.ndarray, "row label"], scores: _Scores) -> float:
    each = np.array([auroc(labels[:, k], scores[:, k]) for k in range(labels.shape[1])])
    known = each[np.isfinite(each)]
    return float(known.mean()) if known.size else 0.0


def _logistic(
    values: Float32[np.ndarray, "row feature"], cohort: _Cohort, config: FeatureCheckConfig
) -> tuple[_Scores, dict[str, float]]:
    """One logistic regression a label; the penalty, one for all labels, by the choosing fold."""
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
        value = _macro_auroc(cohort.labels[cohort.valid], scores[cohort.valid])
        if value > best:
            best, best_scores, best_penalty = value, scores, penalty
    return best_scores, {"inverse_penalty": best_penalty, "valid_macro_auroc": best}


def _trees(
    values: Float32[np.ndarray, "row feature"], cohort: _Cohort, config: FeatureCheckConfig
) -> tuple[_Scores, dict[str, float]]:
    """Gradient-boosted trees, one set a label; how many, one number for all labels, by the choosing fold."""
    rounds = config.tree_rounds
    staged: Float64[np.ndarray, "rounds row label"] = np.zeros((len(rounds), *cohort.labels.shape))
    for k in range(len(cohort.names)):
        target = cohort.labels[cohort.train, k]
        if target.all() or not target.any():
            continue
        model = HistGradientBoostingClassifier(
            max_iter=max(rounds), learning_rate=config.tree_learning_rate, max_leaf_nodes=config.tree_leaves,
            min_samples_leaf=config.tree_smallest_leaf, l2_regularization=config.tree_penalty,
            max_features=config.tree_feature_share, max_bins=config.tree_bins, random_state=config.seed,
            early_stopping=False,  # pyright: ignore[reportArgumentType]
        ).fit(values[cohort.train], target)  # fmt: skip
        held_out = ~cohort.train
        for count, scores in enumerate(model.staged_decision_function(values[held_out]), start=1):
            if count in rounds:
                staged[rounds.index(count), held_out, k] = np.ravel(np.asarray(scores))
    quality = [_macro_auroc(cohort.labels[cohort.valid], staged[at][cohort.valid]) for at in range(len(rounds))]
    at = int(np.argmax(quality))
    return staged[at], {"rounds": rounds[at], "valid_macro_auroc": quality[at]}


def _entry(
    store: Store, config: FeatureCheckConfig, cohort: _Cohort, people: pd.DataFrame, scores: _Scores
) -> dict[str, Any]:
    valid, test = cohort.valid, cohort.test
    thresholds = best_f1_thresholds(cohort.labels[valid], scores[valid])
    patients = people["patient_id"].fillna(people["record_id"]).astype(str).to_numpy()
    figures = report(
        cohort.labels[test], scores[test], thresholds, patients[test], cohort.names,
        np.random.default_rng(config.seed), config.bootstrap_draws,
    )  # fmt: skip
    counted = {name: int(part.sum()) for name, part in (("train", cohort.train), ("valid", valid), ("test", test))}
    return {
        "config_hash": _hash({"check": asdict(config), "store": store.manifest.get("config")}),
        "seed": config.seed,
        "labels": config.label_set,
        "label_share": 1.0,
        "folds": {"train": list(config.train_folds), "valid": config.valid_fold, "test": config.test_fold},
        "records": counted | {"dropped": cohort.dropped},
        **figures,
        "by_group": _by_group(cohort, people, scores, thresholds),
    }


def _by_group(
    cohort: _Cohort, people: pd.DataFrame, scores: _Scores, thresholds: Float64[np.ndarray, " label"]
) -> dict[str, dict[str, float]]:
    """Macro figures by sex and age group on the reported fold, for groups large enough to mean something."""
    age = people["age_years"].to_numpy(np.float64)
    groups = {sex: (people["sex"] == sex).to_numpy(bool) for sex in ("female", "male")}
    groups |= {name: (age >= low) & (age < high) for name, low, high in _AGES}
    out: dict[str, dict[str, float]] = {}
    for name, member in groups.items():
        part = cohort.test & member
        if part.sum() >= _SMALLEST_GROUP:
            weights = np.ones((1, int(part.sum())))
            each = figures_of_labels(cohort.labels[part], scores[part], thresholds, weights)
            known = {kind: values[np.isfinite(values)] for kind, values in each.items()}
            macro = {f"macro_{kind}": float(values.mean()) for kind, values in known.items() if values.size}
            out[name] = {"records": float(part.sum())} | macro
    return out


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]
