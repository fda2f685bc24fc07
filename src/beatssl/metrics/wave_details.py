"""Figures of waves as others report them, whether waves are found where there are any, and in which hearts."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from beatssl.metrics.segmentation import (
    SIDES,
    WAVES,
    ConfidenceFigures,
    Lines,
    Marked,
    boundary_score,
    false_predictions,
    lines_of,
    marked_waves,
    matches,
    of_kind,
    reliability,
)
from beatssl.results import FOR_FILES, INLINE, Number

MARTINEZ_MS = {"P_on": 50, "P_off": 50, "QRS_on": 40, "QRS_off": 40, "T_on": 50, "T_off": 100}
"""Tolerances after Martínez et al. 2004, as benchmarks of delineation take them."""

CSE_MS = {"P_on": 10.2, "P_off": 12.7, "QRS_on": 6.5, "QRS_off": 11.6, "T_off": 30.6}
"""Standard deviations that the CSE working party allows (1985)."""

QRS_WIDTHS_MS = {"QRS under 100 ms": (0, 100), "QRS 100 to 120 ms": (100, 120), "QRS 120 ms or more": (120, np.inf)}

_MATCH_MS = 150


@dataclass(frozen=True)
class Presence:
    """Whether a wave is found in beats of single leads, by whether the experts marked one there; NaN where no beat."""

    marked: int
    found: Number
    """Share of the beats with a mark in which the wave was found."""
    not_marked: int
    invented: Number
    """Share of the beats without a mark in which it was found all the same."""


@dataclass(frozen=True)
class GroupFigures:
    """Figures of some of the records."""

    records: int
    f1: dict[str, Number]
    """Of P, QRS and T: mean of onset and offset at 150 ms; NaN where none is marked."""
    sd_ms: dict[str, Number]
    """Of P_on, P_off …"""


@dataclass(frozen=True)
class WaveDetails:
    """Further figures of P, QRS and T, pooled over leads and records."""

    martinez_f1: dict[str, Number]
    """By `lead_II` and `all_leads`: mean over the six boundaries of F1 within `MARTINEZ_MS`."""
    within_cse: dict[str, Number]
    """Share of the errors (of matches at 150 ms) within `CSE_MS`."""
    presence: dict[str, Presence] = field(metadata=INLINE)
    """Of P and T; `P_records_without`: of P in records in which no lead has a P."""
    groups: dict[str, GroupFigures] = field(metadata=FOR_FILES)
    """By rhythm and by width of the QRS."""


def wave_details(
    reference: pd.DataFrame, found: pd.DataFrame, groups: Mapping[str, Set[str]] | None = None
) -> WaveDetails:
    """Further figures of waves; arguments as of `segmentation_figures`.

    `groups` are names of groups of records (of one rhythm, say) with their ids; those by the width of the QRS, the
    median of the record's marks, are added.

    Raises ValueError where the reference has no waves.
    """
    reference = reference.assign(record_id=reference["record_id"].astype(str))
    found = found.assign(record_id=found["record_id"].astype(str))
    in_two = reference["lead"] == "II"
    leads = {"all_leads": _martinez(reference, found)}
    if in_two.any():
        leads["lead_II"] = _martinez(reference[in_two], found[found["lead"] == "II"])
    marked, lines = _arrays(reference, found)
    error_ms = {name: _errors_ms(marked, lines, name) for name in CSE_MS}
    with_p = set(reference.loc[reference["wave"] == "P", "record_id"])
    without = ~reference["record_id"].isin(with_p)
    named = dict(groups or {}) | _by_width(reference)
    return WaveDetails(
        martinez_f1=leads,
        within_cse={name: _mean(np.abs(error_ms[name]) <= limit) for name, limit in CSE_MS.items()},
        presence={
            "P": presence(reference, found, "P"),
            "T": presence(reference, found, "T"),
            "P_records_without": presence(reference[without], found, "P"),
        },
        groups={name: _group(reference, found, ids) for name, ids in named.items() if ids},
    )


def presence(reference: pd.DataFrame, found: pd.DataFrame, wave: str) -> Presence:
    """Beats of single leads with and without marks of `wave`, and in how many of each one was found.

    A beat's P lies between the QRS before and its own, its T between its own and the next; beats without these
    neighbours, whose wave may lie beyond the marks, do not count.
    """
    if reference.empty:
        return Presence(0, float("nan"), 0, float("nan"))
    marked, lines = _arrays(reference, found)
    qrs, true, said = (
        of_kind(marked.waves, WAVES.index("QRS")),
        *(of_kind(x, WAVES.index(wave)) for x in (marked.waves, lines)),
    )
    apart = 2 * float(np.nanmax(marked.last_s)) + 20
    order = np.lexsort((qrs.peak_s, qrs.lead))
    lead, peak = qrs.lead[order], (qrs.peak_s + apart * qrs.lead)[order]
    whole = lead[1:] == lead[:-1]
    has, got = (_any_between(peak, waves.peak_s + apart * waves.lead) for waves in (true, said))
    has, got = has[whole], got[whole]
    return Presence(int(has.sum()), _mean(got[has]), int((~has).sum()), _mean(got[~has]))


def presence_confidence(reference: pd.DataFrame, found: pd.DataFrame, bins: int = 10) -> dict[str, ConfidenceFigures]:
    """Whether P, QRS and T of confidence c are there with that frequency: a found wave is one if its peak lies within
    150 ms of a marked one's. Counted are the matched ones, and those inside the span of the lead's marks.

    `found` also holds `confidence`. Raises ValueError where the reference has no waves.
    """
    out: dict[str, ConfidenceFigures] = {}
    for wave in WAVES:
        counted, right = found_rightly(reference, found, wave)
        out[wave] = reliability(found["confidence"].to_numpy(np.float64)[counted], right[counted], bins)
    return out


def found_rightly(
    reference: pd.DataFrame, found: pd.DataFrame, wave: str
) -> tuple[Bool[np.ndarray, " found"], Bool[np.ndarray, " found"]]:
    """Which found waves count, and which of them are marked: see `presence_confidence`."""
    marked, lines = _arrays(reference, found)
    kind = WAVES.index(wave)
    mine = (lines.kind == kind) & (lines.lead >= 0) & np.isfinite(lines.peak_s)
    true, said = of_kind(marked.waves, kind), Lines(*(column[mine] for column in lines))
    pairs = matches(marked, true, true.peak_s, said, said.peak_s, _MATCH_MS / 1000)
    hit = np.isin(np.arange(mine.sum()), pairs[1])
    counted, right = np.zeros((2, len(found)), bool)
    right[mine] = hit
    counted[mine] = hit | false_predictions(marked, true, true.peak_s, said, said.peak_s, hit)
    return counted, right


def _any_between(
    edges: Float64[np.ndarray, " qrs"], times: Float64[np.ndarray, " wave"]
) -> Bool[np.ndarray, " interval"]:
    place = np.searchsorted(edges, times[np.isfinite(times)])
    inside = place[(place > 0) & (place < len(edges))]
    return np.bincount(inside - 1, minlength=max(len(edges) - 1, 0)) > 0


def _martinez(reference: pd.DataFrame, found: pd.DataFrame) -> float:
    marked, lines = _arrays(reference, found)
    return float(np.mean([_f1(marked, lines, name, tolerance) for name, tolerance in MARTINEZ_MS.items()]))


def _arrays(reference: pd.DataFrame, found: pd.DataFrame) -> tuple[Marked, Lines]:
    marked = marked_waves(reference)
    return marked, lines_of(found, marked.leads)


def _sides(
    marked: Marked, lines: Lines, name: str
) -> tuple[Lines, Float64[np.ndarray, " true"], Lines, Float64[np.ndarray, " said"]]:
    """The waves of one boundary with its times: the reference's, and those found that have it."""
    wave, side = name.split("_")
    true, said = (of_kind(waves, WAVES.index(wave)) for waves in (marked.waves, lines))
    true_s, said_s = (waves.onset_s if side == SIDES[0] else waves.offset_s for waves in (true, said))
    there = np.isfinite(said_s)
    return true, true_s, Lines(*(column[there] for column in said)), said_s[there]


