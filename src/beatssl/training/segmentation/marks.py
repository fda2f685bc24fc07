"""What a segmenter learns from: signals, and how much of every sample each marked wave covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int16, Int64, Shaped
from scipy.ndimage import maximum_filter1d
from torch import Tensor

from beatssl.signals.leads import LEADS
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.store import Store
from beatssl.views.view import Signals

MARK_HZ = 500.0
"""Rate of the grid that marks are kept on: that of LUDB."""

UNMARKED_REACH_S = 0.25
"""A wave whose onset or offset was not marked may reach this far from its peak; what lies there is not known."""

MISSED_BEAT_S = 0.15
"""A beat marked in most leads is missing in one that has no QRS within this time of it."""

_T_SEARCH_S = 0.6
"""How long after a QRS its T wave may lie, in a lead none of whose T waves is marked."""

_WAVES = ("P", "T", "QRS")
"""In the order they are laid down: where two marks overlap, the later one holds."""

_UNKNOWN = len(WAVE_CLASSES)


@dataclass(frozen=True)
class MarkedRows:
    """Rows of a store with their marks, in memory.

    `covered[r, l, c, k]` counts the steps of the grid before k, in row r and lead l, that P, QRS, T (c = 0, 1, 2) take,
    or of which nothing is known (c = 3). What lies between two times is a difference, however time was moved.
    """

    row: Int64[np.ndarray, " row"]
    record_id: Shaped[np.ndarray, " row"]
    ecg_mv: Float[Tensor, "row lead time"]
    lead_mask: Bool[Tensor, "row lead"]
    covered: Int16[Tensor, "row lead 4 step"]
    beat_row: Int64[Tensor, " beat"]
    beat_at: Float[Tensor, " beat"]
    fs_hz: float

    def __len__(self) -> int:
        return len(self.row)

    def take(self, at: Int64[np.ndarray, " some"]) -> "MarkedRows":
        """Some of the rows, by their place among them, in rising order."""
        begin, end = (np.searchsorted(self.beat_row.numpy(), at, side=side) for side in ("left", "right"))
        beats = np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)])
        return MarkedRows(
            self.row[at], self.record_id[at], self.ecg_mv[at], self.lead_mask[at], self.covered[at],
            torch.from_numpy(np.repeat(np.arange(len(at)), end - begin)), self.beat_at[beats], self.fs_hz,
        )  # fmt: skip

    def signals(self) -> Signals:
        """The rows as views take them."""
        valid = torch.full((len(self),), self.ecg_mv.shape[2], device=self.ecg_mv.device)
        return Signals(self.ecg_mv, self.lead_mask, valid, self.beat_row, self.beat_at, self.fs_hz)


def marked_rows(store: Store, rows: Sequence[int] | Int64[np.ndarray, " row"]) -> MarkedRows:
    """Rows of a store whose source marks waves in every lead.

    Raises ValueError where the store has no marks, or leads other than the twelve.
    """
    if store.leads != LEADS:
        raise ValueError(f"store {store.path} has leads as recorded; prepare it again with leads='twelve'")
    if store.waves.empty:
        raise ValueError(f"store {store.path} has no marked waves to learn from; pass one made from ludb or synthetic")
    wanted = np.asarray(rows, np.int64)
    ecg_mv = store.ecg_mv(wanted)
    beats = store.beats[["row", "time_s"]]
    place = np.full(len(store), -1)
    place[wanted] = np.arange(len(wanted))
    beat_row = place[beats["row"].to_numpy(np.int64)]
    order = np.argsort(beat_row[beat_row >= 0], kind="stable")
    return MarkedRows(
        row=wanted,
        record_id=store.records["record_id"].astype(str).to_numpy(object)[wanted],
        ecg_mv=torch.from_numpy(np.nan_to_num(ecg_mv)),
        lead_mask=torch.from_numpy(np.isfinite(ecg_mv).any(axis=2)),
        covered=torch.from_numpy(covered_by(classes_of(store, wanted))),
        beat_row=torch.from_numpy(beat_row[beat_row >= 0][order]),
        beat_at=torch.from_numpy(
            (beats["time_s"].to_numpy(np.float64)[beat_row >= 0][order] * store.fs_hz).astype(np.float32)
        ),
        fs_hz=store.fs_hz,
    )


def classes_of(store: Store, rows: Int64[np.ndarray, " row"]) -> Int16[np.ndarray, "row lead step"]:
    """The class of every step of the grid by number in `WAVE_CLASSES`; −1 where it is not known.

    Not known are: what lies outside the first and last mark of a lead, and a lead without marks; around the peak of a
    wave whose onset or offset is missing; from the mark before to the mark after a beat that a lead does not mark
    though most leads do; and where T waves would be in a lead none of whose is marked, though most leads' are.
    """
    steps = round(store.duration_s * MARK_HZ)
    out = np.full((len(rows), len(LEADS), steps), -1, np.int16)
    waves = store.waves.assign(record_id=store.waves["record_id"].astype(str)).groupby("record_id")
    about = store.records.iloc[rows]
    for at, (record_id, start_s) in enumerate(zip(about["record_id"].astype(str), about["start_s"], strict=True)):
        if record_id in waves.groups:
            out[at] = _classes_of_record(waves.get_group(record_id), float(start_s), steps)
    return out


def _classes_of_record(marks: pd.DataFrame, start_s: float, steps: int) -> Int16[np.ndarray, "lead step"]:
    out = np.full((len(LEADS), steps), -1, np.int16)
    onset, peak, offset = ((marks[name].to_numpy(np.float64) - start_s) for name in ("onset_s", "peak_s", "offset_s"))
    lead, wave = marks["lead"].to_numpy(str), marks["wave"].to_numpy(str)
    beats_s = _common_beats(peak[wave == "QRS"], lead[wave == "QRS"])
    most_have_t = len(np.unique(lead[wave == "T"])) > len(np.unique(lead)) / 2
    for number, name in enumerate(LEADS):
        here = lead == name
        if here.any():
            out[number] = classes_of_lead(
                wave[here], onset[here], peak[here], offset[here], steps, beats_s, most_have_t
            )
    return out


def classes_of_lead(
    wave: np.ndarray,
    onset: Float[np.ndarray, " wave"],
    peak: Float[np.ndarray, " wave"],
    offset: Float[np.ndarray, " wave"],
    steps: int,
    beats_s: Float[np.ndarray, " beat"] | None = None,
    most_have_t: bool = False,
) -> Int16[np.ndarray, " step"]:
    """As `classes_of`, of one lead, from its waves in seconds; the last two say what the record's leads have.

    Raises ValueError where no wave has a time.
    """
    beats_s = np.zeros(0) if beats_s is None else beats_s
    line = np.full(steps, -1, np.int16)
    times = np.concatenate([onset, peak, offset])
    edges = np.sort(times[np.isfinite(times)])
    if not len(edges):
        raise ValueError("a lead without a single time; leave it out")
    _paint(line, edges[0], edges[-1], 0)
    qrs_peak = peak[wave == "QRS"]
    for beat in beats_s[(beats_s > edges[0]) & (beats_s < edges[-1])]:
        if not (np.abs(qrs_peak - beat) <= MISSED_BEAT_S).any():
            _paint(line, edges[edges < beat][-1], edges[edges > beat][0], -1)
    if most_have_t and not (wave == "T").any():
        for end in offset[(wave == "QRS") & np.isfinite(offset)]:
            _paint(line, end, min(end + _T_SEARCH_S, edges[-1]), -1)
    for name in _WAVES:
        for k in np.flatnonzero(wave == name):
            begin, end = onset[k], offset[k]
            if not np.isfinite(begin):
                begin = peak[k]
                _paint(line, max(begin - UNMARKED_REACH_S, _before(offset, begin)), begin, -1)
            if not np.isfinite(end):
                end = peak[k]
                _paint(line, end, min(end + UNMARKED_REACH_S, _after(onset, end)), -1)
            _paint(line, begin, end, WAVE_CLASSES.index(name))
    return line


def _paint(line: Int16[np.ndarray, " step"], begin_s: float, end_s: float, value: int) -> None:
    """Lay a value down from one time to another; NaN paints nothing."""
    if np.isfinite(begin_s) and np.isfinite(end_s):
        line[max(round(begin_s * MARK_HZ), 0) : max(round(end_s * MARK_HZ), 0)] = value


def _before(times: Float[np.ndarray, " wave"], at: float) -> float:
    return float(np.max(times[times < at], initial=-np.inf))


def _after(times: Float[np.ndarray, " wave"], at: float) -> float:
    return float(np.min(times[times > at], initial=np.inf))


def _common_beats(peak_s: Float[np.ndarray, " qrs"], lead: np.ndarray) -> Float[np.ndarray, " beat"]:
    """Median times of the QRS complexes that most of the marked leads have."""
    order = np.argsort(peak_s)
    groups = np.split(order, np.flatnonzero(np.diff(peak_s[order]) > MISSED_BEAT_S) + 1)
    enough = len(np.unique(lead)) / 2
    return np.array([np.median(peak_s[group]) for group in groups if len(np.unique(lead[group])) > enough])


def covered_by(classes: Int16[np.ndarray, "row lead step"]) -> Int16[np.ndarray, "row lead 4 steps1"]:
    """`MarkedRows.covered` from the class of every step."""
    numbered = np.where(classes < 0, _UNKNOWN, classes)
    out = np.zeros((*classes.shape[:2], _UNKNOWN, classes.shape[2] + 1), np.int16)
    for index in range(_UNKNOWN):
        np.cumsum(numbered == index + 1, axis=2, out=out[:, :, index, 1:])
    return out


def classes_at(covered: Int16[Tensor, "row lead 4 steps1"]) -> Int16[np.ndarray, "row lead step"]:
    """The class of every step, the inverse of `covered_by`."""
    taken = covered.diff(dim=3).numpy()
    out = np.zeros((*taken.shape[:2], taken.shape[3]), np.int16)
    for index in range(_UNKNOWN - 1):
        out[taken[:, :, index] > 0] = index + 1
    out[taken[:, :, _UNKNOWN - 1] > 0] = -1
    return out


def without_edges(rows: MarkedRows, edges_s: Mapping[str, float]) -> MarkedRows:
    """The rows with nothing known near the boundaries of each wave, on either side as far as `edges_s` says."""
    classes = classes_at(rows.covered)
    out = classes.copy()
    for name, edge_s in edges_s.items():
        own = (classes == WAVE_CLASSES.index(name)).astype(np.int8)
        changes = np.diff(own, axis=2, prepend=own[:, :, :1]) != 0
        reach = round(edge_s * MARK_HZ)
        out[maximum_filter1d(changes, 2 * reach, axis=2)] = -1
    return replace(rows, covered=torch.from_numpy(covered_by(out)))


def targets(
    covered: Int16[Tensor, "row lead 4 step"], source: Float[Tensor, "row time"], fs_hz: float
) -> tuple[Float[Tensor, "row lead 4 time"], Bool[Tensor, "row lead time"]]:
    """Shares of no wave, P, QRS and T in every sample, and whether all of it is known.

    Sample n is read at `source[n]` samples of the row and stands for what lies half a sample to either side of it, so
    that a boundary lies where its wave's share crosses one half.
    """
    steps_per_sample, last = MARK_HZ / fs_hz, covered.shape[3] - 1
    edge = torch.cat([1.5 * source[:, :1] - 0.5 * source[:, 1:2], 0.5 * (source[:, 1:] + source[:, :-1])], dim=1)
    end = 1.5 * source[:, -1:] - 0.5 * source[:, -2:-1]
    at = torch.cat([edge, end], dim=1) * steps_per_sample
    inside = (at[:, :-1] >= -0.5 * steps_per_sample - 1e-3) & (at[:, 1:] <= last + 0.5 * steps_per_sample + 1e-3)
    at = at.clamp(0, last)
    low = at.floor().clamp(max=last - 1)
    index = low.long()[:, None, None].expand(-1, *covered.shape[1:3], -1)
    begin, after = covered.gather(3, index).float(), covered.gather(3, index + 1).float()
    amount = torch.lerp(begin, after, (at - low)[:, None, None]).diff(dim=3)
    share = amount / at.diff(dim=1).clamp(min=1e-3)[:, None, None]
    known = (share[:, :, 3] < 1e-3) & inside[:, None]
    waves = share[:, :, :3]
    return torch.cat([1 - waves.sum(dim=2, keepdim=True), waves], dim=2), known
