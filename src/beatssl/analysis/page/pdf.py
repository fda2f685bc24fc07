"""An analysis as a PDF of two A4 sheets, drawn by matplotlib: the ECG to scale with its measures, and the tables."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

from beatssl.analysis.output.picture import BAND_HZ, SHOWN_S, shown
from beatssl.analysis.page.events import events
from beatssl.analysis.page.tables import (
    LEAST_TOP,
    OF_LEADS,
    about_lines,
    clock,
    hundredths,
    lead_lines,
    measure_lines,
    probability_text,
    rhythm_text,
    top_statements,
)  # fmt: skip
from beatssl.analysis.result import Analysis
from beatssl.drawing.ecg_paper import CLASS_COLOURS, MM_PER_MV, MM_PER_S, WAVE_COLOURS, Row, paper_rows, row_of_beats
from beatssl.files import write_bytes

WIDTH_MM, HEIGHT_MM = 297.0, 210.0
LEFT_MM = 31.0
"""Where time begins on the first sheet: ten seconds of 250 mm end 16 mm before its edge."""

_EDGE_MM = 10.0
_PAPER_TOP_MM, _PAPER_BOTTOM_MM = 40.0, 200.0
_TRACE, _INK, _SOFT, _MINOR, _MAJOR = "#1f2937", "#1b2330", "#566072", "#f6cfc8", "#e79d93"
_FONT = "DejaVu Sans"
_POINT_MM = 25.4 / 72
_MOST_STATEMENTS, _MOST_LEADS, _MOST_EVENTS = 24, 15, 9
_FIRST = ("Heart rate", "PR interval", "QRS duration", "QT interval", "QTc, Bazett", "QTc, Fridericia", "P axis",
          "QRS axis", "T axis")  # fmt: skip


def write_pdf(a: Analysis, path: Path, start_s: float = 0.0) -> None:
    """Write the PDF: on the first sheet ten seconds from `start_s` at 25 mm/s and 10 mm/mV, vectors all.

    What the font does not hold is drawn as a replacement mark. Raises ValueError without the signal, and for a start
    that lies beyond the record.
    """
    sheets = [_ecg_sheet(a, start_s), _table_sheet(a)]
    out = BytesIO()
    about = {
        "Title": drawable(f"ECG analysis: {a.record.id}"),
        "Subject": a.use,
        "Creator": "beatssl",
        "CreationDate": None,
    }
    with PdfPages(out, metadata=about) as pdf:
        for sheet in sheets:
            pdf.savefig(sheet.figure)
    write_bytes(path, out.getvalue())


def drawable(text: str, most: int = 400) -> str:
    """The text in one line, as far as the font goes."""
    held = _held()
    clean = "".join(one if ord(one) in held else " " if one.isspace() else "\ufffd" for one in text)
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


@lru_cache(maxsize=1)
def _held() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FontProperties(family=_FONT))).get_charmap())


class _Sheet:
    """A4 across, in millimetres from its upper left corner."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH_MM / 25.4, HEIGHT_MM / 25.4))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, WIDTH_MM), ylim=(HEIGHT_MM, 0))
        self.axes.set_axis_off()

    def text(self, x: float, y: float, words: str, size_mm: float = 2.8, colour: str = _INK, **options: Any) -> None:
        most = options.pop("most", 160)
        self.axes.text(
            x,
            y,
            drawable(words, most),
            fontsize=size_mm / _POINT_MM,
            color=colour,
            family=_FONT,
            parse_math=False,
            **options,
        )

    def lines(self, lines: Sequence[Any], colour: str, width_mm: float) -> None:
        self.axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width_mm / _POINT_MM, capstyle="round", joinstyle="round"),
            autolim=False,
        )

    def table(
        self, x: float, y: float, widths: Sequence[float], rows: Sequence[Sequence[str]], size_mm: float = 2.5
    ) -> float:
        """Rows of cells from a place downwards, the first as heads, numbers to the right; where it ends."""
        step = size_mm * 1.62
        for number, row in enumerate(rows):
            at = x
            for column, (cell, width) in enumerate(zip(row, widths, strict=False)):
                right = column > 0 and width > 0
                most = max(4, round(width / size_mm / 0.55)) if width else 200
                self.text(
                    at + width - 1 if right else at, y, cell, size_mm, _SOFT if number == 0 else _INK,
                    ha="right" if right else "left", most=most,
                )  # fmt: skip
                at += width
            y += step
        return y