def _f1(marked: Marked, lines: Lines, name: str, tolerance_ms: float) -> float:
    true, true_s, said, said_s = _sides(marked, lines, name)
    pairs = matches(marked, true, true_s, said, said_s, tolerance_ms / 1000)
    return boundary_score(marked, true, true_s, said, said_s, pairs).f1


def _errors_ms(marked: Marked, lines: Lines, name: str) -> Float64[np.ndarray, " match"]:
    true, true_s, said, said_s = _sides(marked, lines, name)
    at, of = matches(marked, true, true_s, said, said_s, _MATCH_MS / 1000)
    return 1000 * (said_s[of] - true_s[at])


def _by_width(reference: pd.DataFrame) -> dict[str, set[str]]:
    qrs = reference[reference["wave"] == "QRS"]
    width_ms = (1000 * (qrs["offset_s"] - qrs["onset_s"])).groupby(qrs["record_id"]).median()
    return {
        name: set(width_ms.index[(width_ms >= low) & (width_ms < high)]) for name, (low, high) in QRS_WIDTHS_MS.items()
    }


def _group(reference: pd.DataFrame, found: pd.DataFrame, ids: Set[str]) -> GroupFigures:
    reference = reference[reference["record_id"].isin(ids)]
    if reference.empty:
        return GroupFigures(0, {}, {})
    marked, lines = _arrays(reference, found)
    f1 = {name: _f1(marked, lines, name, _MATCH_MS) for name in MARTINEZ_MS}
    errors_ms = {name: _errors_ms(marked, lines, name) for name in MARTINEZ_MS}
    return GroupFigures(
        records=int(reference["record_id"].nunique()),
        f1={wave: (f1[f"{wave}_on"] + f1[f"{wave}_off"]) / 2 for wave in WAVES},
        sd_ms={name: float(np.std(values)) if values.size else float("nan") for name, values in errors_ms.items()},
    )


def _mean(values: Bool[np.ndarray, " n"]) -> float:
    return float(values.mean()) if values.size else float("nan")
