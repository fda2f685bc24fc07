"""Ten seconds of an analysed record on ECG paper."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32

from beatssl.analysis.result import Analysis
from beatssl.drawing.ecg_paper import BeatTick, WaveSpan, ecg_paper, on_paper
from beatssl.signals.filters import bandpass
from beatssl.signals.leads import LEADS, present_leads, without_constant
from beatssl.signals.waves import WAVE_CLASSES

SHOWN_S = 10.0
"""How much is drawn."""

MARGIN_S = 2.0
"""About what is drawn, for the filter."""

BAND_HZ = (0.5, 80.0)
"""Of the signal as it is drawn."""


class Shown(NamedTuple):
    """Ten seconds of a record as they are drawn; times from their start."""

    ecg_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]
    fs_hz: float
    waves: list[WaveSpan]
    beats: list[BeatTick]
    rhythm_lead: str


def picture(a: Analysis, start_s: float) -> str:
    """SVG of the leads as `shown` gives them, waves coloured, beats with their class."""
    s = shown(a, start_s)
    return ecg_paper(s.ecg_mv, s.fs_hz, s.waves, s.beats, a.record.id, a.use, s.rhythm_lead, leads=s.leads)


def shown(a: Analysis, start_s: float) -> Shown:
    """The leads that `ecg_paper` draws, filtered, with waves and beats.

    Raises ValueError for a start that lies beyond the record.
    """
    record = a.signal
    if record is None:
        raise ValueError("this analysis was kept without its signal; analyze the record again to draw it")
    if not 0 <= start_s < record.duration_s:
        raise ValueError(f"start_s={start_s:g}: the record lasts {record.duration_s:g} s; pass a start within it")
    fs_hz = record.fs_hz
    first = round(max(start_s - MARGIN_S, 0) * fs_hz)
    part_mv = record.ecg_mv[:, first : round((start_s + SHOWN_S + MARGIN_S) * fs_hz)]
    filtered = bandpass(without_constant(part_mv), fs_hz, *BAND_HZ)
    begin = round(start_s * fs_hz) - first
    ecg_mv, leads = on_paper(filtered[:, begin : begin + round(SHOWN_S * fs_hz)], record.leads)
    there = [name for name, some in zip(leads, present_leads(ecg_mv), strict=True) if some and name in LEADS]
    rhythm = "II" if "II" in there or not there else there[0]
    letters = a.beats.labels
    beats = [
        BeatTick(float(time_s - start_s), letter) for time_s, letter in zip(a.beats.time_s, letters, strict=True)
    ]  # fmt: skip
    return Shown(ecg_mv, leads, fs_hz, _spans(a, start_s), beats, rhythm)


def _spans(a: Analysis, start_s: float) -> list[WaveSpan]:
    waves = a.waves
    near = (waves.offset_s > start_s) & (waves.onset_s < start_s + SHOWN_S)
    kinds: dict[int, Literal["P", "QRS", "T"]] = {1: "P", 2: "QRS", 3: "T"}
    assert [kinds[at] for at in (1, 2, 3)] == list(WAVE_CLASSES[1:])
    return [
        WaveSpan(
            kinds[int(waves.wave[at])],
            float(waves.onset_s[at] - start_s),
            float(waves.offset_s[at] - start_s),
            waves.leads[waves.lead[at]],
        )
        for at in np.flatnonzero(near)
    ]
