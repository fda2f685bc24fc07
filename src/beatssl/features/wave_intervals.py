"""Intervals, rate and axes of a record from the waves of its single leads: median over leads and beats, with spread."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64

from beatssl.beats.fiducials import Fiducials
from beatssl.features import intervals
from beatssl.features.definition import Definition
from beatssl.features.vcg_loop import frontal_axis_deg
from beatssl.metrics.boundaries import SAME_WAVE_S, GlobalBeats, global_beats, match_times
from beatssl.signals.leads import LEADS, to_twelve

_OF_BEATS = (
    "p_duration_ms", "pr_interval_ms", "qrs_duration_ms", "qt_interval_ms", "qtc_bazett_ms", "qtc_fridericia_ms",
    "qtc_framingham_ms", "qtc_hodges_ms",
)  # fmt: skip
_AXES = {"p_axis_deg": ("p_onset_s", "p_offset_s"), "qrs_axis_deg": ("qrs_onset_s", "qrs_offset_s"),
         "t_axis_deg": ("t_onset_s", "t_offset_s")}  # fmt: skip

DEFINITIONS = (
    {"rate_bpm": Definition("1/min", "60 over the median RR interval, R where most leads have a QRS.")}
    | {name: intervals.DEFINITIONS[name] for name in _OF_BEATS}
    | {
        f"{wave}_axis_deg": Definition("deg", f"{text} axis in the frontal plane, from net areas of I and aVF.")
        for wave, text in (("p", "P"), ("qrs", "QRS"), ("t", "T"))
    }
)
"""Every measure: its unit and what it is. QT is corrected with the record's median RR interval."""

_LEVEL_S = (-0.024, -0.004)  # before the QRS onset: the level that areas are taken from
_LEAST_SHARE = 0.5  # of the leads that have QRS complexes: fewer are no beat of the record


def wave_intervals(
    waves: pd.DataFrame,
    ecg_mv: Float32[np.ndarray, "lead time"] | None = None,
    leads: Sequence[str] = LEADS,
    fs_hz: float = 100.0,
) -> pd.DataFrame:
    """Measures of one record, from its decoded waves and, for the axes, its signal.

    Intervals are taken within each lead, from that lead's own boundaries, and pooled: the value is the median over all
    beats of all leads. So one lead's outlying boundary moves nothing; a QT by the earliest onset and the latest offset
    of any lead is longer.

    Args:
        waves: a line a wave with `lead`, `wave`, `onset_s`, `peak_s`, `offset_s`, times from the signal's first sample.
        ecg_mv: the record's signal, NaN where missing; axes need leads that give I and aVF.
        leads: names of the signal's leads.
        fs_hz: the signal's sampling rate.

    Returns:
        A line for each of `DEFINITIONS`: `value` (median), `spread` (interquartile range), `count` (of lead-beats; of
        RR intervals for the rate, of beats for axes). NaN, and a count of 0, where it is not measurable.
    """
    waves = waves[np.isfinite(_middle(waves))]
    beats = _beats(waves)
    r_s = _common_beats(waves, beats.r_peak_s)
    rr_s = np.diff(r_s)
    samples = {"rate_bpm": 60 / rr_s} | _of_lead_beats(waves, float(np.median(rr_s)) if rr_s.size else np.nan)
    lines = {name: _summary(samples[name]) for name in ("rate_bpm", *_OF_BEATS)}
    lines |= dict.fromkeys(_AXES, (np.nan, np.nan, 0))
    if ecg_mv is not None and len(beats):
        limb_mv = to_twelve(ecg_mv, leads)[[LEADS.index("I"), LEADS.index("aVF")]]
        kept = np.isin(beats.r_peak_s, r_s)
        lines |= {name: _axis(limb_mv, fs_hz, beats, kept, *ends) for name, ends in _AXES.items()}
    table = pd.DataFrame.from_dict(lines, orient="index", columns=["value", "spread", "count"])
    return table.loc[list(DEFINITIONS)].astype({"count": np.int64})


