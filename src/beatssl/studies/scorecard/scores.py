"""Scores of encoders by task, the mean rank that they are chosen by, and the first less each other encoder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from beatssl.studies.scorecard.figures import interval_over_patients


@dataclass(frozen=True)
class Score:
    """One figure of one encoder on one task."""

    encoder: str
    task: str
    figure: str
    value: float | None
    ci95: tuple[float, float] | None
    """Over bootstrap draws of patients."""
    records: int
    """That the figure is of; of retrieval the queries."""
    higher_is_better: bool
    chooses: bool
    """Whether it counts in the mean rank."""
    reason: str = ""
    """Why there is no value."""


@dataclass(frozen=True)
class Measured(Score):
    """A score as it is measured, with its figure in every bootstrap draw of patients; see `Figure`."""

    draws: tuple[float, ...] = ()

    @property
    def score(self) -> Score:
        """As scorecard.json has it."""
        return Score(**{one.name: getattr(self, one.name) for one in fields(Score)})


@dataclass(frozen=True)
class Difference:
    """One figure of the first encoder less that of another."""

    task: str
    figure: str
    first: str
    other: str
    difference: float
    ci95: tuple[float, float] | None
    """Over bootstrap draws of patients, the same for both encoders; None where the draws of one are not known."""
    higher_is_better: bool
    chooses: bool


@dataclass(frozen=True)
class Pretraining:
    """What an encoder's weights were made of."""

    method: str
    data: str = ""
    folds: str = ""
    rows: int | None = None
    """Of stores; None where it is not known."""
    start: str = ""
    """The encoder it began with, and what that one was made of; "" for fresh weights."""

    def __str__(self) -> str:
        parts = [self.data, f"folds {self.folds}" if self.folds else "", f"{self.rows:,} rows" if self.rows else ""]
        parts.append(f"begun with {self.start}" if self.start else "")
        return ", ".join([self.method, *filter(None, parts)])


@dataclass(frozen=True)
class Scorecard:
    """The contents of scorecard.json."""

    folds: str
    """ "validation" or "test"."""
    seed: int
    bootstrap_draws: int
    encoders: tuple[str, ...]
    mean_rank: Mapping[str, float | None]
    """By encoder, over the tasks in `ranks`; None: without a value of one of them."""
    ranks: Mapping[str, Mapping[str, float]]
    """By task that chooses, then by encoder; 1 is the best, ties have their mean."""
    scores: tuple[Score, ...]
    pretraining: Mapping[str, Pretraining] = field(default_factory=dict[str, Pretraining])
    """By encoder, as far as it is known."""
    first_less_other: tuple[Difference, ...] = ()
    """Every figure of the first encoder less that of each other one, where both have a value."""

    @property
    def pretrained_on(self) -> str:
        """One line: of every encoder what it was pretrained on; "" where nothing is known."""
        known = "; ".join(f"{name}: {self.pretraining[name]}" for name in self.encoders if name in self.pretraining)
        return f"Pretrained on: {known}." if known else ""

    def __str__(self) -> str:
        """A table: a line a figure, a column an encoder; below it reasons for what is missing."""
        lines = [("task", "figure", *self.encoders)]
        found = {(one.task, one.figure, one.encoder): one for one in self.scores}
        for task, figure in dict.fromkeys((one.task, one.figure) for one in self.scores):
            cells = [_cell(found.get((task, figure, encoder))) for encoder in self.encoders]
            lines.append((task, figure, *cells))
        lines.append(
            ("mean rank", f"{len(self.ranks)} tasks", *(_number(self.mean_rank[one]) for one in self.encoders))
        )
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        reasons = dict.fromkeys(f"{one.encoder}, {one.task}: {one.reason}" for one in self.scores if one.reason)
        return "\n".join(
            [f"{self.folds} folds; * counts in the mean rank", *text, *filter(None, [self.pretrained_on]), *reasons]
        )


def scorecard_of(
    scores: Sequence[Measured],
    encoders: Sequence[str],
    test: bool,
    seed: int,
    bootstrap_draws: int,
    pretraining: Mapping[str, Pretraining] | None = None,
) -> Scorecard:
    """Scores with the ranks and the differences that follow from them."""
    ranks = ranks_of(scores)
    return Scorecard(
        folds="test" if test else "validation",
        seed=seed,
        bootstrap_draws=bootstrap_draws,
        encoders=tuple(encoders),
        mean_rank=mean_ranks(ranks, encoders),
        ranks=ranks,
        scores=tuple(one.score for one in scores),
        pretraining=dict(pretraining or {}),
        first_less_other=differences(scores, encoders),
    )


def differences(scores: Sequence[Measured], encoders: Sequence[str]) -> tuple[Difference, ...]:
    """Every figure of the first encoder less that of each other one, where both have a value, by paired draws."""
    found = {(one.task, one.figure, one.encoder): one for one in scores}
    out: list[Difference] = []
    for task, figure in dict.fromkeys((one.task, one.figure) for one in scores):
        first, *others = (found.get((task, figure, name)) for name in encoders)
        for other in others:
            if first is None or other is None or first.value is None or other.value is None:
                continue
            ends = interval_over_patients([(first, other)])
            interval = ends if all(map(math.isfinite, ends)) else None
            apart = first.value - other.value
            out.append(
                Difference(
                    task, figure, first.encoder, other.encoder, apart, interval, first.higher_is_better, first.chooses
                )
            )
    return tuple(out)


def ranks_of(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """By task that chooses, the rank of each encoder: 1 is the best, ties have their mean.

    Only encoders with a value in every task that any of them has a value of are ranked, so that all ranks of all tasks
    are among the same encoders.
    """
    from scipy.stats import rankdata  # not for the help of a verb that reads scorecards

    values: dict[str, dict[str, float]] = {}
    for one in scores:
        if one.chooses and one.value is not None:
            values.setdefault(one.task, {})[one.encoder] = one.value if one.higher_is_better else -one.value
    ranked = [
        name for name in dict.fromkeys(one.encoder for one in scores) if all(name in of for of in values.values())
    ]
    if not ranked:
        return {}
    return {
        task: dict(zip(ranked, rankdata([-of[name] for name in ranked]).tolist(), strict=True))
        for task, of in values.items()
    }


def mean_ranks(ranks: Mapping[str, Mapping[str, float]], encoders: Sequence[str]) -> dict[str, float | None]:
    """Each encoder's mean over the tasks; None where it is not ranked."""
    every = list(ranks.values())
    return {
        name: float(np.mean([of[name] for of in every])) if every and all(name in of for of in every) else None
        for name in encoders
    }


def _cell(score: Score | None) -> str:
    if score is None or score.value is None:
        return "–"
    interval = "" if score.ci95 is None else f" ({_number(score.ci95[0])} to {_number(score.ci95[1])})"
    return f"{_number(score.value)}{interval}{'*' if score.chooses else ''}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.2f}"
