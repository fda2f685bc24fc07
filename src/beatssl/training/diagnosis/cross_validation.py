"""Figures of k-fold cross-validation: means over the parts, each tested by a model that has not seen it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.metrics.calibration import CalibrationFigures, LabelCalibration, calibration_figures, calibration_over
from beatssl.metrics.classification import (
    LabelFigures,
    figures_of_labels,
    interval95,
    macro_intervals,
    patient_weights,
)
from beatssl.store.labels import Cohort
from beatssl.training.diagnosis.figures import (
    FiguresOverDraws,
    Scores,
    SetFigures,
    choose,
    cohort_figures,
    macros,
    of_sets,
    set_figures,
)

Drawn = dict[str, Float64[np.ndarray, "draw label"]]


def figures_over_parts(
    parts: Sequence[Cohort], people: pd.DataFrame, scores: Sequence[Scores], seed: int, bootstrap_draws: int
) -> FiguresOverDraws:
    """Of each label the mean over the parts in which it has a figure, macro figures over the labels, and intervals over
    bootstrap draws of all patients. Each part's own figures are in `draws`. Scores of parts are not mixed."""
    weights = patient_weights(parts[0].patient, bootstrap_draws, np.random.default_rng(seed))
    one = _over_parts(parts, scores, np.ones((1, len(parts[0].row))))
    drawn = _over_parts(parts, scores, weights)
    macro = {kind: float(value[0]) for kind, value in macros(one).items()}
    positives = sum((part.labels & part.known)[part.test].sum(axis=0) for part in parts)
    per_class = {
        name: LabelFigures(
            auroc=float(one["auroc"][0, k]),
            auprc=float(one["auprc"][0, k]),
            f1=float(one["f1"][0, k]),
            auroc_ci95=interval95(drawn["auroc"][:, k]),
            auprc_ci95=interval95(drawn["auprc"][:, k]),
            f1_ci95=interval95(drawn["f1"][:, k]),
            positives=int(np.asarray(positives)[k]),
        )
        for k, name in enumerate(parts[0].names)
    }
    return FiguresOverDraws(
        macro_auroc=macro["auroc"],
        macro_auprc=macro["auprc"],
        macro_f1=macro["f1"],
        ci95=macro_intervals(macros(drawn)),
        per_class=per_class,
        by_group={},
        by_set=_by_set(parts, scores, weights) if parts[0].sets else {},
        draws=tuple(
            cohort_figures(part, people, own, seed, bootstrap_draws) for part, own in zip(parts, scores, strict=True)
        ),
    )


def _by_set(
    parts: Sequence[Cohort], scores: Sequence[Scores], weights: Float64[np.ndarray, "draw row"]
) -> dict[str, SetFigures]:
    once = np.concatenate([np.ones((1, weights.shape[1])), weights])
    found: dict[str, SetFigures] = {}
    for of_parts in zip(*map(of_sets, parts), strict=True):
        name, first, at = of_parts[0]
        own = [cohort for _, cohort, _ in of_parts]
        positives = np.sum([(one.labels & one.known)[one.test].sum(axis=0) for one in own], axis=0)
        found[name] = set_figures(first, positives, [_over_parts(own, [one[:, at] for one in scores], once)])
    return found


def calibration_over_parts(parts: Sequence[Cohort], scores: Sequence[Scores]) -> CalibrationFigures:
    """Over all records, each as its part's model calibrates it; a label's temperature is the mean over the parts."""
    whole = parts[0]
    raw, calibrated = np.zeros(whole.labels.shape), np.zeros(whole.labels.shape)
    temperatures = [choose(part, own).temperatures for part, own in zip(parts, scores, strict=True)]
    for part, own, temperature in zip(parts, scores, temperatures, strict=True):
        raw[part.test] = own[part.test]
        calibrated[part.test] = own[part.test] / temperature
    ones = np.ones(len(whole.names))
    before = calibration_figures(whole.labels, raw, whole.known, ones, whole.names)
    after = calibration_figures(whole.labels, calibrated, whole.known, ones, whole.names)
    errors = {
        name: LabelCalibration(
            float(np.mean([one[k] for one in temperatures])),
            before.calibration.per_class[name].ece_before,
            after.calibration.per_class[name].ece_after,
        )
        for k, name in enumerate(whole.names)
    }
    return CalibrationFigures(calibration_over(errors), after.reliability)


def _over_parts(parts: Sequence[Cohort], scores: Sequence[Scores], weights: Float64[np.ndarray, "draw row"]) -> Drawn:
    """Means over the parts that have a figure, for every set of weights; NaN where none has."""
    each = [
        figures_of_labels(
            part.labels[part.test], own[part.test], choose(part, own).thresholds, weights[:, part.test],
            part.known[part.test],
        )
        for part, own in zip(parts, scores, strict=True)
    ]  # fmt: skip
    out: Drawn = {}
    for kind in each[0]:
        values = np.stack([one[kind] for one in each])
        there = np.isfinite(values)
        count = there.sum(axis=0)
        out[kind] = np.where(count > 0, np.where(there, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return out