def _middle(waves: pd.DataFrame) -> Float64[np.ndarray, " wave"]:
    """Each wave's peak, or the middle of what there is of it."""
    onset, peak, offset = (waves[name].to_numpy(np.float64) for name in ("onset_s", "peak_s", "offset_s"))
    return np.where(np.isfinite(peak), peak, (np.fmax(onset, offset) + np.fmin(onset, offset)) / 2)


def _beats(waves: pd.DataFrame) -> GlobalBeats:
    onset, offset = (waves[name].to_numpy(np.float64) for name in ("onset_s", "offset_s"))
    return global_beats(waves["wave"].tolist(), onset, _middle(waves), offset)


def _common_beats(waves: pd.DataFrame, r_s: Float64[np.ndarray, " beat"]) -> Float64[np.ndarray, " kept"]:
    """The beats that at least half of the leads with QRS complexes have."""
    qrs = waves[waves["wave"] == "QRS"]
    votes = np.zeros(len(r_s), np.int64)
    for _, of_lead in qrs.groupby("lead"):
        votes[match_times(r_s, _middle(of_lead), SAME_WAVE_S)[0]] += 1
    return r_s[votes >= _LEAST_SHARE * qrs["lead"].nunique()]


def _of_lead_beats(waves: pd.DataFrame, rr_s: float) -> dict[str, Float32[np.ndarray, " beat"]]:
    """Intervals of every beat of every lead, by that lead's own boundaries."""
    parts = [_beats(of_lead) for _, of_lead in waves.groupby("lead")]
    marks = Fiducials(
        *(
            np.concatenate([np.zeros(0), *(getattr(part, field.name) - part.r_peak_s for part in parts)]).astype(
                np.float32
            )
            for field in fields(Fiducials)
        )
    )
    return intervals.measure(marks, np.full(len(marks.r_peak_s), rr_s, np.float32))


def _summary(values: np.ndarray) -> tuple[float, float, int]:
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan, 0
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(high - low), int(values.size)


def _axis(
    limb_mv: Float32[np.ndarray, "2 time"],
    fs_hz: float,
    beats: GlobalBeats,
    kept: np.ndarray,
    begin: str,
    end: str,
) -> tuple[float, float, int]:
    """Axis of the median net area of I and aVF, and how far the single beats' axes scatter about it."""
    begin_s, end_s = getattr(beats, begin)[kept], getattr(beats, end)[kept]
    net = np.array(
        [
            _area(limb_mv, fs_hz, *span)
            for span in zip(begin_s, end_s, beats.qrs_onset_s[kept], strict=True)
            if np.isfinite(span).all()
        ]
    ).reshape(-1, 2)
    net = net[np.isfinite(net).all(axis=1)]
    if not len(net):
        return np.nan, np.nan, 0
    axis = float(frontal_axis_deg(np.median(net, axis=0)[None])[0])
    low, high = np.percentile((frontal_axis_deg(net) - axis + 180) % 360 - 180, [25, 75])
    return axis, float(high - low), len(net)


def _area(
    limb_mv: Float32[np.ndarray, "2 time"], fs_hz: float, begin_s: float, end_s: float, qrs_onset_s: float
) -> Float64[np.ndarray, "2"]:
    """Net area above the level just before the QRS, NaN where the record does not reach or is not measured."""
    at = np.arange(limb_mv.shape[1]) / fs_hz
    level_at = qrs_onset_s + np.linspace(*_LEVEL_S, 5)
    inside = np.linspace(begin_s, end_s, max(2, round((end_s - begin_s) * 400)))
    if min(level_at[0], begin_s) < at[0] or end_s > at[-1]:
        return np.full(2, np.nan)
    rows = [np.interp(inside, at, lead).mean() - np.interp(level_at, at, lead).mean() for lead in limb_mv]
    return np.array(rows) * (end_s - begin_s)
