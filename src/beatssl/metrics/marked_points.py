"""Wave boundaries against marks that name no lead and cover some beats only: sensitivity and error, no PPV."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.metrics.segmentation import SIDES, TOLERANCES_MS, WAVES
from beatssl.metrics.wave_details import CSE_MS, MARTINEZ_MS
from beatssl.results import Number

_COLUMN = dict(zip(SIDES, ("onset_s", "offset_s"), strict=True))


@dataclass(frozen=True)
class PointFigures:
    """Figures of one kind of marked point; NaN where nothing could be counted."""

    marked: int
    se: Number
    """Share of them found within 150 ms."""
    mean_ms: Number
    """Of found − marked, over those found."""
    sd_ms: Number
    se_martinez: Number
    """Share of them found within `wave_details.MARTINEZ_MS`."""
    within_cse: Number
    """Share of those found whose error is within `wave_details.CSE_MS`; NaN for T onset, which has none."""


@dataclass(frozen=True)
class MarkedPointFigures:
    """Figures of P_on, P_off, QRS_on … by the lead that a boundary is taken from."""

    better_lead: dict[str, PointFigures]
    """The one with the smallest error at each point."""
    first_lead: dict[str, PointFigures]


def marked_point_figures(
    reference: pd.DataFrame, found: pd.DataFrame, first_lead: Mapping[str, str]
) -> MarkedPointFigures:
    """Figures of every marked point, with the better lead at each point (Martínez et al. 2004) and with the first lead.

    At each mark each lead offers its nearest boundary of that kind; the better lead is the one whose error is smallest.

    Args:
        reference: marked waves: `record_id`, `wave`, `onset_s`, `offset_s`; NaN where not marked.
        found: predicted waves, with the same columns and `lead`.
        first_lead: name of each record's first lead.

    """
    by_record = dict(iter(found.groupby("record_id", sort=False)))
    errors: dict[str, dict[str, list[Float64[np.ndarray, " mark"]]]] = {"better_lead": {}, "first_lead": {}}
    for record_id, marks in reference.groupby("record_id", sort=False):
        mine = by_record.get(record_id, found.iloc[:0])
        for wave in WAVES:
            for side, column in _COLUMN.items():
                marked_s = marks.loc[marks["wave"] == wave, column].dropna().to_numpy(np.float64)
                offered = mine[mine["wave"] == wave]
                each = {
                    str(lead): _nearest_errors(marked_s, of_lead[column].dropna().to_numpy(np.float64))
                    for lead, of_lead in offered.groupby("lead")
                }
                none = np.full(len(marked_s), np.inf)
                stacked = np.stack([none, *each.values()])
                better = stacked[np.abs(stacked).argmin(axis=0), np.arange(len(marked_s))]
                errors["better_lead"].setdefault(f"{wave}_{side}", []).append(better)
                first = each.get(first_lead[str(record_id)], none)
                errors["first_lead"].setdefault(f"{wave}_{side}", []).append(first)
    return MarkedPointFigures(
        **{
            lead: {point: _figures(point, np.concatenate(parts)) for point, parts in of_lead.items()}
            for lead, of_lead in errors.items()
        }
    )


def _nearest_errors(
    marked_s: Float64[np.ndarray, " mark"], found_s: Float64[np.ndarray, " found"]
) -> Float64[np.ndarray, " mark"]:
    """Error of the nearest found time at each mark, +∞ where there is none."""
    at = np.sort(np.concatenate([[-np.inf], found_s, [np.inf]]))
    after = np.searchsorted(at, marked_s)
    late, early = at[after] - marked_s, at[after - 1] - marked_s
    return np.where(np.isinf(late) & np.isinf(early), np.inf, np.where(late < -early, late, early))


def _figures(point: str, error_s: Float64[np.ndarray, " mark"]) -> PointFigures:
    near_ms = 1000 * error_s[np.abs(error_s) <= TOLERANCES_MS[0] / 1000 + 1e-6]
    nearer = np.abs(error_s) <= MARTINEZ_MS[point] / 1000 + 1e-6
    some = near_ms.size > 0
    return PointFigures(
        marked=int(error_s.size),
        se=near_ms.size / error_s.size if error_s.size else float("nan"),
        mean_ms=float(near_ms.mean()) if some else float("nan"),
        sd_ms=float(near_ms.std()) if some else float("nan"),
        se_martinez=float(nearer.mean()) if error_s.size else float("nan"),
        within_cse=float(np.mean(np.abs(near_ms) <= CSE_MS[point])) if some and point in CSE_MS else float("nan"),
    )
