"""P, QRS and T waves of single leads against reference marks: sample F1 and IoU, and boundaries at three tolerances.

Both sides are tables with a line a wave and the columns `record_id`, `lead`, `wave` ("P", "QRS", "T"), `onset_s`,
`peak_s` and `offset_s`. All figures are pooled over leads and records.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from beatssl.metrics.boundaries import UNMARKED_REACH_S, Score
from beatssl.results import FOR_FILES, INLINE, Number
from beatssl.signals.matching import match_times

WAVES = ("P", "QRS", "T")
SIDES = ("on", "off")
TOLERANCES_MS = (150, 75, 40)
"""Largest distances of a match; errors are taken over the matches at the first."""

_APART_S = 10.0  # between leads laid on one time axis: far more than any tolerance
_SAME_TIME_S = 1e-6  # marks are multiples of a sample; so near a limit they are on it


class Lines(NamedTuple):
    """Waves as arrays of one axis; `lead` counts the reference's leads, −1 for a lead without reference marks."""

    lead: Int64[np.ndarray, " wave"]
    kind: Int64[np.ndarray, " wave"]  # into `WAVES`, −1 for any other
    onset_s: Float64[np.ndarray, " wave"]
    peak_s: Float64[np.ndarray, " wave"]
    offset_s: Float64[np.ndarray, " wave"]


class Marked(NamedTuple):
    """The reference: its waves in order of lead and time, and the first and last mark of each lead."""

    waves: Lines
    first_s: Float64[np.ndarray, " lead"]
    last_s: Float64[np.ndarray, " lead"]
    leads: pd.MultiIndex  # (record_id, lead)


@dataclass(frozen=True)
class Rates:
    """Of one boundary at one tolerance; NaN where nothing could be counted."""

    se: Number
    ppv: Number
    f1: Number


@dataclass(frozen=True)
class BoundaryFigures:
    """Of one boundary: rates at each tolerance, and the errors found − reference of the matches at 150 ms."""

    within: dict[str, Rates] = field(metadata=INLINE)
    """By tolerance in ms: "150", "75", "40"."""
    mean_ms: Number
    sd_ms: Number
    matched: int


@dataclass(frozen=True)
class SegmentationFigures:
    """Figures of P, QRS and T waves, pooled over leads and records."""

    records: int
    leads: int
    sample_f1: dict[str, Number]
    """Of P, QRS, T and `macro`, their mean; so is `iou`."""
    iou: dict[str, Number]
    boundaries: dict[str, BoundaryFigures]
    """Of P_on, P_off, QRS_on …"""


@dataclass(frozen=True)
class ConfidenceBin:
    """Boundaries whose confidence lies between two values."""

    low: float
    high: float
    boundaries: int
    confidence: float
    """Mean."""
    right: float
    """Share of the boundaries that match a mark."""


@dataclass(frozen=True)
class ConfidenceFigures:
    """Whether boundaries are right as often as their confidence says."""

    expected_calibration_error: Number
    """Mean over boundaries of |confidence − share right| of their bin."""
    bins: tuple[ConfidenceBin, ...] = field(metadata=FOR_FILES)
    """Those that are not empty."""


def segmentation_figures(reference: pd.DataFrame, found: pd.DataFrame, fs_hz: float) -> SegmentationFigures:
    """All figures of the protocol for waves.

    Args:
        reference: the marks of every lead; NaN where an onset or offset was not marked.
        found: the predicted waves; one without a boundary counts as a wave from or to its peak. Leads without marks are
            left out.
        fs_hz: the records' own rate: sample figures are taken at its samples. A wave holds the samples from onset to
            offset, both included, each boundary at the sample nearest to it.

    Raises:
        ValueError: the reference has no waves.
    """
    marked = marked_waves(reference)
    lines = lines_of(found, marked.leads)
    pooled = sample_counts(reference, found, fs_hz).sum(axis=0)
    f1 = {wave: _f1(pooled, wave) for wave in WAVES}
    iou = {wave: value / (2 - value) for wave, value in f1.items()}
    return SegmentationFigures(
        records=int(marked.leads.get_level_values(0).nunique()),
        leads=len(marked.leads),
        sample_f1=f1 | {"macro": float(np.mean(list(f1.values())))},
        iou=iou | {"macro": float(np.mean(list(iou.values())))},
        boundaries={
            f"{wave}_{side}": _boundary(marked, lines, kind, side) for kind, wave in enumerate(WAVES) for side in SIDES
        },
    )


