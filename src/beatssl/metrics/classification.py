"""Multilabel classification: AUROC, AUPRC, F1, thresholds, and intervals by bootstrap draws of patients.

Every figure is computed for many sets of record weights at once: a bootstrap draw is a weight a record (how often its
patient was drawn), so that scores are sorted once a label and not once a draw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.results import Number

Interval = tuple[Number, Number]
"""Lower and upper end, 95 %; NaN where nothing could be drawn."""
_UNKNOWN: Interval = (math.nan, math.nan)


@dataclass(frozen=True, kw_only=True)
class LabelFigures:
    """Figures of one label. Means over several draws of labels have neither intervals nor a threshold: NaN."""

    auroc: Number
    auprc: Number
    f1: Number
    auroc_ci95: Interval = _UNKNOWN
    auprc_ci95: Interval = _UNKNOWN
    f1_ci95: Interval = _UNKNOWN
    threshold: Number = math.nan
    """Of the scores that were reported on; NaN in a file where it is infinite: nothing is called positive. `probe`,
    `finetune` and `transfer` give the threshold of the calibrated probability, 1 where nothing is called; files
    written by 0.1 hold log odds before the temperature."""
    positives: int


@dataclass(frozen=True, kw_only=True)
class MacroIntervals:
    """95 % intervals of the macro figures over bootstrap draws of patients."""

    macro_auroc: Interval
    macro_auprc: Interval
    macro_f1: Interval


@dataclass(frozen=True, kw_only=True)
class MacroFigures:
    """Means over the labels that have a figure."""

    macro_auroc: Number
    macro_auprc: Number
    macro_f1: Number


@dataclass(frozen=True, kw_only=True)
class MacroEstimates(MacroFigures):
    """Macro figures and their intervals."""

    ci95: MacroIntervals


@dataclass(frozen=True, kw_only=True)
class ClassificationFigures(MacroEstimates):
    """Macro figures with their intervals, and the figures of each label by its name."""

    per_class: Mapping[str, LabelFigures]


@dataclass(frozen=True)
class PairedDifference:
    """One figure less another over all records, and its 95 % interval over the same bootstrap draws of patients."""

    difference: Number
    ci95: Interval


def auroc(labels: Bool[np.ndarray, " record"], scores: Float64[np.ndarray, " record"]) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counting one half.

    NaN where all labels are equal.
    """
    return float(weighted_auroc(labels, scores, np.ones((1, len(labels))))[0])


def auprc(labels: Bool[np.ndarray, " record"], scores: Float64[np.ndarray, " record"]) -> float:
    """Average precision, Σ (recall step · precision) over the distinct scores from the highest down; no interpolation.

    NaN where there is no positive.
    """
    return float(weighted_auprc(labels, scores, np.ones((1, len(labels))))[0])


def f1(labels: Bool[np.ndarray, " record"], predicted: Bool[np.ndarray, " record"]) -> float:
    """2 TP / (2 TP + FP + FN); NaN where there is neither a positive nor a prediction of one."""
    return float(weighted_f1(labels, predicted, np.ones((1, len(labels))))[0])


def weighted_auroc(
    labels: Bool[np.ndarray, " record"],
    scores: Float64[np.ndarray, " record"],
    weights: Float64[np.ndarray, "draw record"],
) -> Float64[np.ndarray, " draw"]:
    """`auroc` with record weights, one figure a row of `weights`."""
    true, false = _counts_from_the_top(labels, scores, weights)
    height = (true[:, 1:] + true[:, :-1]) / 2
    area = (np.diff(false, axis=1) * height).sum(axis=1)
    return _ratio(area, true[:, -1] * false[:, -1])


def weighted_auprc(
    labels: Bool[np.ndarray, " record"],
    scores: Float64[np.ndarray, " record"],
    weights: Float64[np.ndarray, "draw record"],
) -> Float64[np.ndarray, " draw"]:
    """`auprc` with record weights, one figure a row of `weights`."""
    true, false = _counts_from_the_top(labels, scores, weights)
    called = true[:, 1:] + false[:, 1:]
    precision = true[:, 1:] / np.where(called > 0, called, 1)
    return _ratio((np.diff(true, axis=1) * precision).sum(axis=1), true[:, -1])


