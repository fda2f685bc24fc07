"""Ten seconds of an analysed record on ECG paper."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32

from beatssl.analysis.result import Analysis
from beatssl.drawing.ecg_paper import BeatTick, WaveSpan, ecg_paper
from beatssl.signals.filters import bandpass
from beatssl.signals.leads import LEADS, canonical_leads, to_twelve, without_constant
from beatssl.signals.waves import WAVE_CLASSES

SHOWN_S = 10.0
"""How much is drawn."""

MARGIN_S = 2.0
"""About what is drawn, for the filter."""

BAND_HZ = (0.5, 80.0)
"""Of the signal as it is drawn."""


class Shown(NamedTuple):
    """Ten seconds of a record as they are drawn; times from their start."""

    ecg_mv: Float32[np.ndarray, "12 time"]
    fs_hz: float
    waves: list[WaveSpan]
    beats: list[BeatTick]
    title: str
    rhythm_lead: str


def picture(a: Analysis, start_s: float) -> str:
    """SVG of the twelve leads as `shown` gives them, waves coloured, beats with their class."""
    found = shown(a, start_s)
    return ecg_paper(found.ecg_mv, found.fs_hz, found.waves, found.beats, found.title, a.use, found.rhythm_lead)


def shown(a: Analysis, start_s: float) -> Shown:
    """Twelve leads (limb leads derived where two are there), filtered, with waves and beats.

    Leads of no place among the twelve are left out; where there are only such, the first stands as II and the title
    names it. Raises ValueError for a start that lies beyond the record.
    """
    record = a.signal
    if record is None:
        raise ValueError("this analysis was kept without its signal; analyze the record again to draw it")
    if not 0 <= start_s < record.duration_s:
        raise ValueError(f"start_s={start_s:g}: the record lasts {record.duration_s:g} s; pass a start within it")
    fs_hz = record.fs_hz
    first = round(max(start_s - MARGIN_S, 0) * fs_hz)
    part_mv = record.ecg_mv[:, first : round((start_s + SHOWN_S + MARGIN_S) * fs_hz)]
    names = list(canonical_leads(record.leads))
    shown_as = {name: name for name in names}
    title = a.record.id
    if not any(name in LEADS for name in names):
        title, shown_as[names[0]] = f"{title}: lead {names[0]}", "II"
    drawn = [shown_as[name] for name in names]
    filtered = bandpass(without_constant(part_mv), fs_hz, *BAND_HZ)
    begin = round(start_s * fs_hz) - first
    twelve = to_twelve(filtered[:, begin : begin + round(SHOWN_S * fs_hz)], drawn)
    rhythm = next((name for name in ("II", *LEADS) if np.isfinite(twelve[LEADS.index(name)]).any()), "II")
    letters = a.beats.labels
    beats = [
        BeatTick(float(time_s - start_s), letter) for time_s, letter in zip(a.beats.time_s, letters, strict=True)
    ]  # fmt: skip
    return Shown(twelve, fs_hz, _spans(a, shown_as, start_s), beats, title, rhythm)


def _spans(a: Analysis, shown_as: dict[str, str], start_s: float) -> list[WaveSpan]:
    waves = a.waves
    near = (waves.offset_s > start_s) & (waves.onset_s < start_s + SHOWN_S)
    kinds: dict[int, Literal["P", "QRS", "T"]] = {1: "P", 2: "QRS", 3: "T"}
    assert [kinds[at] for at in (1, 2, 3)] == list(WAVE_CLASSES[1:])
    return [
        WaveSpan(
            kinds[int(waves.wave[at])],
            float(waves.onset_s[at] - start_s),
            float(waves.offset_s[at] - start_s),
            shown_as[waves.leads[waves.lead[at]]],
        )
        for at in np.flatnonzero(near)
    ]
