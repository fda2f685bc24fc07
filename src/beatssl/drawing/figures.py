"""Pictures that sum up a record or a cohort, each returned as SVG text: VCG loops, distributions, errors."""

import io
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from beatssl.drawing.ecg_paper import WAVE_COLOURS, WaveSpan
from beatssl.signals.vcg import to_vcg

_MEASURED_WITH = "DejaVu Sans"
"""The font that Matplotlib brings and lays text out with; the page shows a narrower one where the reader has it."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "beatssl",
    "font.family": [_MEASURED_WITH],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#94a3b8",
    "axes.labelcolor": "#334155",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": "#1e293b",
    "xtick.color": "#475569",
    "ytick.color": "#475569",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
ACCENT, FAINT = "#2563eb", "#cbd5e1"

PLANES = (("Frontal", 0, 1), ("Horizontal", 0, 2), ("Left sagittal", 2, 1))
"""Name and axes (0 X left, 1 Y feet, 2 Z back) of each plane: frontal seen from the front, horizontal from above with
the chest at the bottom, sagittal from the patient's left."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure of a cohort to draw: its values, and the label of the axis."""

    title: str
    unit: str
    values: Float[np.ndarray, " row"]


def vcg_loops(median_beat_mv: Float32[np.ndarray, "12 time"], fs_hz: float, waves: Sequence[WaveSpan]) -> str:
    """The P, QRS and T loops of a median beat in three planes.

    Args:
        median_beat_mv: twelve leads in canonical order, mV.
        fs_hz: sampling rate in Hz.
        waves: what to draw, in seconds from the first sample; the origin is the vector at QRS onset.

    Returns:
        SVG text. Dots stand every 10 ms and are larger at a loop's start. Axes are in mV, the same in all planes.
    """
    vcg_mv = to_vcg(median_beat_mv).astype(np.float64)
    time_s = np.arange(vcg_mv.shape[1]) / fs_hz
    measured = np.isfinite(vcg_mv).all(axis=0)
    known = [span for span in waves if np.isfinite(span.onset_s) and np.isfinite(span.offset_s)]
    if not measured.any() or not known:
        return svg_text(_no_data("VCG not measurable: a lead is missing"))
    vector = CubicSpline(time_s[measured], vcg_mv[:, measured], axis=1)
    origin = vector(next((span.onset_s for span in known if span.wave == "QRS"), known[0].onset_s))
    loops = [(span, vector(np.arange(span.onset_s, span.offset_s, 0.001)) - origin[:, None]) for span in known]
    reach = 1.12 * max(float(np.abs(loop).max()) for _, loop in loops)
    with drawing(8.4, 3.1) as figure:
        for at, (name, across, up) in enumerate(PLANES):
            axes = figure.add_subplot(1, 3, at + 1)
            _plane(axes, name, "XYZ"[across], "XYZ"[up], reach)
            for span, loop in loops:
                _loop(axes, span, loop[across], loop[up])
        axes = figure.axes[0]
        axes.legend(loc="upper left", frameon=False, fontsize=8, handlelength=1.2)
        # Margins that fit: to measure them (tight_layout) takes as long as to draw.
        figure.subplots_adjust(left=0.085, right=0.98, bottom=0.12, top=0.95, wspace=0.35)
        return svg_text(figure)


def _plane(axes: Axes, name: str, across: str, up: str, reach: float) -> None:
    """An empty plane: Y grows downwards (feet), Z upwards (back) in the horizontal plane."""
    ends = {"X": ("right", "left"), "Y": ("head", "feet"), "Z": ("front", "back")}
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(reach, -reach) if up == "Y" else (-reach, reach), aspect="equal", title=name)
    axes.set_xlabel(f"{across} (mV)   {ends[across][0]} – {ends[across][1]}")
    axes.set_ylabel(f"{up} (mV)   " + ("{1} – {0}" if up == "Y" else "{0} – {1}").format(*ends[up]))


