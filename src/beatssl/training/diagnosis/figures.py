"""Figures of a probe or fine-tuning on the test fold: of one set of scores, or means over draws of labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from beatssl.metrics.calibration import (
    Calibration,
    CalibrationFigures,
    LabelCalibration,
    Reliability,
    calibration_figures,
    calibration_over,
    chances,
    fit_temperatures,
)
from beatssl.metrics.classification import (
    ClassificationFigures,
    LabelFigures,
    MacroEstimates,
    MacroFigures,
    MacroIntervals,
    auroc,
    best_f1_thresholds,
    figures_of_labels,
    macro_intervals,
    mean_of_known,
    paired_weights,
    report,
)
from beatssl.results import FOR_FILES, Number
from beatssl.store.labels import Cohort

_AGES = (("under 50", 0, 50), ("50 to 69", 50, 70), ("70 and over", 70, np.inf))
_SMALLEST_GROUP = 50
_FEW = 10
"""Positives in the test fold below which a label is named beside the macro figures."""

Scores = Float64[np.ndarray, "row label"]


@dataclass(frozen=True, kw_only=True)
class GroupFigures(MacroFigures):
    """Macro figures of one sex or age group of the test fold."""

    records: float
    """Of the group; a float, since it is averaged over draws of labels as the figures are."""


@dataclass(frozen=True, kw_only=True)
class SetFigures(MacroEstimates):
    """Macro figures over the labels of one set, with intervals."""

    labels: int
    few: tuple[str, ...]
    """Labels with fewer than ten positives in the test fold."""
    macro_auroc_without_few: Number


@dataclass(frozen=True, kw_only=True)
class CohortFigures(ClassificationFigures):
    """Figures of the test fold, and of the groups in it with 50 records at least."""

    by_group: Mapping[str, GroupFigures]


@dataclass(frozen=True, kw_only=True)
class FiguresOverDraws(CohortFigures):
    """Means over the draws of labels, with the intervals of these means, and each draw's own figures.

    A single draw has nothing in `draws`: its figures are the means.
    """

    by_set: Mapping[str, SetFigures] = field(default_factory=dict[str, SetFigures])
    """Of labels of several sets; see `labels_of_set`."""
    draws: tuple[CohortFigures, ...] = field(default=(), metadata=FOR_FILES)


@dataclass(frozen=True)
class Folds:
    """Folds as numbers: trained on, validation, test; of another split 0, 1 and 2.

    Of cross-validation `train` has all parts, each of which is tested once, and the other two are −1.
    """

    train: tuple[int, ...]
    valid: int
    test: int


@dataclass(frozen=True)
class RecordCounts:
    """Rows of each part, and rows without a label in the set, which are left out."""

    train: int
    valid: int
    test: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class EvaluationSetup:
    """What was predicted, by what, from which records."""

    encoder: str
    config_hash: str
    seed: int
    labels: str
    label_share: float
    shown_leads: tuple[str, ...] = ()
    split: str = "folds"
    folds: Folds
    records: RecordCounts


@dataclass(frozen=True, kw_only=True)
class DiagnosisFigures(FiguresOverDraws, EvaluationSetup):
    """The contents of metrics.json of probe and finetune where labels are yes or no."""

    one_class: tuple[str, ...] = ()
    """Labels that all or none of the training rows have: nothing was learnt of them."""
    by_leads: Mapping[str, Mapping[str, SetFigures]] = field(default_factory=dict[str, Mapping[str, SetFigures]])
    """By lead set the figures of the test rows shown with these leads alone, of every set of labels."""
    calibration: Calibration
    reliability: Mapping[str, Reliability] = field(metadata=FOR_FILES)
    chosen: tuple[Mapping[str, Any], ...] = field(metadata=FOR_FILES)
    """For each draw of labels what the validation fold decided: a penalty, or an epoch."""
    pretraining: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The encoder's provenance."""


def figures_of(
    group: Cohort, people: pd.DataFrame, draws: Sequence[Scores], seed: int, bootstrap_draws: int
) -> FiguresOverDraws:
    """Macro figures, figures of every label and group, and intervals over bootstrap draws of patients.

    `people` has the cohort's lines of the store's records; `draws` the scores of every draw of labels.
    """
    each = [cohort_figures(group, people, scores, seed, bootstrap_draws) for scores in draws]
    by_set = figures_by_set(group, draws, seed, bootstrap_draws) if group.sets else {}
    if len(each) == 1:
        return FiguresOverDraws(**vars(each[0]), by_set=by_set)
    drawn = macros_by_draw(group, draws, seed, bootstrap_draws)
    intervals = macro_intervals({kind: values[1:] for kind, values in drawn.items()})
    return replace(_mean_of(each, intervals), by_set=by_set)


def one_class(group: Cohort, rows: Bool[np.ndarray, " row"]) -> tuple[str, ...]:
    """Labels that all of some rows of which they are known have, or none."""
    positives, counts = (group.labels & group.known)[rows].sum(axis=0), group.known[rows].sum(axis=0)
    return tuple(name for name, k, n in zip(group.names, positives, counts, strict=True) if k in (0, n))