def sample_counts(reference: pd.DataFrame, found: pd.DataFrame, fs_hz: float) -> pd.DataFrame:
    """Samples of each lead that are in a wave by both sides, by the reference, and by the prediction.

    Counted between the first and the last mark of each lead. Where a boundary was not marked, the samples between the
    mark next to it (0.25 s from the peak at most) and the wave's other end are left out.

    Returns:
        A line a lead of the reference, index (record_id, lead); columns `both_P`, `reference_P`, `found_P`, …
    """
    marked = marked_waves(reference)
    lines = lines_of(found, marked.leads)
    first = np.ceil((marked.first_s - _SAME_TIME_S) * fs_hz).astype(np.int64)
    count = np.floor((marked.last_s + _SAME_TIME_S) * fs_hz).astype(np.int64) - first + 1
    start = np.cumsum(count) - count
    left_out = _painted(_unclear(marked, 1 / fs_hz), first, count, fs_hz)
    whole = np.isfinite(marked.waves.onset_s) & np.isfinite(marked.waves.offset_s)
    clear = Lines(*(column[whole] for column in marked.waves))
    out: dict[str, Int64[np.ndarray, " lead"]] = {}
    for kind, wave in enumerate(WAVES):
        true = _painted(of_kind(clear, kind), first, count, fs_hz) & ~left_out
        said = _painted(of_kind(lines, kind), first, count, fs_hz) & ~left_out
        for name, samples in (("both", true & said), ("reference", true), ("found", said)):
            out[f"{name}_{wave}"] = np.add.reduceat(samples, start, dtype=np.int64)
    return pd.DataFrame(out, index=marked.leads)


def record_f1(reference: pd.DataFrame, found: pd.DataFrame, fs_hz: float) -> pd.Series:
    """Mean over P, QRS and T of each record's sample F1, its leads pooled; a wave that neither side has is left out."""
    counts = sample_counts(reference, found, fs_hz).groupby(level=0, sort=False).sum()
    values = np.array([[_f1(line, wave) for wave in WAVES] for _, line in counts.iterrows()])
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1)
    return pd.Series(total / np.where(known.any(axis=1), known.sum(axis=1), np.nan), index=counts.index, name="f1")


def confidence_figures(
    reference: pd.DataFrame, found: pd.DataFrame, tolerance_s: float, bins: int = 10
) -> ConfidenceFigures:
    """Whether boundaries of confidence c are right with that frequency.

    A boundary is right if it matches a mark within `tolerance_s`. Counted are the matched ones, and those
    inside the span of the lead's marks and at no wave whose boundary was not marked.

    Args:
        reference: as of `segmentation_figures`.
        found: likewise, with `onset_confidence` and `offset_confidence`.
        tolerance_s: the tolerance that the confidences hold for.
        bins: of equal width between 0 and 1.

    Raises:
        ValueError: the reference has no waves.
    """
    marked = marked_waves(reference)
    lines = lines_of(found, marked.leads)
    sure: list[Float64[np.ndarray, " counted"]] = []
    right: list[Bool[np.ndarray, " counted"]] = []
    for kind, _ in enumerate(WAVES):
        true = of_kind(marked.waves, kind)
        mine = (lines.kind == kind) & (lines.lead >= 0)
        for side in SIDES:
            ends_s = lines.onset_s if side == "on" else lines.offset_s
            some = mine & np.isfinite(ends_s)
            said = Lines(*(column[some] for column in lines))
            true_s = true.onset_s if side == "on" else true.offset_s
            pairs = matches(marked, true, true_s, said, ends_s[some], tolerance_s)
            hit = np.isin(np.arange(some.sum()), pairs[1])
            counted = hit | false_predictions(marked, true, true_s, said, ends_s[some], hit)
            column = "onset_confidence" if side == "on" else "offset_confidence"
            sure.append(found[column].to_numpy(np.float64)[some][counted])
            right.append(hit[counted])
    return reliability(np.concatenate(sure), np.concatenate(right), bins)