def _loop(axes: Axes, span: WaveSpan, x_mv: Float[np.ndarray, " time"], y_mv: Float[np.ndarray, " time"]) -> None:
    colour = WAVE_COLOURS[span.wave]
    axes.plot(x_mv, y_mv, color=colour, linewidth=1.4, label=span.wave)
    axes.scatter(x_mv[::10], y_mv[::10], s=7, color=colour, linewidths=0)
    axes.scatter(x_mv[:1], y_mv[:1], s=26, color=colour, linewidths=0)


def boxes_by_group(panels: Sequence[Panel], groups: Mapping[str, Sequence[int]], columns: int = 3) -> str:
    """A box and its points for each group of rows, one panel a measure.

    Args:
        panels: measures over the same rows; NaN where not measurable.
        groups: name of each group and the positions of its rows; a row may stand in several groups.
        columns: panels side by side.

    Returns:
        SVG text. Boxes span the quartiles, whiskers the 5th to 95th percentile.
    """
    lines = -(-len(panels) // columns)
    with drawing(11.0, 0.55 + lines * (0.75 + 0.27 * len(groups))) as figure:
        for at, panel in enumerate(panels):
            axes = figure.add_subplot(lines, columns, at + 1)
            _boxes(axes, {name: panel.values[list(rows)] for name, rows in groups.items()}, points=True)
            axes.set(title=panel.title, xlabel=panel.unit)
            if at % columns:
                axes.set_yticklabels([])
        figure.tight_layout()
        return svg_text(figure)


def error_boxes(errors_ms: Mapping[str, Float[np.ndarray, " error"]]) -> str:
    """Signed errors (found minus true) of each kind of mark, in ms, as boxes.

    Returns:
        SVG text. Boxes span the quartiles, whiskers the 5th to 95th percentile.
    """
    with drawing(7.2, 0.8 + 0.4 * len(errors_ms)) as figure:
        axes = figure.add_subplot()
        _boxes(axes, errors_ms, points=False)
        axes.axvline(0, color="#64748b", linewidth=0.8, zorder=0)
        axes.set_xlabel("found − true (ms)")
        figure.tight_layout()
        return svg_text(figure)


def _boxes(axes: Axes, groups: Mapping[str, Float[np.ndarray, " value"]], points: bool) -> None:
    values = [v[np.isfinite(v)] for v in groups.values()]
    places = np.arange(len(values), 0, -1)
    axes.boxplot(
        values,
        positions=places.tolist(),
        orientation="horizontal",
        whis=(5, 95),
        showfliers=False,
        widths=0.62,
        patch_artist=True,
        boxprops={"facecolor": "#dbeafe", "edgecolor": ACCENT, "linewidth": 0.9},
        medianprops={"color": ACCENT, "linewidth": 1.6},
        whiskerprops={"color": ACCENT, "linewidth": 0.9},
        capprops={"color": ACCENT, "linewidth": 0.9},
    )
    if points:
        for place, value in zip(places, values, strict=True):
            # Spread by the golden ratio: even, and the same picture every time.
            shift = (np.arange(len(value)) * 0.618034) % 1 * 0.5 - 0.25
            axes.scatter(value, place + shift, s=2.2, color="#64748b", alpha=0.45, linewidths=0, rasterized=False)
    axes.set_yticks(places, list(groups))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e2e8f0", linewidth=0.7)
    axes.set_axisbelow(True)


def _no_data(message: str) -> Figure:
    figure = Figure(figsize=(9.2, 1.0))
    figure.text(0.5, 0.5, message, ha="center", va="center", color="#64748b")
    return figure


@contextmanager
def drawing(width_in: float, height_in: float) -> Generator[Figure, None, None]:
    """A new figure in the house style, for other modules of pictures too; pyplot and its global state stay out."""
    with rc_context(_STYLE):
        yield Figure(figsize=(width_in, height_in))


def svg_text(figure: Figure) -> str:
    """The figure as an SVG element, without XML prologue, date or fixed size, for a page or a file."""
    text = io.StringIO()
    with rc_context(_STYLE):
        save: Callable[..., None] = figure.savefig
        save(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()[text.getvalue().index("<svg") :].strip()
    return svg.replace(f"'{_MEASURED_WITH}'", f"Inter, Helvetica, Arial, '{_MEASURED_WITH}', sans-serif")
