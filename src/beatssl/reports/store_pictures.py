"""Pictures and tables of one row of a store: its ECG on paper, its VCG loops, its measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from beatssl.beats.windows import BEFORE_S
from beatssl.drawing.ecg_paper import BeatTick, WaveSpan, ecg_paper
from beatssl.drawing.figures import vcg_loops
from beatssl.features import DEFINITIONS
from beatssl.signals.leads import LEADS
from beatssl.store.store import Store

BOUNDARIES: tuple[tuple[Literal["P", "QRS", "T"], str, str], ...] = (
    ("P", "p_onset_s", "p_offset_s"),
    ("QRS", "qrs_onset_s", "qrs_offset_s"),
    ("T", "t_onset_s", "t_offset_s"),
)
"""Each wave with the columns of the beats table that bound it, relative to the R peak."""

KEY_FEATURES = {
    "rate_bpm": "Heart rate",
    "pr_interval_ms": "PR interval",
    "p_duration_ms": "P duration",
    "qrs_duration_ms": "QRS duration",
    "qt_interval_ms": "QT interval",
    "qtc_fridericia_ms": "QTc (Fridericia)",
    "p_axis_deg": "P axis",
    "qrs_axis_deg": "QRS axis",
    "t_axis_deg": "T axis",
    "rr_rmssd_ms": "RMSSD",
    "sokolow_lyon_mv": "Sokolow–Lyon",
    "qrs_t_spatial_angle_deg": "QRS–T angle",
}
"""Titles of the main measurements, by feature name."""

LEAD_FAMILIES = {
    "p_amplitude_mv": "P",
    "q_amplitude_mv": "Q",
    "r_amplitude_mv": "R",
    "s_amplitude_mv": "S",
    "st_j60_mv": "ST 60",
    "t_amplitude_mv": "T",
}
"""Amplitudes that every lead has, by the name of their family."""


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """A row of a store and its pictures as SVG text."""

    row: int
    ecg: str
    vcg: str
    note: str = ""  # what the picture leaves out, and why


def draw_rows(store: Store, rows: Mapping[str, int]) -> dict[str, DrawnRow]:
    """ECG and VCG of some rows, by name; the name is the ECG's title."""
    return {
        name: DrawnRow(row, ecg_of_row(store, row, name), vcg_of_row(store, row), _left_out(store, row))
        for name, row in rows.items()
    }


def ecg_of_row(store: Store, row: int, title: str = "") -> str:
    """SVG of one row on ECG paper: every beat's waves coloured, every beat marked with its class.

    A beat whose QRS is cut by the record's end gets neither; P waves are coloured only where the record has P waves.
    """
    beats = _drawable(store, row)
    ticks = [BeatTick(float(t), str(c)) for t, c in zip(beats["time_s"], beats["class"], strict=True)]
    band = f"{store.manifest['config']['low_hz']:g}–{store.manifest['config']['high_hz']:g} Hz"
    return ecg_paper(
        store.ecg_mv([row])[0],
        store.fs_hz,
        waves=_spans(beats, beats["time_s"].to_numpy(np.float64)),
        beats=ticks,
        title=title or str(store.records["record_id"].iloc[row]),
        note=f"{band} · {store.fs_hz:g} samples/s",
    )


def vcg_of_row(store: Store, row: int) -> str:
    """SVG of the median beat's loops; its waves are the medians over the beats of the row's commonest class."""
    beats = _drawable(store, row)
    commonest = beats[beats["class"] == beats["class"].mode().iloc[0]] if len(beats) else beats
    columns = [column for _, onset, offset in BOUNDARIES for column in (onset, offset)]
    typical = commonest[columns].median().to_frame().T
    return vcg_loops(store.median_beats_mv([row])[0], store.fs_hz, _spans(typical, np.array([BEFORE_S])))


def key_measurements(store: Store, row: int) -> list[tuple[str, float, str]]:
    """Name, value and unit of the main measurements."""
    values = store.features.iloc[row]
    return [(text, float(values[name]), _unit(name)) for name, text in KEY_FEATURES.items() if name in values.index]


def lead_measurements(store: Store, row: int) -> list[list[str]]:
    """One line a wave: its name and its amplitude in each of the twelve leads, mV, two decimals."""
    values = store.features.iloc[row]
    return [
        [text, *(_two_decimals(float(values.get(f"{family}_{lead}", np.nan))) for lead in LEADS)]
        for family, text in LEAD_FAMILIES.items()
    ]


def all_measurements(store: Store, row: int) -> list[tuple[str, float, str, str]]:
    """Name, value, unit and definition of every record feature."""
    values = store.features.iloc[row]
    return [
        (str(name), float(value), _unit(str(name)), DEFINITIONS[str(name)].text)
        for name, value in values.items()
        if str(name) in DEFINITIONS
    ]


def _drawable(store: Store, row: int) -> pd.DataFrame:
    """The row's beats with a whole QRS; without P where the record has none by its median beat.

    Single beats of a fibrillating record often have an f wave where P would be, and it passes for one; the median beat
    does not, since f waves keep no time with the QRS.
    """
    beats = store.beats[store.beats["row"] == row].dropna(subset=["qrs_onset_s", "qrs_offset_s"])
    if not _has_p(store, row):
        beats = beats.assign(p_onset_s=np.nan, p_offset_s=np.nan)
    return beats


def _has_p(store: Store, row: int) -> bool:
    return bool(np.isfinite(store.features["p_duration_ms"].iloc[row]))


def _left_out(store: Store, row: int) -> str:
    beats = store.beats[store.beats["row"] == row]
    taken = int(beats["p_onset_s"].notna().sum())
    if _has_p(store, row) or not taken:
        return ""
    return (
        f"The median beat has no P wave, so none is coloured; on {taken} of {len(beats)} single beats something before "
        "the QRS passed for one."
    )


def _spans(beats: pd.DataFrame, r_s: Sequence[float] | np.ndarray) -> list[WaveSpan]:
    return [
        WaveSpan(wave, float(r + onset), float(r + offset))
        for wave, onset_column, offset_column in BOUNDARIES
        for r, onset, offset in zip(r_s, beats[onset_column], beats[offset_column], strict=True)
        if np.isfinite(onset) and np.isfinite(offset)
    ]


def _unit(name: str) -> str:
    unit = DEFINITIONS[name].unit
    return {"1": "", "deg": "°", "1/min": "/min"}.get(unit, unit)


def _two_decimals(value_mv: float) -> str:
    return f"{value_mv + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−") if np.isfinite(value_mv) else "–"
