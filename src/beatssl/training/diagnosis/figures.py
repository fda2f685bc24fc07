"""Figures of a probe in the layout of metrics.json: one set of scores, or the mean over several draws of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from beatssl.metrics.calibration import calibration_figures, chances, fit_temperatures, macro_of
from beatssl.metrics.classification import auroc, best_f1_thresholds, figures_of_labels, patient_weights, report
from beatssl.store.labels import Cohort

_AGES = (("under 50", 0, 50), ("50 to 69", 50, 70), ("70 and over", 70, np.inf))
_SMALLEST_GROUP = 50

Scores = Float64[np.ndarray, "row label"]


def figures_of(
    group: Cohort, people: pd.DataFrame, draws: Sequence[Scores], seed: int, bootstrap_draws: int
) -> dict[str, Any]:
    """Macro figures, figures of every label and group, and intervals over bootstrap draws of patients.

    `people` has the cohort's lines of the store's records; `draws` the scores of every draw of labels. Of several,
    figures are means over draws, intervals those of that mean, and each draw's own figures stand under `draws`.
    """
    each = [_one(group, people, scores, seed, bootstrap_draws) for scores in draws]
    if len(each) == 1:
        return each[0]
    return _mean_of(each) | {"ci95": _intervals_of_mean(group, draws, seed, bootstrap_draws), "draws": each}


@dataclass(frozen=True)
class Chosen:
    """What the choosing fold decides once a model is trained: each label's temperature and threshold."""

    temperatures: Float64[np.ndarray, " label"]
    thresholds: Float64[np.ndarray, " label"]  # of scores

    @property
    def threshold_chances(self) -> Float64[np.ndarray, " label"]:
        """Thresholds of calibrated probabilities; 1 where nothing is called."""
        return chances(self.thresholds[None], self.temperatures)[0]


def choose(group: Cohort, scores: Scores) -> Chosen:
    """Temperatures that make probabilities of the scores, and thresholds of the greatest F1, on the choosing fold."""
    labels, own, known = group.labels[group.valid], scores[group.valid], group.known[group.valid]
    return Chosen(fit_temperatures(labels, own, known), best_f1_thresholds(labels, own, known))


def calibration_of(group: Cohort, draws: Sequence[Scores]) -> dict[str, Any]:
    """How far probabilities are from shares of positives on the reported fold; see `calibration_figures`.

    Of several draws of labels, `calibration` is the mean and `reliability` that of the first.
    """
    test = group.test
    each = [
        calibration_figures(
            group.labels[test], scores[test], group.known[test], choose(group, scores).temperatures, group.names
        )
        for scores in draws
    ]
    first: dict[str, dict[str, float]] = each[0]["calibration"]["per_class"]
    errors = {
        label: {kind: float(np.mean([one["calibration"]["per_class"][label][kind] for one in each])) for kind in kinds}
        for label, kinds in first.items()
    }
    return {"calibration": macro_of(errors) | {"per_class": errors}, "reliability": each[0]["reliability"]}


def macro_auroc(
    labels: Bool[np.ndarray, "row label"], scores: Scores, known: Bool[np.ndarray, "row label"] | None = None
) -> float:
    """Mean AUROC over the labels that have one, each over the rows of which it is known; 0 where none has."""
    of = np.ones_like(labels) if known is None else known
    each = np.array([auroc(labels[of[:, k], k], scores[of[:, k], k]) for k in range(labels.shape[1])])
    finite = each[np.isfinite(each)]
    return float(finite.mean()) if finite.size else 0.0


def plain(value: Any) -> Any:
    """As JSON takes it: None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _one(group: Cohort, people: pd.DataFrame, scores: Scores, seed: int, bootstrap_draws: int) -> dict[str, Any]:
    labels, test, known = group.labels, group.test, group.known
    thresholds = choose(group, scores).thresholds
    rng = np.random.default_rng(seed)
    figures = report(
        labels[test], scores[test], thresholds, group.patient[test], group.names, rng, bootstrap_draws, known[test]
    )
    return figures | {"by_group": _by_group(group, people, scores, thresholds)}


def _by_group(
    group: Cohort, people: pd.DataFrame, scores: Scores, thresholds: Float64[np.ndarray, " label"]
) -> dict[str, dict[str, float]]:
    """Macro figures by sex and age group on the reported fold, for groups large enough to mean something."""
    age = people["age_years"].to_numpy(np.float64)
    members = {sex: (people["sex"] == sex).to_numpy(bool) for sex in ("female", "male")}
    members |= {name: (age >= low) & (age < high) for name, low, high in _AGES}
    out: dict[str, dict[str, float]] = {}
    for name, member in members.items():
        part = group.test & member
        if part.sum() >= _SMALLEST_GROUP:
            ones = np.ones((1, int(part.sum())))
            each = figures_of_labels(group.labels[part], scores[part], thresholds, ones, group.known[part])
            out[name] = {"records": float(part.sum())} | {f"macro_{k}": float(v) for k, (v,) in _macros(each).items()}
    return out


def _macros(each: dict[str, Float64[np.ndarray, "draw label"]]) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Means over the labels that have a figure."""
    known = {kind: np.isfinite(values) for kind, values in each.items()}
    return {
        kind: np.where(known[kind], values, 0).sum(axis=1) / np.maximum(known[kind].sum(axis=1), 1)
        for kind, values in each.items()
    }


def _mean_of(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Macro figures and those of every label, as means over draws."""
    macro = {name: float(np.mean([one[name] for one in each])) for name in ("macro_auroc", "macro_auprc", "macro_f1")}
    per_class: dict[str, dict[str, float]] = {}
    for label, first in each[0]["per_class"].items():
        means = {kind: np.mean([one["per_class"][label][kind] for one in each]) for kind in ("auroc", "auprc", "f1")}
        per_class[label] = {kind: float(value) for kind, value in means.items()} | {"positives": first["positives"]}
    by_group = {
        name: {kind: float(np.mean([one["by_group"][name][kind] for one in each])) for kind in first}
        for name, first in each[0]["by_group"].items()
    }
    return macro | {"per_class": per_class, "by_group": by_group}


def _intervals_of_mean(group: Cohort, draws: Sequence[Scores], seed: int, bootstrap_draws: int) -> dict[str, Any]:
    """Every bootstrap draw of patients is scored for all draws of labels, and their mean taken."""
    test = group.test
    weights = patient_weights(group.patient[test], bootstrap_draws, np.random.default_rng(seed))
    drawn: list[dict[str, Float64[np.ndarray, " draw"]]] = []
    for scores in draws:
        thresholds = choose(group, scores).thresholds
        drawn.append(
            _macros(figures_of_labels(group.labels[test], scores[test], thresholds, weights, group.known[test]))
        )
    means = {kind: np.mean([one[kind] for one in drawn], axis=0) for kind in drawn[0]}
    return {f"macro_{kind}": [float(v) for v in np.quantile(mean, (0.025, 0.975))] for kind, mean in means.items()}