def check_classes(group: Cohort, labels: str, side: str, rows: Bool[np.ndarray, " row"]) -> None:
    """Raises ValueError where all labels are of one class in the rows of a side: nothing is learnt or measured."""
    if len(one_class(group, rows)) == len(group.names):
        known = group.known[rows, 0]
        positives = int((group.labels[rows, 0] & known).sum())
        raise ValueError(
            f"labels {labels!r}: of the {side} rows {positives} of {int(known.sum())} have {group.names[0]!r}"
            f"{', and so on' if len(group.names) > 1 else ''}; both rows with it and rows without it are needed: "
            "label some, split otherwise (split=), or, where rows have no label, keep them as negatives "
            "(keep_unlabelled=)"
        )


@dataclass(frozen=True)
class Chosen:
    """What the validation fold decides once a model is trained: each label's temperature and threshold."""

    temperatures: Float64[np.ndarray, " label"]
    thresholds: Float64[np.ndarray, " label"]  # of scores

    @property
    def threshold_chances(self) -> Float64[np.ndarray, " label"]:
        """Thresholds of calibrated probabilities; 1 where nothing is called."""
        return chances(self.thresholds[None], self.temperatures)[0]


def choose(group: Cohort, scores: Scores) -> Chosen:
    """Temperatures that make probabilities of the scores, and thresholds of the greatest F1, on the validation fold.

    A label with fewer than ten positives there has the threshold 0, a probability of one half.
    """
    labels, own, known = group.labels[group.valid], scores[group.valid], group.known[group.valid]
    return Chosen(fit_temperatures(labels, own, known), best_f1_thresholds(labels, own, known))


def calibration_of(group: Cohort, draws: Sequence[Scores]) -> CalibrationFigures:
    """How far probabilities are from shares of positives on the test fold; see `calibration_figures`.

    Of several draws of labels, `calibration` is the mean and `reliability` that of the first.
    """
    test = group.test
    each = [
        calibration_figures(
            group.labels[test], scores[test], group.known[test], choose(group, scores).temperatures, group.names
        )
        for scores in draws
    ]

    def mean(label: str) -> LabelCalibration:
        of = [one.calibration.per_class[label] for one in each]
        return LabelCalibration(
            float(np.mean([one.temperature for one in of])),
            float(np.mean([one.ece_before for one in of])),
            float(np.mean([one.ece_after for one in of])),
        )

    return CalibrationFigures(calibration_over({label: mean(label) for label in group.names}), each[0].reliability)


def macro_auroc(
    labels: Bool[np.ndarray, "row label"], scores: Scores, known: Bool[np.ndarray, "row label"] | None = None
) -> float:
    """Mean AUROC over the labels that have one, each over the rows of which it is known; 0 where none has."""
    of = np.ones_like(labels) if known is None else known
    each = np.array([auroc(labels[of[:, k], k], scores[of[:, k], k]) for k in range(labels.shape[1])])
    finite = each[np.isfinite(each)]
    return float(finite.mean()) if finite.size else 0.0


def cohort_figures(
    group: Cohort, people: pd.DataFrame, scores: Scores, seed: int, bootstrap_draws: int
) -> CohortFigures:
    labels, test, known = group.labels, group.test, group.known
    chosen = choose(group, scores)
    thresholds = chosen.thresholds
    rng = np.random.default_rng(seed)
    figures = report(
        labels[test], scores[test], thresholds, group.patient[test], group.names, rng, bootstrap_draws, known[test]
    )
    of_chances = zip(figures.per_class.items(), chosen.threshold_chances.tolist(), strict=True)
    per_class = {name: replace(line, threshold=chance) for (name, line), chance in of_chances}
    by_group = _by_group(group, people, scores, thresholds)
    return replace(CohortFigures(**vars(figures), by_group=by_group), per_class=per_class)


def _by_group(
    group: Cohort, people: pd.DataFrame, scores: Scores, thresholds: Float64[np.ndarray, " label"]
) -> dict[str, GroupFigures]:
    """Macro figures by sex and age group on the test fold, for groups large enough to mean something."""
    age = people["age_years"].to_numpy(np.float64)
    members = {sex: (people["sex"] == sex).to_numpy(bool) for sex in ("female", "male")}
    members |= {name: (age >= low) & (age < high) for name, low, high in _AGES}
    out: dict[str, GroupFigures] = {}
    for name, member in members.items():
        part = group.test & member
        if part.sum() >= _SMALLEST_GROUP:
            ones = np.ones((1, int(part.sum())))
            each = figures_of_labels(group.labels[part], scores[part], thresholds, ones, group.known[part])
            macro = {kind: float(value) for kind, (value,) in macros(each).items()}
            out[name] = GroupFigures(
                macro_auroc=macro["auroc"],
                macro_auprc=macro["auprc"],
                macro_f1=macro["f1"],
                records=float(part.sum()),
            )
    return out


