"""Leads on ECG paper, as one SVG in millimetres: 25 mm/s, 10 mm/mV.

The twelve stand as three rows of four and a rhythm strip, few or other leads as a row each under their own names.

Drawn here and not by a plotting library: waves are coloured along the trace itself, the paper is one sheet without
gaps between leads, and the file is to scale when printed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Literal

import numpy as np
from jaxtyping import Float32

from beatssl.signals.leads import LEADS, canonical_leads, present_leads, to_twelve

WAVE_COLOURS = {"P": "#0072B2", "QRS": "#D55E00", "T": "#009E73"}
"""Colours that stay apart for colour-blind eyes (Okabe and Ito 2008)."""

CLASS_COLOURS = {"N": "#475569", "S": "#7C3AED", "V": "#BE123C", "F": "#B45309"}
"""Colour of a beat's letter: normal, supraventricular, ventricular, fusion."""

MM_PER_S, MM_PER_MV = 25.0, 10.0
COLUMNS = (LEADS[0:3], LEADS[3:6], LEADS[6:9], LEADS[9:12])
_LEFT_MM, _RIGHT_MM, _TOP_MM, _BOTTOM_MM, _ROW_GAP_MM, _TICKS_MM = 15.0, 5.0, 15.0, 10.0, 2.5, 3.5
_BARS_MM = 2.5
_LEAST_OF_TWELVE, _MOST_ROWS = 6, 12
_TRACE, _INK, _MINOR, _MAJOR, _PAPER = "#1f2937", "#334155", "#f9dcd7", "#efb3aa", "#fffdfb"


@dataclass(frozen=True, slots=True)
class WaveSpan:
    """A wave to colour: from onset to offset, in seconds from the first sample drawn."""

    wave: Literal["P", "QRS", "T"]
    onset_s: float
    offset_s: float
    lead: str = ""  # "": every lead


