"""Pictures of a pretraining run, each returned as SVG text: losses, targets, maps of embeddings, figures of probes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Shaped
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.ticker import MaxNLocator

from beatssl.drawing.figures import ACCENT, FAINT, drawing, svg_text

GROUP_COLOURS = {
    "NORM": "#16a34a",
    "MI": "#dc2626",
    "STTC": "#d97706",
    "CD": "#2563eb",
    "HYP": "#9333ea",
    "several": "#64748b",
    "none": "#b6c2d1",
}
"""Superclasses, records with several of them and records with none, in the order of legends."""

GROUP_NAMES = {
    "NORM": "normal",
    "MI": "infarct",
    "STTC": "ST or T change",
    "CD": "conduction disorder",
    "HYP": "hypertrophy",
    "several": "several of these",
    "none": "none of these",
}
_SHADES = LinearSegmentedColormap.from_list("likeness", ["#f1f5f9", "#9db8f2", "#2950b8", "#1e1b4b"])
_OTHER = "#64748b"


@dataclass(frozen=True, slots=True)
class LossCurve:
    """A part of the loss over the epochs. `level` is a value to compare it with, as `level_name` says; NaN: none."""

    title: str
    unit: str
    epoch: Float[np.ndarray, " line"]
    loss: Float[np.ndarray, " line"]
    level: float = float("nan")
    level_name: str = ""


@dataclass(frozen=True, slots=True)
class TargetMap:
    """Target similarity of every two records of a batch, from 0 to 1, and a caption."""

    title: str
    targets: Float[np.ndarray, "record record"]
    note: str


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """Records as points in two dimensions, and a caption."""

    title: str
    points: Float[np.ndarray, "record 2"]
    note: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its interval."""

    value: float
    low: float
    high: float


def loss_curves(curves: Sequence[LossCurve]) -> str:
    """One panel a part of the loss, side by side."""
    with drawing(11.0, 2.9) as figure:
        for at, curve in enumerate(curves):
            axes = figure.add_subplot(1, len(curves), at + 1)
            axes.plot(curve.epoch, curve.loss, color=ACCENT, linewidth=1.6)
            if np.isfinite(curve.level):
                axes.axhline(curve.level, color=_OTHER, linewidth=1, linestyle=(0, (4, 3)))
                axes.text(
                    1, curve.level, f"{curve.level_name} {curve.level:.2f}", transform=axes.get_yaxis_transform(),
                    ha="right", va="bottom", fontsize=8, color=_OTHER,
                )  # fmt: skip
            axes.set(title=curve.title, xlabel="epoch", ylabel=curve.unit, xlim=(0, curve.epoch.max()))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.grid(axis="y", color="#e2e8f0", linewidth=0.7)
            axes.margins(y=0.12)
        figure.tight_layout(w_pad=2)
        return svg_text(figure)


def target_maps(maps: Sequence[TargetMap], groups: Sequence[str]) -> str:
    """Targets side by side on one colour scale; `groups` names each record's class, equal ones in a row."""
    names, begin, end = _runs(groups)
    middle = (begin + end - 1) / 2
    left, right, gap = 0.045, 0.94, 0.018
    width = (right - left - gap * len(maps)) / len(maps)
    width_in = 11.0
    height_in = width * width_in + 0.95
    low, high = 0.55 / height_in, width * width_in / height_in
    with drawing(width_in, height_in) as figure:
        for at, one in enumerate(maps):
            axes = figure.add_axes((left + at * (width + gap), low, width, high))
            image = axes.imshow(
                one.targets, cmap=_SHADES, norm=PowerNorm(0.5, 0, 1), interpolation="none", aspect="equal"
            )
            for edge in begin[1:]:
                axes.axhline(edge - 0.5, color="#94a3b8", linewidth=0.6)
                axes.axvline(edge - 0.5, color="#94a3b8", linewidth=0.6)
            axes.set_xticks(middle, names)
            axes.set_yticks(middle, names if at == 0 else [""] * len(names))
            axes.tick_params(length=0, labelsize=8)
            axes.set_title(one.title)
            axes.set_xlabel(one.note, labelpad=5)
            if at == len(maps) - 1:
                scale = figure.colorbar(image, cax=figure.add_axes((right + 0.005, low, 0.013, high)))
                scale.set_ticks(
                    [0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1],
                    labels=["0", ".01", ".05", ".1", ".2", ".4", ".6", ".8", "1"],
                )
                scale.ax.tick_params(length=0, labelsize=8)
                scale.ax.set_title("target", loc="center", fontsize=8, fontweight="normal")
        return svg_text(figure)


def embedding_maps(maps: Sequence[EmbeddingMap], groups: Shaped[np.ndarray, " record"]) -> str:
    """Maps of the same records side by side, a colour a class; `groups` are keys of GROUP_COLOURS."""
    shown = [name for name in GROUP_COLOURS if (groups == name).any()]
    with drawing(11.0, 5.0) as figure:
        for at, one in enumerate(maps):
            axes = figure.add_axes((0.02 + at * 0.5, 0.135, 0.46, 0.805))
            for name in shown:
                x, y = one.points[groups == name].T
                axes.scatter(x, y, s=26, color=GROUP_COLOURS[name], linewidths=0.4, edgecolors="white", label=name)
            axes.set_title(one.title)
            axes.set_xlabel(one.note)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.margins(0.05)
            axes.spines[["top", "right"]].set_visible(True)
            for spine in axes.spines.values():
                spine.set_color(FAINT)
        handles, _ = figure.axes[0].get_legend_handles_labels()
        labels = [f"{name}: {GROUP_NAMES[name]}" if name.isupper() else GROUP_NAMES[name] for name in shown]
        figure.legend(
            handles, labels, loc="lower center", ncols=len(shown), frameon=False, fontsize=8.5,
            handletextpad=0.1, columnspacing=1.3,
        )  # fmt: skip
        return svg_text(figure)


def interval_rows(figures: Mapping[str, Mapping[str, Interval]], unit: str) -> str:
    """A line a row name, and on it a point with its interval for each column: {column: {row: figure}}."""
    rows = list(next(iter(figures.values())))
    with drawing(7.2, 1.0 + 0.36 * len(rows)) as figure:
        axes = figure.add_subplot()
        places = np.arange(len(rows), 0, -1)
        colours = ["#94a3b8", ACCENT, "#be123c"]
        for at, (name, found) in enumerate(figures.items()):
            y = places + 0.13 * (len(figures) - 1 - 2 * at)
            value, low, high = (
                np.array([getattr(found[row], end) for row in rows]) for end in ("value", "low", "high")
            )
            axes.hlines(y, low, high, color=colours[at], linewidth=1.6)
            axes.scatter(value, y, s=34, color=colours[at], label=name, zorder=3, linewidths=0)
        axes.set_yticks(places, rows)
        axes.set_ylim(0.4, len(rows) + 0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e2e8f0", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_xlabel(unit)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(figures), frameon=False, borderaxespad=0.2)
        figure.tight_layout()
        return svg_text(figure)


def _runs(groups: Sequence[str]) -> tuple[list[str], Int64[np.ndarray, " run"], Int64[np.ndarray, " run"]]:
    """Name, first place and end of every run of equal names."""
    begin = [at for at, name in enumerate(groups) if at == 0 or groups[at - 1] != name]
    end = np.array([*begin[1:], len(groups)])
    return [groups[at] for at in begin], np.array(begin), end