def weighted_f1(
    labels: Bool[np.ndarray, " record"],
    predicted: Bool[np.ndarray, " record"],
    weights: Float64[np.ndarray, "draw record"],
) -> Float64[np.ndarray, " draw"]:
    """`f1` with record weights, one figure a row of `weights`."""
    hit = weights @ (labels & predicted)
    return _ratio(2 * hit, weights @ labels.astype(np.float64) + weights @ predicted.astype(np.float64))


LEAST_POSITIVES = 10
"""Of a label, for a threshold of its own."""


def best_f1_threshold(labels: Bool[np.ndarray, " record"], scores: Float64[np.ndarray, " record"]) -> float:
    """The lowest score that is called positive where F1 is greatest; the highest such threshold at a tie.

    Infinite (nothing is called) where there is no positive.
    """
    if not labels.any():
        return float("inf")
    true, false = _counts_from_the_top(labels, scores, np.ones((1, len(labels))))
    value = 2 * true[0, 1:] / (true[0, 1:] + false[0, 1:] + labels.sum())
    return float(np.unique(scores)[::-1][value.argmax()])


def best_f1_thresholds(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"] | None = None,
    even: float = 0.0,
) -> Float64[np.ndarray, " label"]:
    """`best_f1_threshold` of every label, over the records of which it is known (None: all).

    A label with fewer than ten positives has the threshold `even`, the score of one half (0 of log odds, 0.5 of
    probabilities): chosen by so few, a threshold may be anywhere.
    """
    of = _members(labels, known)
    return np.array(
        [
            best_f1_threshold(labels[rows, k], scores[rows, k]) if labels[rows, k].sum() >= LEAST_POSITIVES else even
            for k, rows in enumerate(of)
        ]
    )


def patient_weights(
    patients: Shaped[np.ndarray, " record"], draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "draw record"]:
    """Weights of bootstrap draws: as many patients as there are, with replacement, each with all their records."""
    _, of_record = np.unique(patients, return_inverse=True)
    count = int(of_record.max(initial=-1)) + 1
    drawn = rng.integers(0, max(count, 1), (draws, count)) + np.arange(draws)[:, None] * count
    times = np.bincount(drawn.ravel(), minlength=draws * count).reshape(draws, count)
    return times[:, of_record].astype(np.float64)


def figures_of_labels(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    thresholds: Float64[np.ndarray, " label"],
    weights: Float64[np.ndarray, "draw record"],
    known: Bool[np.ndarray, "record label"] | None = None,
) -> dict[str, Float64[np.ndarray, "draw label"]]:
    """AUROC, AUPRC and F1 (score ≥ threshold) of every label and every set of record weights, each label over the
    records of which it is known (None: all)."""
    figures: dict[str, list[Float64[np.ndarray, " draw"]]] = {"auroc": [], "auprc": [], "f1": []}
    for k, of in enumerate(_members(labels, known)):
        true, score, weight = labels[of, k], scores[of, k], weights[:, of]
        figures["auroc"].append(weighted_auroc(true, score, weight))
        figures["auprc"].append(weighted_auprc(true, score, weight))
        figures["f1"].append(weighted_f1(true, score >= thresholds[k], weight))
    return {kind: np.stack(values, axis=1) for kind, values in figures.items()}


def macro_figures(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    thresholds: Float64[np.ndarray, " label"],
    weights: Float64[np.ndarray, "draw record"],
    known: Bool[np.ndarray, "record label"] | None = None,
) -> dict[str, Float64[np.ndarray, " draw"]]:
    """`macro_auroc`, `macro_auprc` and `macro_f1` of every set of record weights, over the labels that have one."""
    each = figures_of_labels(labels, scores, thresholds, weights, known)
    return {f"macro_{kind}": mean_of_known(values) for kind, values in each.items()}


def paired_weights(
    patients: Shaped[np.ndarray, " record"], draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "draw record"]:
    """Weights for `paired_difference`: every record once, then `patient_weights`."""
    return np.concatenate([np.ones((1, len(patients))), patient_weights(patients, draws, rng)])