def figures_by_set(group: Cohort, draws: Sequence[Scores], seed: int, bootstrap_draws: int) -> dict[str, SetFigures]:
    """Macro figures of every set of labels, each over the rows that have a label of it, as a set alone is evaluated."""
    weights = paired_weights(group.patient[group.test], bootstrap_draws, np.random.default_rng(seed))
    found: dict[str, SetFigures] = {}
    for name, own, at in of_sets(group):
        test = own.test
        drawn = [
            figures_of_labels(
                own.labels[test], scores[test][:, at], choose(own, scores[:, at]).thresholds, weights, own.known[test]
            )
            for scores in draws
        ]
        found[name] = set_figures(own, (own.labels & own.known)[test].sum(axis=0), drawn)
    return found


def of_sets(group: Cohort) -> Iterator[tuple[str, Cohort, Int64[np.ndarray, " label"]]]:
    """Each set of a cohort's labels by its name, with their places; labels of rows without one of a set not known."""
    for name, labels in (group.sets or {"labels": group.names}).items():
        at = np.array([group.names.index(label) for label in labels])
        given, known = group.labels[:, at], group.known[:, at]
        if group.sets:
            known = known & (given & known).any(axis=1, keepdims=True)
        yield name, replace(group, labels=given, known=known, names=labels, sets={}), at


def set_figures(
    own: Cohort, positives: Int64[np.ndarray, " label"], drawn: Sequence[dict[str, Float64[np.ndarray, "draw label"]]]
) -> SetFigures:
    """Of a set's labels, from their figures for `paired_weights`, which are averaged over `drawn`."""
    macro = {kind: np.mean([macros(one)[kind] for one in drawn], axis=0) for kind in drawn[0]}
    many = positives >= _FEW
    without = [macros({"auroc": one["auroc"][:1, many]})["auroc"][0] for one in drawn] if many.any() else [np.nan]
    return SetFigures(
        macro_auroc=float(macro["auroc"][0]),
        macro_auprc=float(macro["auprc"][0]),
        macro_f1=float(macro["f1"][0]),
        ci95=macro_intervals({kind: values[1:] for kind, values in macro.items()}),
        labels=len(own.names),
        few=tuple(name for name, enough in zip(own.names, many, strict=True) if not enough),
        macro_auroc_without_few=float(np.mean(without)),
    )


def macros(each: dict[str, Float64[np.ndarray, "draw label"]]) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Means over the labels that have a figure."""
    known = {kind: np.isfinite(values) for kind, values in each.items()}
    return {
        kind: np.where(known[kind], values, 0).sum(axis=1) / np.maximum(known[kind].sum(axis=1), 1)
        for kind, values in each.items()
    }


def _mean_of(each: Sequence[CohortFigures], intervals: MacroIntervals) -> FiguresOverDraws:
    """Macro figures and those of every label and group, as means over draws."""
    return FiguresOverDraws(
        macro_auroc=float(np.mean([one.macro_auroc for one in each])),
        macro_auprc=float(np.mean([one.macro_auprc for one in each])),
        macro_f1=float(np.mean([one.macro_f1 for one in each])),
        ci95=intervals,
        per_class={label: _mean_of_label([one.per_class[label] for one in each]) for label in each[0].per_class},
        by_group={name: _mean_of_group([one.by_group[name] for one in each]) for name in each[0].by_group},
        draws=tuple(each),
    )


def _mean_of_label(each: Sequence[LabelFigures]) -> LabelFigures:
    return LabelFigures(
        auroc=float(np.mean([one.auroc for one in each])),
        auprc=float(np.mean([one.auprc for one in each])),
        f1=float(np.mean([one.f1 for one in each])),
        positives=each[0].positives,
    )


def _mean_of_group(each: Sequence[GroupFigures]) -> GroupFigures:
    return GroupFigures(
        macro_auroc=float(np.mean([one.macro_auroc for one in each])),
        macro_auprc=float(np.mean([one.macro_auprc for one in each])),
        macro_f1=float(np.mean([one.macro_f1 for one in each])),
        records=float(np.mean([one.records for one in each])),
    )


def macros_by_draw(
    group: Cohort, draws: Sequence[Scores], seed: int, bootstrap_draws: int
) -> dict[str, Float64[np.ndarray, " draws_and_one"]]:
    """Macro `auroc`, `auprc` and `f1` of the test fold: of all its records, then of every bootstrap draw of patients.

    Means over the draws of labels; thresholds from the validation fold.
    """
    valid, test = group.valid, group.test
    weights = paired_weights(group.patient[test], bootstrap_draws, np.random.default_rng(seed))
    each: list[dict[str, Float64[np.ndarray, "draws_and_one label"]]] = []
    for scores in draws:
        thresholds = best_f1_thresholds(group.labels[valid], scores[valid], group.known[valid])
        each.append(figures_of_labels(group.labels[test], scores[test], thresholds, weights, group.known[test]))
    return {kind: np.mean([mean_of_known(one[kind]) for one in each], axis=0) for kind in each[0]}
