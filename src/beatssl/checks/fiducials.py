"""P, QRS and T of a store's beats against the reference marks of its source, as `protocol.md` measures them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.global_beats import GlobalBeats, global_beats
from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import BEFORE_S
from beatssl.results import INLINE, Number
from beatssl.signals.matching import match_times
from beatssl.store.store import Store

MARKS = tuple(field.name for field in fields(Fiducials))
"""The nine marks of a beat, in the order of `Fiducials`."""

BEAT_MATCH_S = 0.075
"""A found beat is a reference beat if their R times are within this time."""

_CHUNK_ROWS = 1024
"""Median beats read at a time."""


@dataclass(frozen=True)
class MarkErrors:
    """Errors found − reference of one mark, over the beats that have both; NaN where there is none."""

    compared: int
    median_absolute_error_ms: Number
    median_error_ms: Number
    sd_ms: Number
    p95_absolute_error_ms: Number
    not_measured: Number
    """Share of the marks that were not found."""


@dataclass(frozen=True)
class PPresence:
    """Whether a P wave is found where there is one."""

    with_p: int
    without_p: int
    sensitivity: Number
    """Share of the beats with a P in which one was found."""
    specificity: Number
    """Share of the beats without a P in which none was found."""


@dataclass(frozen=True)
class BeatErrors:
    """Errors of every mark of some beats."""

    marks: dict[str, MarkErrors] = field(metadata=INLINE)
    """p_onset, p_peak, … t_offset: `MARKS` without their unit."""
    p_present: PPresence


@dataclass(frozen=True)
class FiducialFigures:
    """Marks of a store's beats against the reference."""

    records: int
    reference_beats: int
    matched_beats: int
    """R within 75 ms of each other, one to one."""
    beats: BeatErrors
    """Over all matched beats."""
    median_beats: BeatErrors
    """Of each row's median beat against the row's median reference."""


@dataclass(frozen=True)
class LudbFiducialFigures(FiducialFigures):
    """LUDB: the same of even-numbered records alone; the rules' constants were chosen on the odd-numbered."""

    beats_even_records: BeatErrors
    median_beats_even_records: BeatErrors


def check_fiducials(store: Store) -> FiducialFigures:
    """Errors of every mark against the global boundaries (per beat the median over leads of the marks).

    Of LUDB, `LudbFiducialFigures`. Raises ValueError where the store has no reference waves.
    """
    if store.waves.empty:
        raise ValueError(f"{store.path} has no reference waves; prepare ludb, qtdb or synthetic to check fiducials")
    matched = matched_beats(store.beats, store.waves)
    found, reference = _marks(matched, ""), _marks(matched, "ref_")
    median_found, median_reference, rows = _median_beats(store, matched)
    figures = FiducialFigures(
        records=int(matched["record_id"].nunique()),
        reference_beats=int(matched.attrs["reference_beats"]),
        matched_beats=len(matched),
        beats=_figures(found, reference, matched["p_known"].to_numpy(bool)),
        median_beats=_figures(median_found, median_reference, np.ones(len(rows), bool)),
    )
    if store.kind != "ludb":
        return figures
    even, even_rows = _is_even(matched["record_id"]), _is_even(store.records["record_id"].iloc[rows])
    known, everywhere = matched["p_known"].to_numpy(bool)[even], np.ones(int(even_rows.sum()), bool)
    return LudbFiducialFigures(
        **vars(figures),
        beats_even_records=_figures(found[even], reference[even], known),
        median_beats_even_records=_figures(median_found[even_rows], median_reference[even_rows], everywhere),
    )


def matched_beats(beats: pd.DataFrame, waves: pd.DataFrame) -> pd.DataFrame:
    """Found beats that have a reference beat, with its marks.

    Args:
        beats: columns `record_id`, `row`, `time_s`, `time_in_record_s` and `MARKS`, these relative to R.
        waves: columns `record_id`, `wave`, `onset_s`, `peak_s`, `offset_s`: reference marks of all leads.

    Returns:
        The lines of `beats` that match, with `ref_` + mark for each of `MARKS`, likewise relative to the found R, and
        `p_known`: a P before this beat would have been marked (it is not the first marked beat of its record).
        `attrs["reference_beats"]` counts the reference beats.
    """
    found = dict(iter(beats.groupby("record_id", sort=False)))
    parts: list[pd.DataFrame] = []
    count = 0
    for record_id, marks in waves.groupby("record_id", sort=False):
        reference = _reference(marks)
        count += len(reference)
        if record_id not in found:
            continue
        of_record = found[record_id]
        r_s = of_record["time_in_record_s"].to_numpy(np.float64)
        reference_at, found_at = match_times(reference.r_peak_s, r_s, BEAT_MATCH_S)
        relative = {f"ref_{mark}": getattr(reference, mark)[reference_at] - r_s[found_at] for mark in MARKS}
        parts.append(of_record.iloc[found_at].assign(**relative, p_known=reference_at > 0))
    columns = [*beats.columns, *(f"ref_{mark}" for mark in MARKS), "p_known"]
    matched = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    matched.attrs["reference_beats"] = count
    return matched