def _ecg_sheet(a: Analysis, start_s: float) -> _Sheet:
    sheet = _Sheet()
    found = shown(a, start_s)
    _heading(sheet, a)
    duration_s = found.ecg_mv.shape[1] / found.fs_hz
    rows = _fitted(paper_rows(found.ecg_mv, found.leads, found.fs_hz, found.rhythm_lead))
    _paper(sheet)
    for row in rows:
        _pulse(sheet, row)
        for lead, begin_s, end_s in row.cells:
            signal_mv = found.ecg_mv[found.leads.index(lead)]
            _cell(sheet, signal_mv, found.fs_hz, lead, begin_s, end_s, row)
            for name, colour in WAVE_COLOURS.items():
                spans = [one for one in found.waves if one.wave == name and one.lead in ("", lead)]
                ends = [(max(one.onset_s, begin_s), min(one.offset_s, end_s)) for one in spans]
                pieces = [
                    _trace(found.ecg_mv[found.leads.index(lead)], found.fs_hz, *end, row)
                    for end in ends
                    if end[0] < end[1]
                ]
                sheet.lines([piece for some in pieces for piece in some], colour, 0.4)
    strip = row_of_beats(rows)
    for beat in found.beats:
        if 0 <= beat.time_s <= duration_s:
            x = LEFT_MM + beat.time_s * MM_PER_S
            sheet.lines([[(x, strip.top_mm - 1), (x, strip.top_mm + 0.5)]], CLASS_COLOURS.get(beat.letter, _INK), 0.35)
            sheet.text(x + 0.6, strip.top_mm + 0.5, beat.letter, 2.6, CLASS_COLOURS.get(beat.letter, _INK))
    where = f"from {clock(start_s)}   " if a.record.duration_s > SHOWN_S else ""
    foot = f"{where}{MM_PER_S:g} mm/s   {MM_PER_MV:g} mm/mV   {BAND_HZ[0]:g}–{BAND_HZ[1]:g} Hz"
    sheet.text(WIDTH_MM - _EDGE_MM, HEIGHT_MM - 5, foot, 2.6, ha="right")
    sheet.text(_EDGE_MM, HEIGHT_MM - 5, a.use, 2.8, weight="bold")
    return sheet


def _heading(sheet: _Sheet, a: Analysis) -> None:
    sheet.text(_EDGE_MM, 12, a.record.id, 4.2, weight="bold", most=90)
    about = "   ".join(f"{name} {value}" for name, value in about_lines(a)[1:])
    sheet.text(_EDGE_MM, 17, about, 2.5, _SOFT, most=190)
    lines = {one.name: one for one in measure_lines(a)}
    for number, name in enumerate(_FIRST):
        sheet.text(_EDGE_MM + number * 31, 22.5, name, 2.4, _SOFT)
        sheet.text(_EDGE_MM + number * 31, 27, lines[name].value, 3.9, weight="bold")
    above = [f"{one.text} {probability_text(one.probability)}" for one in top_statements(a) if one.above]
    nothing = "none" if a.diagnoses.statements else f"not determinable, because {a.diagnoses.reason}"
    sheet.text(
        _EDGE_MM,
        32,
        f"Rhythm: {rhythm_text(a)}.  Above their thresholds: {', '.join(above) or nothing}.",
        2.6,
        most=185,
    )
    flags = "; ".join(flag.message for flag in a.flags)
    sheet.text(_EDGE_MM, 36.5, f"Note: {flags}" if flags else "", 2.6, "#b3261e", most=185)


