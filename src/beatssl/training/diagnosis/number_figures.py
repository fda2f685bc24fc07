"""Figures of a probe or fine-tuning on numbers: errors in their own units, on the test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from beatssl.metrics.classification import Interval, interval95, mean_of_known, patient_weights
from beatssl.metrics.regression import Drawn, figures_of_numbers
from beatssl.results import FOR_FILES, Number
from beatssl.store.quantities import Quantities
from beatssl.training.diagnosis.figures import EvaluationSetup, Scores

PER_NUMBER = "per_number"
"""In metrics.json of numbers alone."""


@dataclass(frozen=True, kw_only=True)
class NumberFigures:
    """Of one number; errors in its own unit, with 95 % intervals over bootstrap draws of patients."""

    r2: Number
    """1 − squared error / variance."""
    r2_ci95: Interval
    mae: Number
    """Mean absolute error."""
    mae_ci95: Interval
    mae_of_median: Number
    """Of predicting the median of the training rows for everyone."""
    rmse: Number
    bias: Number
    """Mean of predicted − true."""
    correlation: Number
    records: int
    """Test rows in which it is known."""


@dataclass(frozen=True, kw_only=True)
class RegressionFigures(EvaluationSetup):
    """The contents of metrics.json of probe and finetune where labels are numbers.

    Of several draws of labels, means over them; of cross-validation over all records, each predicted by the model that
    has not seen it.
    """

    mean_r2: Number
    """Over the numbers."""
    mean_r2_ci95: Interval
    per_number: Mapping[str, NumberFigures]
    by_leads: Mapping[str, Mapping[str, NumberFigures]] = field(default_factory=dict[str, Mapping[str, NumberFigures]])
    """The same where the test rows are shown with a set of leads alone."""
    chosen: tuple[Mapping[str, Any], ...] = field(metadata=FOR_FILES)
    """For each draw of labels what the validation fold decided: a penalty, or an epoch."""
    pretraining: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The encoder's provenance."""


def number_figures(
    rounds: Sequence[Quantities], predicted: Sequence[Scores], in_parts: bool, seed: int, bootstrap_draws: int
) -> dict[str, Any]:
    """`mean_r2`, its interval and `per_number` of the test rows.

    `rounds` and `predicted`: the rows and the numbers predicted for them, in their own units, of every draw of labels;
    of cross-validation of every part, whose test rows are put together.
    """
    if in_parts:
        rounds, predicted = [_whole(rounds)], [_put_together(rounds, predicted)]
    group, test = rounds[0], rounds[0].test
    truth, known = group.values[test], group.known[test]
    found = numbers_by_draw(group, predicted, seed, bootstrap_draws)
    plain = np.nanmedian(np.where(group.known & group.train[:, None], group.values, np.nan), axis=0)
    ones = np.ones((1, len(truth)))
    of_median = figures_of_numbers(truth, np.broadcast_to(plain, truth.shape).copy(), known, ones)["mae"]
    return {
        "mean_r2": float(mean_of_known(found["r2"])[0]),
        "mean_r2_ci95": interval95(mean_of_known(found["r2"])[1:]),
        "per_number": {
            name: NumberFigures(
                **{kind: float(values[0, k]) for kind, values in found.items()},
                r2_ci95=interval95(found["r2"][1:, k]),
                mae_ci95=interval95(found["mae"][1:, k]),
                mae_of_median=float(of_median[0, k]),
                records=int(known[:, k].sum()),
            )
            for k, name in enumerate(group.names)
        },
    }


def numbers_by_draw(group: Quantities, predicted: Sequence[Scores], seed: int, bootstrap_draws: int) -> Drawn:
    """Figures of all test rows, then of every bootstrap draw of their patients; means over the draws of labels.

    Raises ValueError where a predicted number is not finite.
    """
    test = group.test
    truth, known = group.values[test], group.known[test]
    if bad := sum(int((~np.isfinite(one[test])).sum()) for one in predicted):
        raise ValueError(f"{bad} predicted numbers are not finite; train with a lower rate or precision='float32'")

    def over(weights: Float64[np.ndarray, "draw record"]) -> Drawn:
        each = [figures_of_numbers(truth, one[test], known, weights) for one in predicted]
        return {kind: np.mean([one[kind] for one in each], axis=0) for kind in each[0]}

    one = over(np.ones((1, len(truth))))
    drawn = over(patient_weights(group.patient[test], bootstrap_draws, np.random.default_rng(seed)))
    return {kind: np.concatenate([one[kind], drawn[kind]]) for kind in one}


def _whole(parts: Sequence[Quantities]) -> Quantities:
    """All rows as test rows; the median that predictions are compared with is that of all rows too."""
    everyone = np.ones(len(parts[0].row), bool)
    return replace(parts[0], test=everyone, train=everyone)


def _put_together(parts: Sequence[Quantities], predicted: Sequence[Scores]) -> Scores:
    out = np.full(predicted[0].shape, np.nan)
    for part, own in zip(parts, predicted, strict=True):
        out[part.test] = own[part.test]
    return out
