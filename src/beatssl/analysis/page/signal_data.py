"""The signal of a page as base64: a short record whole; of a long one an envelope, and stretches of interest whole."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int16

from beatssl.analysis.output.picture import BAND_HZ, MARGIN_S
from beatssl.records.record import Record
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, canonical_leads, present_leads, to_twelve, without_constant

WHOLE_BYTES = 4_000_000
"""A record whose samples take up to this is kept whole."""
ENVELOPE_BYTES, STRETCH_BYTES = 2_500_000, 2_000_000
"""Of a longer one: for lowest and highest values of equal bins, and for samples of stretches."""
STRETCH_HZ = 250.0
"""Samples of a stretch: the record's own, or this many a second."""
OPENING_S = 60.0
"""Of a long record, kept in any case."""
BEFORE_S, AFTER_S = 4.0, 6.0
"""Kept about an event."""

_CHUNK_S = 600.0
_BINS_S = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)
_MISSING_16, _MISSING_8 = -32768, -128

Signal = Float32[np.ndarray, "lead time"]
Part = Float32[np.ndarray, "kept part"]
Bins = Float32[np.ndarray, "kept bin"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds of a record that are kept with all samples."""

    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class SignalData:
    """What a page shows of a signal."""

    leads: tuple[str, ...]
    derived: tuple[str, ...]
    """Limb leads that the record did not hold."""
    stretches: tuple[Stretch, ...]
    stretch_hz: float
    envelope_s: float | None
    """Length of a bin; None where all samples are kept."""
    content: dict[str, Any]
    """As JSON takes it, for `page.js`."""


def signal_data(record: Record, places_s: Sequence[float]) -> SignalData:
    """The signal between 0.5 and 80 Hz in int16 steps of microvolts; `places_s` are events, the weightiest first."""
    recorded_mv = without_constant(record.ecg_mv)
    names = list(canonical_leads(record.leads))
    there = np.flatnonzero(present_leads(recorded_mv)).tolist()
    leads, fs_hz = [names[at] for at in there], record.fs_hz
    whole = recorded_mv.shape[1] * len(leads) * 2 <= WHOLE_BYTES
    if whole:
        mv, derived = _with_limb_leads(bandpass(recorded_mv[there], fs_hz, *BAND_HZ), leads)
        leads += derived
        stretches = (Stretch(0.0, record.duration_s),)
        parts, hz = [(0.0, mv)], fs_hz
        envelope, step_s, derived = None, None, tuple(derived)
    else:
        stretches, hz, derived = _stretches(record, len(leads), places_s), min(fs_hz, STRETCH_HZ), ()
        parts = [
            (one.start_s, resample(_filtered(recorded_mv, there, fs_hz, one), fs_hz, hz)) for one in stretches
        ]  # fmt: skip
        step_s, envelope = _envelope(recorded_mv, there, leads, fs_hz)
    peak = max((float(np.nanmax(np.abs(mv), initial=0.0)) for _, mv in parts), default=0.0)
    scale = max(peak, 0.5) / 32000
    content = {
        "leads": leads, "fsHz": hz, "durationS": record.duration_s, "scaleMv": scale,
        "rangeMv": _ranges(leads, parts), "envelope": envelope,
        "parts": [
            {"startS": start_s, "samples": dict(zip(leads, (_text16(row, scale) for row in mv), strict=True))}
            for start_s, mv in parts
        ],
    }  # fmt: skip
    return SignalData(tuple(leads), derived, stretches, hz, step_s, content)


def _with_limb_leads(mv: Signal, leads: Sequence[str]) -> tuple[Part, list[str]]:
    """The leads, and after them the limb leads that two of them give."""
    twelve = to_twelve(mv, leads)
    derived = [name for name in LEADS[:6] if name not in leads and np.isfinite(twelve[LEADS.index(name)]).any()]
    return np.concatenate([mv, twelve[[LEADS.index(name) for name in derived]]]), derived


def _stretches(record: Record, leads: int, places_s: Sequence[float]) -> tuple[Stretch, ...]:
    """The first minute, and seconds about events as long as there is room, in order of time, none overlapping."""
    hz = min(record.fs_hz, STRETCH_HZ)
    room_s = STRETCH_BYTES / (2 * leads * hz)
    kept = [(0.0, min(OPENING_S, record.duration_s, room_s))]
    room_s -= kept[0][1]
    for place_s in places_s:
        start_s = float(np.floor(max(place_s - BEFORE_S, 0.0)))
        stop_s = min(float(np.ceil(place_s + AFTER_S)), record.duration_s)
        if stop_s - start_s > room_s:
            break
        if not any(low <= start_s and stop_s <= high for low, high in kept):
            kept.append((start_s, stop_s))
            room_s -= stop_s - start_s
    joined: list[tuple[float, float]] = []
    for start_s, stop_s in sorted(kept):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop_s))
        else:
            joined.append((start_s, stop_s))
    return tuple(Stretch(*one) for one in joined)


def _filtered(recorded_mv: Signal, there: list[int], fs_hz: float, stretch: Stretch) -> Part:
    """A stretch of the leads that are there, filtered with a margin about it."""
    first = round(max(stretch.start_s - MARGIN_S, 0.0) * fs_hz)
    begin, count = round(stretch.start_s * fs_hz) - first, round((stretch.stop_s - stretch.start_s) * fs_hz)
    part = recorded_mv[there, first : first + begin + count + round(MARGIN_S * fs_hz)]
    return bandpass(part, fs_hz, *BAND_HZ)[:, begin : begin + count]


def _envelope(
    recorded_mv: Signal, there: list[int], leads: Sequence[str], fs_hz: float
) -> tuple[float, dict[str, Any]]:
    """Length of a bin in seconds, and lowest and highest values of every bin and lead."""
    duration_s = recorded_mv.shape[1] / fs_hz
    wanted = next((s for s in _BINS_S if duration_s / s * 2 * len(leads) <= ENVELOPE_BYTES), _BINS_S[-1])
    each = max(1, round(wanted * fs_hz))
    pairs = [_extremes(mv, each) for mv in filtered_chunks(recorded_mv, there, fs_hz, each)]
    low, high = (np.concatenate([pair[at] for pair in pairs], axis=1) for at in (0, 1))
    top = np.concatenate([np.abs(low), np.abs(high)])
    top = top[np.isfinite(top)]
    scale = max(float(np.percentile(top, 99.99)) if top.size else 0.0, 0.5) / 127
    return each / fs_hz, {
        "stepS": each / fs_hz,
        "scaleMv": scale,
        "low": dict(zip(leads, (_text8(np.floor(row / scale)) for row in low), strict=True)),
        "high": dict(zip(leads, (_text8(np.ceil(row / scale)) for row in high), strict=True)),
    }


def filtered_chunks(recorded_mv: Signal, there: list[int], fs_hz: float, each: int) -> Iterator[Part]:
    """The filtered record in pieces of whole bins."""
    bins = max(1, int(_CHUNK_S * fs_hz / each))
    for first in range(0, recorded_mv.shape[1], bins * each):
        last = min(first + bins * each, recorded_mv.shape[1])
        yield _filtered(recorded_mv, there, fs_hz, Stretch(first / fs_hz, last / fs_hz))


def _extremes(mv: Part, each: int) -> tuple[Bins, Bins]:
    missing = np.isnan(mv)
    short = -mv.shape[1] % each
    pad = ((0, 0), (0, short))
    low = np.pad(np.where(missing, np.inf, mv), pad, constant_values=np.inf).reshape(len(mv), -1, each).min(axis=2)
    high = np.pad(np.where(missing, -np.inf, mv), pad, constant_values=-np.inf).reshape(len(mv), -1, each).max(axis=2)
    nothing = low > high
    return (
        np.where(nothing, np.nan, low).astype(np.float32),
        np.where(nothing, np.nan, high).astype(np.float32),
    )


def _ranges(leads: Sequence[str], parts: Sequence[tuple[float, np.ndarray]]) -> dict[str, list[float]]:
    """Of each lead, what all but a thousandth of its samples lie between."""
    out: dict[str, list[float]] = {}
    for at, lead in enumerate(leads):
        values = np.concatenate([mv[at] for _, mv in parts])
        values = values[np.isfinite(values)]
        ends = np.percentile(values, (0.05, 99.95)) if values.size else np.zeros(2)
        out[lead] = [round(float(end), 3) for end in ends]
    return out


def _text16(mv: Float32[np.ndarray, " time"], scale: float) -> str:
    steps: Int16[np.ndarray, " time"] = np.where(np.isnan(mv), _MISSING_16, np.round(np.nan_to_num(mv) / scale)).astype(
        "<i2"
    )
    return base64.b64encode(steps.tobytes()).decode()


def _text8(steps: Float32[np.ndarray, " bin"]) -> str:
    whole: Int8[np.ndarray, " bin"] = np.where(
        np.isnan(steps), _MISSING_8, np.clip(np.nan_to_num(steps), -127, 127)
    ).astype(np.int8)
    return base64.b64encode(whole.tobytes()).decode()