def _fitted(rows: Sequence[Row]) -> list[Row]:
    """The rows on the paper, closer together where they would not fit; the scale stays."""
    room = _PAPER_BOTTOM_MM - _PAPER_TOP_MM - 8
    wanted = sum(row.height_mm for row in rows)
    squeezed = min(1.0, room / wanted)
    gap = min(9.0, (room - wanted * squeezed) / len(rows))
    top = _PAPER_TOP_MM + 5
    out: list[Row] = []
    for row in rows:
        height = row.height_mm * squeezed
        zero = 5 * round((top + (row.zero_mm - row.top_mm) * squeezed) / 5)
        out.append(replace(row, top_mm=top, zero_mm=zero, height_mm=height))
        top += height + gap
    return out


def _paper(sheet: _Sheet) -> None:
    left, right = LEFT_MM - 11, WIDTH_MM - 11
    for step, colour, width in ((1, _MINOR, 0.08), (5, _MAJOR, 0.16)):
        first = left + (LEFT_MM - left) % step
        down = [[(x, _PAPER_TOP_MM), (x, _PAPER_BOTTOM_MM)] for x in np.arange(first, right + 1e-6, step)]
        across = [[(left, y), (right, y)] for y in np.arange(_PAPER_TOP_MM, _PAPER_BOTTOM_MM + 1e-6, step)]
        sheet.lines(down + across, colour, width)


def _pulse(sheet: _Sheet, row: Row) -> None:
    """1 mV, 0.2 s."""
    x, zero, high = LEFT_MM - 9, row.zero_mm, row.zero_mm - MM_PER_MV
    sheet.lines(
        [[(x, zero), (x + 1.5, zero), (x + 1.5, high), (x + 6.5, high), (x + 6.5, zero), (x + 8, zero)]], _TRACE, 0.25
    )


def _cell(
    sheet: _Sheet,
    signal_mv: Float32[np.ndarray, " time"],
    fs_hz: float,
    lead: str,
    begin_s: float,
    end_s: float,
    row: Row,
) -> None:
    x = LEFT_MM + begin_s * MM_PER_S
    pieces = _trace(signal_mv, fs_hz, begin_s, end_s, row)
    sheet.lines(pieces, _TRACE, 0.25)
    sheet.text(x + 1, row.top_mm, lead, 3.1, weight="bold")
    if not pieces:
        sheet.text(x + 14, row.zero_mm, "not recorded", 2.6, _SOFT)
    if begin_s > 0:
        sheet.lines([[(x, row.zero_mm - 2.5), (x, row.zero_mm + 2.5)]], _INK, 0.2)


def _trace(
    signal_mv: Float32[np.ndarray, " time"], fs_hz: float, begin_s: float, end_s: float, row: Row
) -> list[np.ndarray]:
    """The signal between two times as lines in millimetres, one for each stretch that is measured."""
    first, last = int(np.floor(begin_s * fs_hz)), int(np.ceil(end_s * fs_hz)) + 1
    value = signal_mv[first:last]
    x = LEFT_MM + np.arange(first, first + len(value)) / fs_hz * MM_PER_S
    points = np.stack([x, row.zero_mm - value * MM_PER_MV], axis=1)
    known = np.isfinite(value)
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0))
    return [points[start:stop] for start, stop in edges.reshape(-1, 2) if stop - start > 1]


def _table_sheet(a: Analysis) -> _Sheet:
    """Measures, leads, statements, what they rest on, events, flags, and how it was made."""
    sheet = _Sheet()
    sheet.text(_EDGE_MM, 12, a.record.id, 3.6, weight="bold", most=90)
    measures = _titled(sheet, _EDGE_MM, 20, "Rate, intervals and axes", (44, 16, 13, 12), _measures(a))
    heads = ("Lead", *OF_LEADS, "quality")
    score = {lead.lead: f"{lead.score:.2f}" for lead in a.quality.leads}
    leads = [(lead, *(value for value, _ in cells), score.get(lead, "")) for lead, cells in lead_lines(a)[:_MOST_LEADS]]
    below = _titled(sheet, 102, 20, "ST, T, R and S by lead, mV", (12, 21, 12, 12, 12, 14), [heads, *leads])
    below = _events(sheet, a, 102, below + 3)
    below = max(measures, below, _statements(sheet, a, 191))
    below = _without(sheet, a, below + 7)
    _notes(sheet, a, below + 6)
    sheet.text(_EDGE_MM, HEIGHT_MM - 5, a.use, 2.8, weight="bold")
    return sheet


