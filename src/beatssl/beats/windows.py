"""Beats of many records as one ragged table of windows, so that everything after works on all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

BEFORE_S, AFTER_S = 0.40, 0.70
"""Span of a window before and after its R peak; wide enough for a long PR and a long QT."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats of many rows (a row is a record, or ten seconds of a long one), sorted by row and time."""

    row: Int32[np.ndarray, " beat"]
    time_s: Float64[np.ndarray, " beat"]  # R peak, from the row's first sample
    rr_prev_s: Float32[np.ndarray, " beat"]  # to the R peak before; NaN for the first of a record, and across a gap
    rr_next_s: Float32[np.ndarray, " beat"]
    window_mv: Float32[np.ndarray, "beat lead time"]  # NaN outside the record and in missing leads
    fs_hz: float
    r_index: int  # the sample of a window that holds the R peak

    def __len__(self) -> int:
        return len(self.row)


def gather_windows(
    ecg_mv: Float32[np.ndarray, "lead time"],
    r_index: Int64[np.ndarray, " beat"],
    fs_hz: float,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> Float32[np.ndarray, "beat lead window"]:
    """The signal from `before_s` before to `after_s` after each R sample; NaN beyond the record's ends."""
    before, after = round(before_s * fs_hz), round(after_s * fs_hz)
    at = r_index[:, None] + np.arange(-before, after)
    windows = ecg_mv[:, np.clip(at, 0, ecg_mv.shape[1] - 1)].transpose(1, 0, 2)
    return np.where(((at >= 0) & (at < ecg_mv.shape[1]))[:, None], windows, np.float32(np.nan))


def known_intervals(
    time_s: Float64[np.ndarray, " beat"], measured: Bool[np.ndarray, " time"], fs_hz: float
) -> Float64[np.ndarray, " beat"]:
    """RR intervals to the beat before; NaN for the first beat, and where any sample between was measured in no lead."""
    rr_s = np.diff(time_s, prepend=np.nan)
    missing = np.concatenate([[0], np.cumsum(~measured)])
    at = np.clip(np.round(time_s * fs_hz).astype(np.int64), 0, len(measured))
    across = missing[at][1:] > missing[at][:-1]
    rr_s[1:][across] = np.nan
    return rr_s


def beats_of_rows(
    ecg_mv: Sequence[Float32[np.ndarray, "lead _time"]],
    r_times_s: Sequence[Float64[np.ndarray, " _beat"]],
    fs_hz: float,
) -> Beats:
    """Windows and neighbouring intervals of every beat of every row; one signal and one array of R times a row."""
    rows = np.repeat(np.arange(len(ecg_mv), dtype=np.int32), [len(t) for t in r_times_s])
    windows = [
        gather_windows(signal, np.round(times * fs_hz).astype(np.int64), fs_hz)
        for signal, times in zip(ecg_mv, r_times_s, strict=True)
    ]
    measured = [np.asarray(np.isfinite(signal).any(axis=0)) for signal in ecg_mv]
    prev = [known_intervals(times, there, fs_hz) for times, there in zip(r_times_s, measured, strict=True)]
    following = [np.append(rr_s[1:], np.nan)[: len(rr_s)] for rr_s in prev]
    lead_count = ecg_mv[0].shape[0] if len(ecg_mv) else 0
    empty = np.zeros((0, lead_count, round(BEFORE_S * fs_hz) + round(AFTER_S * fs_hz)), np.float32)
    return Beats(
        row=rows,
        time_s=np.concatenate([np.zeros(0), *r_times_s]),
        rr_prev_s=np.concatenate([np.zeros(0), *prev]).astype(np.float32),
        rr_next_s=np.concatenate([np.zeros(0), *following]).astype(np.float32),
        window_mv=np.concatenate([empty, *windows]),
        fs_hz=fs_hz,
        r_index=round(BEFORE_S * fs_hz),
    )


def median_beats(beats: Beats, rows: int, use: Bool[np.ndarray, " beat"]) -> Float32[np.ndarray, "row lead time"]:
    """The sample-by-sample median over the beats marked `use` of each row; NaN for a row with none."""
    out = np.full((rows, *beats.window_mv.shape[1:]), np.nan, np.float32)
    counts = np.bincount(beats.row[use], minlength=rows)
    windows = np.split(beats.window_mv[use], np.cumsum(counts)[:-1])
    # One stack for all rows that have the same number of beats: the loop runs over counts, not over rows.
    for count in np.unique(counts[counts > 0]):
        same = np.flatnonzero(counts == count)
        stack = np.stack([windows[row] for row in same])
        measured = np.isfinite(stack).any(axis=1)
        out[same] = np.where(measured, _nanmedian(stack), np.float32(np.nan))
    return out


def _nanmedian(stack: Float32[np.ndarray, "row beat lead time"]) -> Float32[np.ndarray, "row lead time"]:
    """Median over the beat axis that leaves NaN out, without NumPy's slow path or its empty-slice warning."""
    ordered = np.sort(stack, axis=1)  # NaN sorts last
    count = np.isfinite(ordered).sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, stack.shape[1] - 1), axis=1)
    return ((low + np.where(count > 0, high, low)) / 2)[:, 0].astype(np.float32)