def boundary_errors_s(store: Store) -> dict[str, Float64[np.ndarray, " match"]]:
    """Signed errors found − reference of each of `MARKS` in seconds, over the matched beats that have both."""
    matched = matched_beats(store.beats, store.waves)
    errors = _marks(matched, "") - _marks(matched, "ref_")
    return {mark: errors[np.isfinite(errors[:, k]), k] for k, mark in enumerate(MARKS)}


def mark_errors(found_s: Float64[np.ndarray, " beat"], reference_s: Float64[np.ndarray, " beat"]) -> MarkErrors:
    """Errors found − reference, in ms, over the beats that have both, and the share of marks that were not found."""
    error_ms = (found_s - reference_s) * 1000
    error_ms = error_ms[np.isfinite(error_ms)]
    marked = np.isfinite(reference_s)
    some = error_ms.size > 0
    return MarkErrors(
        compared=int(error_ms.size),
        median_absolute_error_ms=float(np.median(np.abs(error_ms))) if some else float("nan"),
        median_error_ms=float(np.median(error_ms)) if some else float("nan"),
        sd_ms=float(np.std(error_ms)) if some else float("nan"),
        p95_absolute_error_ms=float(np.percentile(np.abs(error_ms), 95)) if some else float("nan"),
        not_measured=float(np.mean(~np.isfinite(found_s[marked]))) if marked.any() else float("nan"),
    )


def p_presence(found: Bool[np.ndarray, " beat"], reference: Bool[np.ndarray, " beat"]) -> PPresence:
    """Sensitivity (beats with a P in which one was found) and specificity (beats without, in which none was)."""
    return PPresence(
        with_p=int(reference.sum()),
        without_p=int((~reference).sum()),
        sensitivity=float(found[reference].mean()) if reference.any() else float("nan"),
        specificity=float((~found[~reference]).mean()) if not reference.all() else float("nan"),
    )


def _figures(
    found_s: Float64[np.ndarray, "beat 9"],
    reference_s: Float64[np.ndarray, "beat 9"],
    p_known: Bool[np.ndarray, " beat"],
) -> BeatErrors:
    marks = {mark.removesuffix("_s"): mark_errors(found_s[:, k], reference_s[:, k]) for k, mark in enumerate(MARKS)}
    p = MARKS.index("p_peak_s")
    return BeatErrors(marks, p_presence(np.isfinite(found_s[p_known, p]), np.isfinite(reference_s[p_known, p])))


def _median_beats(
    store: Store, matched: pd.DataFrame
) -> tuple[Float64[np.ndarray, "row 9"], Float64[np.ndarray, "row 9"], Int64[np.ndarray, " row"]]:
    """Marks found on each row's median beat, the median of its reference marks, and the rows that have both.

    A median beat is made of windows that hold R in one sample, so the reference too counts from the sample of R.
    """
    r_s = matched["time_s"].to_numpy(np.float64)
    after_sample = r_s - np.round(r_s * store.fs_hz) / store.fs_hz
    reference = pd.DataFrame(_marks(matched, "ref_") + after_sample[:, None])
    reference = reference.groupby(matched["row"].to_numpy()).median()
    rows = reference.index.to_numpy(np.int64)
    rr_s = store.beats.groupby("row")["rr_prev_s"].median().reindex(rows).to_numpy(np.float32)
    parts = [
        _found_on_median(store, rows[start : start + _CHUNK_ROWS], rr_s[start : start + _CHUNK_ROWS])
        for start in range(0, len(rows), _CHUNK_ROWS)
    ]
    return np.concatenate([np.zeros((0, len(MARKS))), *parts]), reference.to_numpy(np.float64), rows


def _found_on_median(
    store: Store, rows: Int64[np.ndarray, " row"], rr_s: Float32[np.ndarray, " row"]
) -> Float64[np.ndarray, "row 9"]:
    found = find_fiducials(store.median_beats_mv(rows), store.fs_hz, round(BEFORE_S * store.fs_hz), rr_s, rr_s)
    return np.stack([getattr(found, mark) for mark in MARKS], axis=1).astype(np.float64)


def _reference(marks: pd.DataFrame) -> GlobalBeats:
    marks = marks[marks["peak_s"].notna()]
    onset_s, peak_s, offset_s = marks[["onset_s", "peak_s", "offset_s"]].to_numpy(np.float64).T
    return global_beats(marks["wave"].tolist(), onset_s, peak_s, offset_s)


def _marks(table: pd.DataFrame, prefix: str) -> Float64[np.ndarray, "beat 9"]:
    return table[[prefix + mark for mark in MARKS]].to_numpy(np.float64)


def _is_even(record_ids: "Sequence[str] | pd.Series[Any]") -> Bool[np.ndarray, " record"]:
    """Whether LUDB's record numbers are even."""
    return np.array([int(record_id) % 2 == 0 for record_id in record_ids], bool)