def _notes(sheet: _Sheet, a: Analysis, y: float) -> None:
    made_by = ", ".join(f"{one.kind} {one.name} {one.weights_sha256[:8]}" for one in a.provenance.models)
    notes = [
        f"beatssl {a.provenance.beatssl}; weights: {made_by}",
        f"Statements: calibrated probabilities (p), trained on {a.diagnoses.trained_on}; share of the training records "
        "that have one; AUROC on the test fold with twelve leads.",
        "Spread: interquartile range over beats.",
        *(f"Note: {flag.message}" for flag in a.flags),
        *(f"Source: {note}" for note in a.provenance.notes),
    ]
    for note in notes[: max(2, int((HEIGHT_MM - 9 - y) / 3.6))]:
        sheet.text(_EDGE_MM, y, note, 2.3, _SOFT, most=215)
        y += 3.6


def _titled(
    sheet: _Sheet, x: float, y: float, title: str, widths: Sequence[float], rows: Sequence[Sequence[str]]
) -> float:
    sheet.text(x, y, title, 3.0, weight="bold")
    return sheet.table(x, y + 5, widths, rows)


def _measures(a: Analysis) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Measure", "Median", "Spread", "Beats")]
    for one in measure_lines(a):
        rows.append((one.name, one.value, one.spread, one.count))
        if one.reason:
            rows.append((f"   {one.reason}",))
    return rows


def _statements(sheet: _Sheet, a: Analysis, x: float) -> float:
    if not a.diagnoses.statements:
        return _titled(sheet, x, 20, "Statements", (0,), [("not determinable, because",), (a.diagnoses.reason,)])
    rows: list[tuple[str, ...]] = [("Statement", "p", "threshold", "share", "AUROC")]
    for one in top_statements(a, _MOST_STATEMENTS)[:_MOST_STATEMENTS]:
        share = f"{one.prevalence:.1%}" if one.prevalence is not None else "–"
        auroc = f"{one.auroc:.3f}" if one.auroc is not None else "–"
        text = f"{'• ' if one.above else ''}{one.text}"
        rows.append((text, probability_text(one.probability), probability_text(one.threshold), share, auroc))
    below = _titled(sheet, x, 20, "Statements (• above the threshold)", (47, 11, 16, 11, 12), rows)
    if a.diagnoses.leads_missing:
        sheet.text(x, below, f"Without {', '.join(a.diagnoses.leads_missing)}: less sure", 2.3, _SOFT, most=80)
    return below


def _events(sheet: _Sheet, a: Analysis, x: float, y: float) -> float:
    found = [one for one in events(a) if one.kind != "rate"]
    if a.record.duration_s <= SHOWN_S or not found:
        return y
    rows = [("Events",), *((f"{clock(one.start_s)}   {one.text}",) for one in found[:_MOST_EVENTS])]
    if len(found) > _MOST_EVENTS:
        rows.append((f"and {len(found) - _MOST_EVENTS} more",))
    return sheet.table(x, y, (0,), rows, 2.4)


def _without(sheet: _Sheet, a: Analysis, y: float) -> float:
    found = a.without_leads
    if found is None:
        return y
    rows: list[tuple[str, ...]] = [("Change of the probability, in hundredths", *found.leads)]
    for one in top_statements(a)[:LEAST_TOP]:
        change = found.change[:, found.names.index(one.name)]
        rows.append((one.text, *(hundredths(value) for value in change.tolist())))
    return _titled(sheet, _EDGE_MM, y, "Statements with a lead left out", (66, *(13.0,) * len(found.leads)), rows)