def reliability(sure: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"], bins: int) -> ConfidenceFigures:
    """Confidences against how often they were right, in bins of equal width."""
    which = np.minimum((sure * bins).astype(np.int64), bins - 1)
    lines = tuple(
        ConfidenceBin(
            at / bins, (at + 1) / bins, int((which == at).sum()), float(sure[which == at].mean()),
            float(right[which == at].mean()),
        )
        for at in np.unique(which).tolist()
    )  # fmt: skip
    off = sum(line.boundaries * abs(line.confidence - line.right) for line in lines)
    return ConfidenceFigures(off / len(sure) if len(sure) else float("nan"), lines)


def marked_waves(reference: pd.DataFrame) -> Marked:
    """The reference's waves sorted by lead and time. Raises ValueError where there are none."""
    reference = reference[reference["wave"].isin(WAVES)]
    if reference.empty:
        raise ValueError("the reference has no P, QRS or T wave; pass a store with wave marks, such as LUDB's")
    leads = pd.MultiIndex.from_frame(reference[["record_id", "lead"]].drop_duplicates())
    lines = lines_of(reference, leads)
    order = np.lexsort((lines.peak_s, lines.lead))
    waves = Lines(*(column[order] for column in lines))
    marks = np.stack([waves.onset_s, waves.peak_s, waves.offset_s])
    start = np.searchsorted(waves.lead, np.arange(len(leads)))
    first_s, last_s = np.fmin.reduceat(np.fmin.reduce(marks), start), np.fmax.reduceat(np.fmax.reduce(marks), start)
    return Marked(waves, first_s, last_s, leads)


def lines_of(table: pd.DataFrame, leads: pd.MultiIndex) -> Lines:
    """Waves as arrays, their leads counted as those of `leads`."""
    onset, peak, offset = (table[name].to_numpy(np.float64) for name in ("onset_s", "peak_s", "offset_s"))
    lead = leads.get_indexer(pd.MultiIndex.from_frame(table[["record_id", "lead"]]))
    kind = pd.Index(WAVES).get_indexer(pd.Index(table["wave"]))
    return Lines(np.asarray(lead, np.int64), np.asarray(kind, np.int64), onset, peak, offset)


def of_kind(lines: Lines, kind: int) -> Lines:
    """The waves of one kind in leads of the reference."""
    return Lines(*(column[(lines.kind == kind) & (lines.lead >= 0)] for column in lines))


def _unclear(marked: Marked, sample_s: float) -> Lines:
    """Stretches that may or may not belong to a wave, since a boundary of it was not marked."""
    waves = marked.waves
    ends = np.stack([waves.onset_s, waves.peak_s, waves.offset_s])
    begin_s, end_s = np.fmin.reduce(ends), np.fmax.reduce(ends)
    same = waves.lead[1:] == waves.lead[:-1]
    before = np.concatenate([[-np.inf], np.where(same, end_s[:-1], -np.inf)])
    after = np.concatenate([np.where(same, begin_s[1:], np.inf), [np.inf]])
    no_onset, no_offset = np.isnan(waves.onset_s), np.isnan(waves.offset_s)
    onset = np.where(no_onset, np.maximum(before + sample_s, waves.peak_s - UNMARKED_REACH_S), waves.onset_s)
    offset = np.where(no_offset, np.minimum(after - sample_s, waves.peak_s + UNMARKED_REACH_S), waves.offset_s)
    some = no_onset | no_offset
    return Lines(waves.lead[some], waves.kind[some], onset[some], waves.peak_s[some], offset[some])


def _painted(
    waves: Lines, first: Int64[np.ndarray, " lead"], count: Int64[np.ndarray, " lead"], fs_hz: float
) -> Bool[np.ndarray, " sample"]:
    """Which samples of all leads, one after the other, lie in a wave; without a boundary, from or to the peak."""
    begin_s, end_s = (np.where(np.isnan(ends), waves.peak_s, ends) for ends in (waves.onset_s, waves.offset_s))
    some = np.isfinite(begin_s) & np.isfinite(end_s)
    lead = waves.lead[some]
    begin = np.rint(begin_s[some] * fs_hz).astype(np.int64) - first[lead]
    end = np.rint(end_s[some] * fs_hz).astype(np.int64) - first[lead] + 1
    begin, end = np.clip(begin, 0, count[lead]), np.clip(end, 0, count[lead])
    some = begin < end
    at = (np.cumsum(count) - count)[lead]
    total = int(count.sum())
    steps = np.bincount((at + begin)[some], minlength=total + 1) - np.bincount((at + end)[some], minlength=total + 1)
    return np.cumsum(steps)[:total] > 0


def _f1(counts: pd.Series, wave: str) -> float:
    both, true, said = (float(counts[f"{name}_{wave}"]) for name in ("both", "reference", "found"))
    return 2 * both / (true + said) if true + said else float("nan")


def _boundary(marked: Marked, lines: Lines, kind: int, side: str) -> BoundaryFigures:
    """Scores of one boundary at each tolerance, and its errors at the first."""
    true, said = of_kind(marked.waves, kind), of_kind(lines, kind)
    true_s, said_s = (waves.onset_s if side == "on" else waves.offset_s for waves in (true, said))
    said, said_s = Lines(*(column[np.isfinite(said_s)] for column in said)), said_s[np.isfinite(said_s)]
    within: dict[str, Rates] = {}
    errors_ms = np.zeros(0)
    for tolerance_ms in TOLERANCES_MS:
        pairs = matches(marked, true, true_s, said, said_s, tolerance_ms / 1000)
        score = boundary_score(marked, true, true_s, said, said_s, pairs)
        within[str(tolerance_ms)] = Rates(score.sensitivity, score.ppv, score.f1)
        if tolerance_ms == TOLERANCES_MS[0]:
            errors_ms = 1000 * (said_s[pairs[1]] - true_s[pairs[0]])
    some = errors_ms.size > 0
    return BoundaryFigures(
        within=within,
        mean_ms=float(np.mean(errors_ms)) if some else float("nan"),
        sd_ms=float(np.std(errors_ms)) if some else float("nan"),
        matched=int(errors_ms.size),
    )


def matches(
    marked: Marked,
    true: Lines,
    true_s: Float64[np.ndarray, " true"],
    said: Lines,
    said_s: Float64[np.ndarray, " said"],
    tolerance_s: float,
) -> tuple[Int64[np.ndarray, " match"], Int64[np.ndarray, " match"]]:
    """One-to-one nearest matches within each lead: all leads are laid on one time axis, far apart."""
    latest = max(float(marked.last_s.max()), float(said_s.max(initial=0)))
    earliest = min(float(marked.first_s.min()), float(said_s.min(initial=0)))
    span_s = latest - earliest + _APART_S
    return match_times(true_s + span_s * true.lead, said_s + span_s * said.lead, tolerance_s + _SAME_TIME_S)


def boundary_score(
    marked: Marked,
    true: Lines,
    true_s: Float64[np.ndarray, " true"],
    said: Lines,
    said_s: Float64[np.ndarray, " said"],
    pairs: tuple[Int64[np.ndarray, " match"], Int64[np.ndarray, " match"]],
) -> Score:
    """As `boundaries.score_times` on each lead, the counts pooled."""
    hit = np.zeros(len(said_s), bool)
    hit[pairs[1]] = True
    false = false_predictions(marked, true, true_s, said, said_s, hit)
    known = int(np.count_nonzero(np.isfinite(true_s)))
    return Score(len(pairs[0]), known - len(pairs[0]), int(np.count_nonzero(false)))


def false_predictions(
    marked: Marked,
    true: Lines,
    true_s: Float64[np.ndarray, " true"],
    said: Lines,
    said_s: Float64[np.ndarray, " said"],
    hit: Bool[np.ndarray, " said"],
) -> Bool[np.ndarray, " said"]:
    """Predictions left unmatched strictly inside the lead's marks, but for those at a wave without this boundary."""
    rest = np.flatnonzero(~hit)
    unmarked = Lines(*(column[np.isnan(true_s)] for column in true))
    lines = Lines(*(column[rest] for column in said))
    excused = matches(marked, unmarked, unmarked.peak_s, lines, said_s[rest], UNMARKED_REACH_S)[1]
    first_s, last_s = marked.first_s[said.lead], marked.last_s[said.lead]
    out = ~hit & (said_s > first_s + _SAME_TIME_S) & (said_s < last_s - _SAME_TIME_S)
    out[rest[excused]] = False
    return out
