"""R peaks of a store against its reference: wave marks (LUDB) by the protocol, beat marks (MIT-BIH) by wfdb."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64
from wfdb.processing import compare_annotations

from beatssl.beats.global_beats import global_beats
from beatssl.checks.r_peaks.cases import BEATS_TOLERANCE_S, WAVES_TOLERANCE_S
from beatssl.metrics.boundaries import Score, mark_span, matched_errors, score_times
from beatssl.records.mitdb import aami_class
from beatssl.results import Number
from beatssl.store.store import Store

_TICKS_PER_S = 1000  # wfdb compares whole samples; milliseconds lose nothing


@dataclass(frozen=True)
class RecordErrors:
    """Beats of a record that were missed, and beats found where there is none."""

    missed: int
    false: int


@dataclass(frozen=True)
class PeakFigures:
    """R peaks against a reference; NaN where nothing could be counted."""

    reference: str
    tolerance_ms: float
    records: int
    records_set_aside: int
    """Those that preparation refused: they have no beats and no marks in the store."""
    beats: int
    """In the reference."""
    sensitivity: Number
    ppv: Number
    missed: int
    false: int
    error_median_ms: Number
    """Of found − reference, over the beats that match."""
    error_sd_ms: Number
    records_without_error: int
    worst: dict[str, RecordErrors]
    """The records with the most errors, 15 at most."""


class _Compared(NamedTuple):
    score: Score
    error_s: Float64[np.ndarray, " match"]


def check_peaks(store: Store) -> PeakFigures:
    """Sensitivity and PPV of the R peaks over all records, and the records with the most errors.

    Where the source marks waves, a reference beat is the median over leads of the QRS peaks, matched one to one within
    75 ms, and a prediction left over is false only inside the span of the marks. Where it marks beats, wfdb's
    comparison at 150 ms decides (ANSI/AAMI EC57); what is found in flutter waves, which are no beats, counts as false.

    Raises:
        ValueError: the store has neither kind of marks.
    """
    by_waves = len(store.waves) > 0
    reference = store.waves if by_waves else store.reference_beats
    if not len(reference):
        raise ValueError("this store holds no reference marks of waves or beats; prepare ludb, mitdb or synthetic")
    compare: Callable[[pd.DataFrame, Float64[np.ndarray, " beat"]], _Compared] = (
        _against_waves if by_waves else _against_beats
    )
    found = store.beats.groupby("record_id", sort=False)["time_in_record_s"]
    times = {record: np.sort(group.to_numpy(np.float64)) for record, group in found}
    records = {
        str(record): compare(marks, times.get(record, np.zeros(0)))
        for record, marks in reference.groupby("record_id", sort=False)
    }
    total = sum((r.score for r in records.values()), Score(0, 0, 0))
    error_ms = 1e3 * np.concatenate([r.error_s for r in records.values()])
    wrong = {record: r.score for record, r in records.items() if r.score.missed or r.score.false}
    worst = sorted(wrong, key=lambda record: (-wrong[record].missed - wrong[record].false, record))[:15]
    return PeakFigures(
        reference="wave marks, median over leads" if by_waves else "beat marks",
        tolerance_ms=1e3 * (WAVES_TOLERANCE_S if by_waves else BEATS_TOLERANCE_S),
        records=len(records),
        records_set_aside=len(store.rejects),
        beats=total.matched + total.missed,
        sensitivity=total.sensitivity,
        ppv=total.ppv,
        missed=total.missed,
        false=total.false,
        error_median_ms=float(np.median(error_ms)) if error_ms.size else float("nan"),
        error_sd_ms=float(np.std(error_ms)) if error_ms.size else float("nan"),
        records_without_error=len(records) - len(wrong),
        worst={record: RecordErrors(wrong[record].missed, wrong[record].false) for record in worst},
    )


def _against_waves(marks: pd.DataFrame, found_s: Float64[np.ndarray, " beat"]) -> _Compared:
    onset, peak, offset = (marks[name].to_numpy(np.float64) for name in ("onset_s", "peak_s", "offset_s"))
    reference = global_beats(marks["wave"].tolist(), onset, peak, offset).r_peak_s
    score = score_times(reference, found_s, WAVES_TOLERANCE_S, mark_span(onset, peak, offset))
    return _Compared(score, matched_errors(reference, found_s, WAVES_TOLERANCE_S))


def _against_beats(marks: pd.DataFrame, found_s: Float64[np.ndarray, " beat"]) -> _Compared:
    is_beat = [aami_class(symbol) is not None for symbol in marks["symbol"]]
    reference = np.sort(marks["time_s"].to_numpy(np.float64)[is_beat])
    if not (reference.size and found_s.size):
        return _Compared(Score(0, reference.size, found_s.size), np.zeros(0))
    compared = compare_annotations(
        np.round(reference * _TICKS_PER_S).astype(np.int64),
        np.round(found_s * _TICKS_PER_S).astype(np.int64),
        round(BEATS_TOLERANCE_S * _TICKS_PER_S),
    )
    score = Score(int(compared.tp), int(compared.fn), int(compared.fp))
    return _Compared(score, matched_errors(reference, found_s, BEATS_TOLERANCE_S))