def paired_difference(one: Float64[np.ndarray, " draw"], other: Float64[np.ndarray, " draw"]) -> PairedDifference:
    """One less other, over all records and over bootstrap draws of patients.

    Both are figures for the same `paired_weights`: what a draw changes in both cancels out, so the interval is the
    narrower, the more the two agree on which patients are hard. A draw in which either has no figure does not count.
    """
    apart = one - other
    return PairedDifference(float(apart[0]), interval95(apart[1:]))


def report(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    thresholds: Float64[np.ndarray, " label"],
    patients: Shaped[np.ndarray, " record"],
    names: Sequence[str],
    rng: np.random.Generator,
    draws: int = 1000,
    known: Bool[np.ndarray, "record label"] | None = None,
) -> ClassificationFigures:
    """Macro AUROC, AUPRC and F1, figures of each label, and 95 % intervals over bootstrap draws of patients.

    Each label is scored over the records of which it is `known` (None: all). `thresholds` come from the validation
    fold. A label that all or none of the records have counts in no macro figure it has no value for.
    """
    point = figures_of_labels(labels, scores, thresholds, np.ones((1, len(labels))), known)
    drawn = figures_of_labels(labels, scores, thresholds, patient_weights(patients, draws, rng), known)
    of = _members(labels, known)
    macro = {kind: float(mean_of_known(values)[0]) for kind, values in point.items()}
    return ClassificationFigures(
        macro_auroc=macro["auroc"],
        macro_auprc=macro["auprc"],
        macro_f1=macro["f1"],
        per_class={
            name: LabelFigures(
                auroc=float(point["auroc"][0, k]),
                auprc=float(point["auprc"][0, k]),
                f1=float(point["f1"][0, k]),
                auroc_ci95=interval95(drawn["auroc"][:, k]),
                auprc_ci95=interval95(drawn["auprc"][:, k]),
                f1_ci95=interval95(drawn["f1"][:, k]),
                threshold=float(thresholds[k]),
                positives=int(labels[of[k], k].sum()),
            )
            for k, name in enumerate(names)
        },
        ci95=macro_intervals({kind: mean_of_known(values) for kind, values in drawn.items()}),
    )


def macro_intervals(drawn: Mapping[str, Float64[np.ndarray, " draw"]]) -> MacroIntervals:
    """Intervals of the macro figures from their values in every bootstrap draw, by kind: auroc, auprc, f1."""
    return MacroIntervals(
        macro_auroc=interval95(drawn["auroc"]),
        macro_auprc=interval95(drawn["auprc"]),
        macro_f1=interval95(drawn["f1"]),
    )


def interval95(values: Float64[np.ndarray, " draw"]) -> Interval:
    """Quantiles 0.025 and 0.975 of the finite values; NaN where there is none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return _UNKNOWN
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def _members(
    labels: Bool[np.ndarray, "record label"], known: Bool[np.ndarray, "record label"] | None
) -> list[slice | Int64[np.ndarray, " _member"]]:
    """For each label, which records it is scored over."""
    if known is None or known.all():
        return [slice(None)] * labels.shape[1]
    return [np.flatnonzero(column) for column in known.T]


def _counts_from_the_top(
    labels: Bool[np.ndarray, " record"],
    scores: Float64[np.ndarray, " record"],
    weights: Float64[np.ndarray, "draw record"],
) -> tuple[Float64[np.ndarray, "draw step"], Float64[np.ndarray, "draw step"]]:
    """Weights of true and of false positives at every distinct score from the highest down, zero first."""
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite; give every record a finite score")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf) != 0)
    sorted_weights = weights[:, order]
    true = np.cumsum(sorted_weights * labels[order], axis=1)[:, ends]
    false = np.cumsum(sorted_weights * ~labels[order], axis=1)[:, ends]
    zero = np.zeros((len(weights), 1))
    return np.concatenate([zero, true], axis=1), np.concatenate([zero, false], axis=1)


def _ratio(over: Float64[np.ndarray, " draw"], under: Float64[np.ndarray, " draw"]) -> Float64[np.ndarray, " draw"]:
    return np.where(under > 0, over / np.where(under > 0, under, 1), np.nan)


def mean_of_known(values: Float64[np.ndarray, "draw label"]) -> Float64[np.ndarray, " draw"]:
    """Means over the labels that have a figure; NaN where none has."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))
