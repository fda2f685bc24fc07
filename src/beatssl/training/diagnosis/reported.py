"""What a probe or fine-tuning reports: figures of the test rows, and a table of every held-out row's predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from beatssl.metrics.calibration import chances
from beatssl.store.labels import Cohort, Rows
from beatssl.store.quantities import Quantities
from beatssl.training.diagnosis.cross_validation import calibration_over_parts, figures_over_parts
from beatssl.training.diagnosis.figures import (
    Chosen,
    DiagnosisFigures,
    Scores,
    calibration_of,
    choose,
    figures_by_set,
    figures_of,
    one_class,
)
from beatssl.training.diagnosis.number_figures import RegressionFigures, number_figures


@dataclass(frozen=True)
class Reported:
    """Figures, predictions, and of labels of yes or no what the validation fold decides for the first draw's model."""

    figures: DiagnosisFigures | RegressionFigures
    table: pd.DataFrame
    chosen: Chosen | None = None


@dataclass(frozen=True)
class Scored:
    """What was learnt, round by round: draws of labels on the same rows, or parts of cross-validation."""

    groups: Sequence[Rows]
    predicted: Sequence[Scores]
    """Of all rows: log odds, or numbers in their own units."""
    of_lead_sets: Sequence[Mapping[str, Scores]]
    """The same by lead set, the test rows shown with it alone."""
    in_parts: bool
    records: pd.DataFrame
    """The store's, a line a row of the store."""
    seed: int
    bootstrap_draws: int


def report_labels(scored: Scored, setup: Mapping[str, Any]) -> Reported:
    """Of labels of yes or no. The table has calibrated probabilities (p_LABEL), and the truth (true_LABEL)."""
    groups = [group for group in scored.groups if isinstance(group, Cohort)]
    people = scored.records.iloc[groups[0].row]
    if scored.in_parts:
        over = figures_over_parts(groups, people, scored.predicted, scored.seed, scored.bootstrap_draws)
        calibration = calibration_over_parts(groups, scored.predicted)
    else:
        over = figures_of(groups[0], people, scored.predicted, scored.seed, scored.bootstrap_draws)
        calibration = calibration_of(groups[0], scored.predicted)
    nothing_learnt = tuple(dict.fromkeys(name for group in groups for name in one_class(group, group.train)))
    chosen = [choose(group, own) for group, own in zip(groups, scored.predicted, strict=True)]
    by_leads = {
        name: figures_by_set(groups[0], [own[name] for own in scored.of_lead_sets], scored.seed, scored.bootstrap_draws)
        for name in scored.of_lead_sets[0]
    }
    figures = DiagnosisFigures(one_class=nothing_learnt, by_leads=by_leads, **setup, **vars(over), **vars(calibration))

    def columns(number: int, at: Any) -> dict[str, Any]:
        group = groups[number]
        chance = chances(scored.predicted[number][at], chosen[number].temperatures)
        found: dict[str, Any] = {f"p_{name}": chance[:, k] for k, name in enumerate(group.names)}
        for k, name in enumerate(group.names):
            known, true = group.known[at, k], group.labels[at, k]
            found[f"true_{name}"] = true if known.all() else pd.arrays.BooleanArray(true, ~known)
        return found

    return Reported(figures, _table(scored, columns), chosen[0])


def report_numbers(scored: Scored, setup: Mapping[str, Any]) -> Reported:
    """Of numbers. The table has them as predicted (predicted_NAME) and as they are (true_NAME, NaN where not known)."""
    groups = [group for group in scored.groups if isinstance(group, Quantities)]
    found = number_figures(groups, scored.predicted, scored.in_parts, scored.seed, scored.bootstrap_draws)

    def columns(number: int, at: Any) -> dict[str, Any]:
        names = groups[number].names
        predicted = {f"predicted_{name}": scored.predicted[number][at, k] for k, name in enumerate(names)}
        return predicted | {f"true_{name}": groups[number].values[at, k] for k, name in enumerate(names)}

    by_leads = {
        name: number_figures(
            groups, [own[name] for own in scored.of_lead_sets], scored.in_parts, scored.seed, scored.bootstrap_draws
        )["per_number"]
        for name in scored.of_lead_sets[0]
    }
    return Reported(RegressionFigures(**setup, **found, by_leads=by_leads), _table(scored, columns))


def _table(scored: Scored, columns: Callable[[int, Any], dict[str, Any]]) -> pd.DataFrame:
    """A line a record and draw of the validation and the test fold; of cross-validation a line a record, when its part
    was tested."""
    parts: list[pd.DataFrame] = []
    for number, group in enumerate(scored.groups):
        at = group.test if scored.in_parts else group.valid | group.test
        people = scored.records.iloc[group.row[at]]
        about = {
            "row": group.row[at], "record_id": people["record_id"].to_numpy(), "patient": group.patient[at],
            "fold": people["fold"].to_numpy(), "draw": 0 if scored.in_parts else number,
        }  # fmt: skip
        parts.append(pd.DataFrame(about | columns(number, at)))
    return pd.concat(parts, ignore_index=True)
