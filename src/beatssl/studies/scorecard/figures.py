"""A figure of one task as it is measured, before it is an encoder's score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from beatssl.metrics.classification import Interval, interval95
from beatssl.results import Number

_DIGITS = 6
"""After the point, of a figure in a bootstrap draw as it is kept."""


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval over bootstrap draws of patients, and what it is of; None where not measurable."""

    name: str
    value: float | None
    ci95: tuple[float, float] | None
    records: int
    higher_is_better: bool = True
    draws: tuple[Number, ...] = ()
    """The figure in every bootstrap draw of patients; NaN in one that has no value. The same seed and number of draws
    give the same patients for every encoder."""


def figure(
    name: str, value: float, drawn: Float64[np.ndarray, " draw"], records: int, higher_is_better: bool = True
) -> Figure:
    """A figure with its interval; `value`, and that of any bootstrap draw of patients, may be NaN."""
    if not math.isfinite(value):
        return Figure(name, None, None, records, higher_is_better)
    ends = interval95(drawn)
    interval = ends if all(map(math.isfinite, ends)) else None
    return Figure(name, float(value), interval, records, higher_is_better, tuple(np.round(drawn, _DIGITS).tolist()))


@runtime_checkable
class Drawn(Protocol):
    """What was measured in bootstrap draws of the patients of some records."""

    @property
    def draws(self) -> tuple[float, ...]: ...
    @property
    def records(self) -> int: ...


def interval_over_patients(pairs: Sequence[tuple[Drawn, Drawn]]) -> Interval:
    """95 % interval over patients of one less other, or, of several pairs, of the mean of these differences.

    In every bootstrap draw the figures are of the same patients: what a draw changes in both cancels out. A draw in
    which any of them has no value does not count. NaN ends where one has no draws, or they are of other draws or
    records.
    """
    of = {(len(one.draws), one.records) for pair in pairs for one in pair}
    if len(of) != 1 or (0 in {draws for draws, _ in of}):
        return math.nan, math.nan
    return interval95(np.mean([np.subtract(one.draws, other.draws) for one, other in pairs], axis=0))
