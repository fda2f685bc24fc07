"""Median beats of every lead with the beats they are made of, and the loops of the vectorcardiogram."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.analysis.output.picture import BAND_HZ, MARGIN_S
from beatssl.analysis.result import Analysis
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, canonical_leads, to_twelve, without_constant
from beatssl.signals.vcg import to_vcg

MOST_BEATS = 60
"""Beats that a median is taken of, evenly spread over the record."""

_BEFORE_S, _AFTER_S = 0.32, 0.56
_SHOWN_HZ = 500.0
_LEVEL_S = (-0.024, -0.004)  # before the QRS onset: the level that is zero
_QRS_S = 0.05  # before R, where no onset is known


@dataclass(frozen=True, slots=True)
class MedianBeats:
    """Beats of the commonest class about R; all in mV above the level before the QRS."""

    label: str
    count: int
    leads: tuple[str, ...]
    time_s: Float64[np.ndarray, " time"]
    """From R."""
    median_mv: Float32[np.ndarray, "lead time"]
    single_mv: Float32[np.ndarray, "beat lead time"]
    waves_s: dict[str, tuple[float, float]]
    """Median onset and offset of P, QRS and T over the leads together, from R; those that were found."""
    loops_mv: Float32[np.ndarray, "3 time"] | None
    """X, Y, Z by the inverse Dower matrix; None unless the eight independent leads are there."""


def median_beats(a: Analysis) -> MedianBeats | None:
    """Median beats of a record; None where it has no beat."""
    record = a.signal
    if record is None or not len(a.beats):
        return None
    labels = np.array(a.beats.labels, object)
    names, counts = np.unique(labels.astype(str), return_counts=True)
    label = str(names[counts.argmax()])
    of_class = np.flatnonzero(labels == label)
    chosen = of_class[np.unique(np.linspace(0, len(of_class) - 1, min(MOST_BEATS, len(of_class))).astype(np.int64))]
    recorded_mv = without_constant(record.ecg_mv)
    there = np.flatnonzero(np.isfinite(recorded_mv).any(axis=1))
    leads = [list(canonical_leads(record.leads))[at] for at in there]
    rr_s = a.beats.rr_s[np.isfinite(a.beats.rr_s)]
    usual_s = float(np.median(rr_s)) if len(rr_s) else 1.0
    before_s, after_s = min(_BEFORE_S, 0.4 * usual_s), min(_AFTER_S, 0.62 * usual_s)
    waves_s = _waves(a, chosen)
    single = _windows(recorded_mv[there], record.fs_hz, a.beats.time_s[chosen], before_s, after_s)
    time_s = np.arange(single.shape[2]) / _SHOWN_HZ - before_s
    onset_s = waves_s["QRS"][0] if "QRS" in waves_s else -_QRS_S
    level = (time_s >= onset_s + _LEVEL_S[0]) & (time_s <= onset_s + _LEVEL_S[1])
    if level.any():
        single = single - _median(single[:, :, level], 2)[:, :, None]
    median_mv = _median(single, 0)
    twelve = to_twelve(median_mv, leads)
    loops = to_vcg(twelve) if np.isfinite(twelve).all() else None
    return MedianBeats(label, len(chosen), tuple(leads), time_s, median_mv, single, waves_s, loops)


def _windows(
    mv: Float32[np.ndarray, "lead time"], fs_hz: float, beat_s: Float64[np.ndarray, " beat"], before_s: float,
    after_s: float,
) -> Float32[np.ndarray, "beat lead new_time"]:  # fmt: skip
    """Each beat's stretch of every lead, filtered; NaN beyond the record's ends."""
    margin = round(MARGIN_S * fs_hz)
    reach = np.arange(-round(before_s * fs_hz) - margin, round(after_s * fs_hz) + margin)
    at = np.round(beat_s * fs_hz).astype(np.int64)[:, None] + reach
    inside = (at >= 0) & (at < mv.shape[1])
    cut = np.where(inside[None], mv[:, np.clip(at, 0, mv.shape[1] - 1)], np.float32(np.nan)).swapaxes(0, 1)
    flat = bandpass(np.ascontiguousarray(cut.reshape(-1, len(reach))), fs_hz, *BAND_HZ)[:, margin:-margin]
    fine = resample(flat, fs_hz, _SHOWN_HZ)
    return fine.reshape(len(beat_s), len(mv), -1)


def _median(values: Float32[np.ndarray, "*shape"], axis: int) -> Float32[np.ndarray, "*rest"]:
    """The median of what is not NaN; NaN where nothing else is."""
    nothing = np.isnan(values).all(axis=axis)
    filled = np.where(np.expand_dims(nothing, axis), np.float32(0), values)
    return np.where(nothing, np.float32(np.nan), np.nanmedian(filled, axis=axis)).astype(np.float32)


def _waves(a: Analysis, chosen: np.ndarray) -> dict[str, tuple[float, float]]:
    marks, r_s = a.beats.marks, a.beats.time_s[chosen]
    ends = {
        "P": (marks.p_onset_s, marks.p_offset_s),
        "QRS": (marks.qrs_onset_s, marks.qrs_offset_s),
        "T": (marks.t_onset_s, marks.t_offset_s),
    }
    out: dict[str, tuple[float, float]] = {}
    for name, (onset_s, offset_s) in ends.items():
        both = np.stack([onset_s[chosen] - r_s, offset_s[chosen] - r_s])
        both = both[:, np.isfinite(both).all(axis=0)]
        if both.size:
            out[name] = (float(np.median(both[0])), float(np.median(both[1])))
    return out


def twelve_names(leads: tuple[str, ...]) -> list[str]:
    """The leads in the order in which they are drawn: the twelve first."""
    return [name for name in LEADS if name in leads] + [name for name in leads if name not in LEADS]
