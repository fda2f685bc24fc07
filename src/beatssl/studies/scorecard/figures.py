"""A figure of one task as it is measured, before it is an encoder's score."""

import math
from dataclasses import dataclass

from beatssl.metrics.classification import Interval


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval over bootstrap draws of patients, and what it is of; None where not measurable."""

    name: str
    value: float | None
    ci95: tuple[float, float] | None
    records: int
    higher_is_better: bool = True


def figure(name: str, value: float, ci95: Interval, records: int, higher_is_better: bool = True) -> Figure:
    """A figure whose value or interval may be NaN."""
    known = math.isfinite(value)
    interval = (float(ci95[0]), float(ci95[1])) if known and all(map(math.isfinite, ci95)) else None
    return Figure(name, float(value) if known else None, interval, records, higher_is_better)