@dataclass(frozen=True, slots=True)
class BeatTick:
    """A beat to mark above the rhythm strip: R time in seconds, and the letter of its class."""

    time_s: float
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of paper: its leads with the seconds each shows, and where zero volts lies."""

    cells: tuple[tuple[str, float, float], ...]
    """Lead, start and end in seconds."""
    top_mm: float
    zero_mm: float
    height_mm: float


def ecg_paper(
    ecg_mv: Float32[np.ndarray, "lead time"],
    fs_hz: float,
    waves: Sequence[WaveSpan] = (),
    beats: Sequence[BeatTick] = (),
    title: str = "",
    note: str = "",
    rhythm_lead: str = "II",
    reference: Sequence[WaveSpan] = (),
    leads: Sequence[str] = LEADS,
) -> str:
    """An SVG of an ECG with its waves coloured and its beats marked.

    Where six of the twelve leads are there, limb leads that two others give among them, the twelve are drawn; else
    each lead as a row under its own name (`on_paper`).

    Args:
        ecg_mv: the leads in mV; one of the twelve that is all NaN is written as missing.
        fs_hz: sampling rate in Hz.
        waves: spans coloured on the trace, each on its own lead or on every lead.
        beats: R peaks marked above the rhythm strip.
        title: text at the top left; escaped.
        note: text at the bottom right, next to the paper speed and gain; escaped.
        rhythm_lead: the lead drawn over the whole length in the last row below the twelve.
        reference: spans drawn as bars under the trace, such as the marks that `waves` should meet.
        leads: names of the leads, as `Record.leads` has them.

    Returns:
        The SVG document as text, `width` and `height` in millimetres, to scale at 25 mm/s and 10 mm/mV.

    Raises:
        ValueError: for a rhythm lead that is not one of the twelve, or another number of names than of leads.
    """
    if rhythm_lead not in LEADS:
        raise ValueError(f"rhythm_lead {rhythm_lead!r} is not a lead; choose one of {', '.join(LEADS)}")
    if len(ecg_mv) != len(leads):
        raise ValueError(f"ecg_mv has {len(ecg_mv)} leads, and leads has {len(leads)} names; pass leads=record.leads")
    ecg_mv, leads = on_paper(ecg_mv, leads)
    duration_s = ecg_mv.shape[1] / fs_hz
    rows = paper_rows(ecg_mv, leads, fs_hz, rhythm_lead, _BARS_MM if reference else 0.0)
    width_mm = _LEFT_MM + duration_s * MM_PER_S + _RIGHT_MM
    height_mm = rows[-1].top_mm + rows[-1].height_mm + _BOTTOM_MM
    colours = WAVE_COLOURS if waves or reference else {}
    parts = [_sheet(width_mm, height_mm), _heading(title, note, width_mm, height_mm, colours)]
    for row in rows:
        parts.append(_calibration(row))
        for lead, start_s, end_s in row.cells:
            parts.append(_cell(ecg_mv[leads.index(lead)], fs_hz, lead, start_s, end_s, row, _on(lead, waves)))
            parts.append(_bars(_on(lead, reference), start_s, end_s, row))
    parts.append(_beat_ticks(beats, row_of_beats(rows), duration_s))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg-paper" width="{width_mm:g}mm" height="{height_mm:g}mm" '
        f'viewBox="0 0 {width_mm:g} {height_mm:g}" font-family="Inter, Helvetica, Arial, sans-serif" role="img" '
        f'aria-label="{escape(title or "ECG")}">' + "".join(parts) + "</svg>"
    )


def _on(lead: str, spans: Iterable[WaveSpan]) -> list[WaveSpan]:
    """The spans that belong on a lead."""
    return [span for span in spans if span.lead in ("", lead)]


def on_paper(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
) -> tuple[Float32[np.ndarray, "drawn time"], tuple[str, ...]]:
    """The leads as they are drawn, and their names: the twelve where those are given, or six of them are there (limb
    leads derived), else the first twelve leads under the names they have."""
    if tuple(leads) == LEADS:
        return ecg_mv, LEADS
    twelve = to_twelve(ecg_mv, leads)
    if present_leads(twelve).sum() >= _LEAST_OF_TWELVE:
        return twelve, LEADS
    names = canonical_leads(tuple(leads))
    drawn = sorted({name: at for at, name in reversed(list(enumerate(names)))}.values())[:_MOST_ROWS]
    return ecg_mv[drawn], tuple(names[at] for at in drawn)


def paper_rows(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], fs_hz: float, rhythm_lead: str, bars_mm: float = 0.0
) -> list[Row]:
    """Rows as high as their signals need. Of the twelve: three rows of four leads, each a quarter of the time, and the
    rhythm strip. Of other leads: a row each."""
    duration_s = ecg_mv.shape[1] / fs_hz
    cells: list[tuple[tuple[str, float, float], ...]] = [((lead, 0.0, duration_s),) for lead in leads]
    if tuple(leads) == LEADS:
        edges = np.linspace(0, duration_s, len(COLUMNS) + 1).tolist()
        cells = [
            tuple((column[row], a, b) for column, a, b in zip(COLUMNS, edges[:-1], edges[1:], strict=True))
            for row in range(3)
        ]
        cells.append(((rhythm_lead, 0.0, duration_s),))
    of_beats = next(number for number, line in enumerate(cells) if len(line) == 1)
    rows: list[Row] = []
    top_mm = _TOP_MM
    for number, line in enumerate(cells):
        shown = np.concatenate([_between(ecg_mv[leads.index(lead)], fs_hz, a, b) for lead, a, b in line])
        shown = shown[np.isfinite(shown)]
        above_mv, below_mv = (float(shown.max()), float(-shown.min())) if shown.size else (1.0, 0.5)
        above_mm = np.clip(above_mv * MM_PER_MV + 2, 11, 35)
        below_mm = np.clip(below_mv * MM_PER_MV + 1, 6, 35) + bars_mm
        height_mm = 5.0 * ceil((above_mm + below_mm) / 5)
        if number == of_beats:
            top_mm += _TICKS_MM
        rows.append(Row(line, top_mm, top_mm + height_mm - float(below_mm), height_mm))
        top_mm += height_mm + _ROW_GAP_MM
    return rows


def row_of_beats(rows: Sequence[Row]) -> Row:
    """The row above which beats are marked: the rhythm strip below the twelve, else the first."""
    return next(row for row in rows if len(row.cells) == 1)


def _between(
    signal_mv: Float32[np.ndarray, " time"], fs_hz: float, start_s: float, end_s: float
) -> Float32[np.ndarray, " shown"]:
    return signal_mv[round(start_s * fs_hz) : round(end_s * fs_hz) + 1]


def _sheet(width_mm: float, height_mm: float) -> str:
    """Paper with 1 mm and 5 mm squares, as two patterns."""
    return (
        '<defs><pattern id="mm1" width="1" height="1" patternUnits="userSpaceOnUse">'
        f'<path d="M1 0H0V1" fill="none" stroke="{_MINOR}" stroke-width=".12"/></pattern>'
        '<pattern id="mm5" width="5" height="5" patternUnits="userSpaceOnUse">'
        f'<rect width="5" height="5" fill="url(#mm1)"/>'
        f'<path d="M5 0H0V5" fill="none" stroke="{_MAJOR}" stroke-width=".22"/></pattern></defs>'
        f'<rect width="{width_mm:g}" height="{height_mm:g}" fill="{_PAPER}"/>'
        f'<rect width="{width_mm:g}" height="{height_mm:g}" fill="url(#mm5)"/>'
    )


def _heading(title: str, note: str, width_mm: float, height_mm: float, colours: Mapping[str, str]) -> str:
    legend_mm = width_mm - _RIGHT_MM - 35
    legend = "".join(
        f'<path d="M{legend_mm + at:g} 6.2h5" stroke="{colour}" stroke-width="1" stroke-linecap="round"/>'
        f'<text x="{legend_mm + at + 6.4:g}" y="7.2" font-size="3" fill="{_INK}">{wave}</text>'
        for at, (wave, colour) in zip((0, 11, 26), colours.items(), strict=False)
    )
    foot = " · ".join(filter(None, ["25 mm/s", "10 mm/mV", note]))
    return (
        f'<text x="5" y="7.4" font-size="3.8" font-weight="600" fill="{_INK}">{escape(title)}</text>{legend}'
        f'<text x="{width_mm - _RIGHT_MM:g}" y="{height_mm - 3:g}" font-size="2.8" fill="{_INK}" '
        f'text-anchor="end">{escape(foot)}</text>'
    )


def _calibration(row: Row) -> str:
    """The pulse of 1 mV and 0.2 s that shows the gain."""
    return (
        f'<path d="M3.5 {row.zero_mm:g}h2.5v{-MM_PER_MV:g}h5v{MM_PER_MV:g}h2.5" fill="none" stroke="{_TRACE}" '
        'stroke-width=".3" stroke-linejoin="round"/>'
    )


def _cell(
    signal_mv: Float32[np.ndarray, " time"],
    fs_hz: float,
    lead: str,
    start_s: float,
    end_s: float,
    row: Row,
    waves: Iterable[WaveSpan],
) -> str:
    """One lead over its share of the time: name, trace, coloured waves, and a tick where it hands over."""
    left_mm = _LEFT_MM + start_s * MM_PER_S
    name = (
        f'<text x="{left_mm + 1:g}" y="{row.top_mm + 2.5:g}" font-size="3.4" font-weight="600" fill="{_INK}" '
        f'stroke="{_PAPER}" stroke-width="1" paint-order="stroke">{escape(lead)}</text>'
    )
    tick = "" if start_s == 0 else f'<path d="M{left_mm:g} {row.zero_mm - 2.5:g}v5" stroke="{_INK}" stroke-width=".2"/>'
    if not np.isfinite(_between(signal_mv, fs_hz, start_s, end_s)).any():
        return (
            name
            + tick
            + (f'<text x="{left_mm + 20:g}" y="{row.zero_mm + 1:g}" font-size="3" fill="#94a3b8">lead missing</text>')
        )
    trace = _path(signal_mv, fs_hz, start_s, end_s, row.zero_mm)
    coloured: dict[str, str] = dict.fromkeys(WAVE_COLOURS, "")
    for span in waves:
        a, b = max(span.onset_s, start_s), min(span.offset_s, end_s)
        if a < b:  # False for a boundary that is NaN
            coloured[span.wave] += _path(signal_mv, fs_hz, a, b, row.zero_mm)
    strokes = [(_TRACE, 0.28, trace), *((WAVE_COLOURS[w], 0.5, d) for w, d in coloured.items() if d)]
    return (
        "".join(
            f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round" '
            'stroke-linecap="round"/>'
            for colour, width, d in strokes
        )
        + tick
        + name
    )


def _bars(spans: Iterable[WaveSpan], start_s: float, end_s: float, row: Row) -> str:
    """Waves as bars along the foot of a row, those of one wave as one path."""
    y_mm = row.top_mm + row.height_mm - _BARS_MM / 2
    drawn: dict[str, str] = dict.fromkeys(WAVE_COLOURS, "")
    for span in spans:
        a, b = max(span.onset_s, start_s), min(span.offset_s, end_s)
        if a < b:
            drawn[span.wave] += f"M{_LEFT_MM + a * MM_PER_S:.2f} {y_mm:g}H{_LEFT_MM + b * MM_PER_S:.2f}"
    return "".join(
        f'<path class="bar" d="{d}" fill="none" stroke="{WAVE_COLOURS[wave]}" stroke-width="1.1"/>'
        for wave, d in drawn.items()
        if d
    )


def _path(signal_mv: Float32[np.ndarray, " time"], fs_hz: float, start_s: float, end_s: float, zero_mm: float) -> str:
    """SVG path of the signal between two times, ends interpolated, broken where samples are missing."""
    first, last = ceil(start_s * fs_hz - 1e-6), min(int(end_s * fs_hz + 1e-6), len(signal_mv) - 1)
    time_s = np.unique(np.concatenate([[start_s], np.arange(first, last + 1) / fs_hz, [min(end_s, last / fs_hz)]]))
    value_mv = np.interp(time_s, np.arange(len(signal_mv)) / fs_hz, signal_mv)
    x_mm, y_mm = _LEFT_MM + time_s * MM_PER_S, zero_mm - value_mv * MM_PER_MV
    pen_up = True
    steps: list[str] = []
    for x, y in zip(x_mm.tolist(), y_mm.tolist(), strict=True):
        if np.isfinite(y):
            steps.append(f"{'M' if pen_up else 'L'}{x:.2f} {y:.2f}")
        pen_up = not np.isfinite(y)
    return "".join(steps)


def _beat_ticks(beats: Iterable[BeatTick], row: Row, duration_s: float) -> str:
    """A small triangle at each R peak, above the rhythm strip, with the letter of the beat's class."""
    out: list[str] = []
    for beat in beats:
        if not 0 <= beat.time_s <= duration_s:
            continue
        x, y = _LEFT_MM + beat.time_s * MM_PER_S, row.top_mm
        colour = CLASS_COLOURS.get(beat.letter, _INK)
        out.append(f'<path d="M{x - 0.9:.2f} {y:g}h1.8l-.9 1.5z" fill="{colour}"/>')
        out.append(
            f'<text x="{x:.2f}" y="{y - 0.9:g}" font-size="2.8" font-weight="600" text-anchor="middle" '
            f'fill="{colour}">{escape(beat.letter)}</text>'
        )
    return "".join(out)
