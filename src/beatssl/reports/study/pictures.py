"""Pictures of a study, each returned as SVG text: ranks with the critical difference, figures by seed, curves."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes

from beatssl.drawing.figures import ACCENT, FAINT, drawing, svg_text
from beatssl.files import write_bytes
from beatssl.reports.study.front_picture import front_picture
from beatssl.reports.study.lines import p_text
from beatssl.results import read_result
from beatssl.studies.study.result import CSV, JSON, ContrastFigure, Ranks, StudyResult

_GREY = "#64748b"
_VIOLIN_SEEDS = 5
"""Seeds from which a violin says something."""

_COLUMNS = 4

_NUMBER = re.compile(r"(?:[^\W\d] )?(\d+(?:\.\d+)?|\d+/[1-9]\d*)")
"""A number, perhaps after a letter that stands for it."""


def draw_study(folder: Path) -> dict[str, Path]:
    """Draw into a folder that study wrote, and return the files by name.

    For each group and budget GROUP-BUDGET-ranks.svg (where there are two tasks), -figures.svg, and, of a group with
    three variants that are numbers, -curve.svg; contrasts-BUDGET.svg of the named contrasts; records-beats-BUDGET.svg
    where both were scored.

    Raises ValueError where the folder has no study.json or study.csv, or no run is finished.
    """
    if not (folder / JSON).is_file() or not (folder / CSV).is_file():
        raise ValueError(f"{folder} has no {JSON} and {CSV}; make them with beatssl study FILE --out {folder}")
    result = read_result(folder / JSON, StudyResult)
    table = pd.read_csv(folder / CSV, dtype={"variant": str})
    table = table[table["chooses"].astype(bool)]
    if table.empty:
        raise ValueError(f"no run of {folder} is finished; nothing is to be drawn")
    made: dict[str, str] = {}
    for (group, budget), part in table.groupby(["group", "budget"], sort=False):
        name = f"{group}-{budget}"
        made[f"{name}-figures"] = figures_by_seed(part)
        if curve_places(list(part["variant"].unique())) is not None:
            made[f"{name}-curve"] = curves(part)
    for one in result.ranks:
        if np.isfinite(one.ranks.critical_difference):
            made[f"{one.group}-{one.budget}-ranks"] = rank_axis(one.ranks)
    for budget in dict.fromkeys(one.budget for one in result.contrasts if one.chooses):
        made[f"contrasts-{budget}"] = contrast_rows(
            [one for one in result.contrasts if one.budget == budget and one.chooses]
        )
    for budget in dict.fromkeys(one.budget for one in result.means):
        if (picture := front_picture(result, budget)) is not None:
            made[f"records-beats-{budget}"] = picture
    paths = {name: folder / f"{name}.svg" for name in made}
    for name, path in paths.items():
        write_bytes(path, made[name].encode())
    return paths


def cliques(mean_rank: Sequence[float], critical_difference: float) -> list[tuple[int, int]]:
    """First and last place of every longest run of ascending mean ranks that differ by no more than that."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_rank):
        last = max(at for at, other in enumerate(mean_rank) if other - rank <= critical_difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def rank_axis(ranks: Ranks) -> str:
    """Mean ranks on a line, 1 on the left; bars join variants that differ by less than the critical difference."""
    names, places = list(ranks.mean_rank), list(ranks.mean_rank.values())
    half = -(-len(names) // 2)
    joined = cliques(places, ranks.critical_difference)
    top = 0.3 * len(joined) + 0.6
    with drawing(9.0, 0.9 + 0.24 * (half + len(joined))) as figure:
        axes = figure.add_axes((0.3, 0.02, 0.4, 0.8))
        axes.set(xlim=(1, max(len(names), 2)), ylim=(-half - top, 0.9))
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.spines["top"].set(visible=True, position=("data", 0))
        axes.xaxis.tick_top()
        axes.set_yticks([])
        for at, (name, place) in enumerate(zip(names, places, strict=True)):
            left = at < half
            height = -top - (at if left else len(names) - 1 - at)
            end = -0.02 if left else 1.02
            axes.plot([place, place], [0, height], color=_GREY, linewidth=0.9, clip_on=False)
            edge = axes.transLimits.inverted().transform((end, 0))[0]
            axes.plot([place, edge], [height, height], color=_GREY, linewidth=0.9, clip_on=False)
            text = f"{name}  {place:.2f}" if left else f"{place:.2f}  {name}"
            axes.text(edge, height, f" {text} ", ha="right" if left else "left", va="center", fontsize=9)
        for line, (first, last) in enumerate(joined):
            height = -0.35 - 0.3 * line
            axes.plot([places[first], places[last]], [height, height], color=ACCENT, linewidth=3, clip_on=False)
        figure.text(
            0.5, 0.97, f"mean rank over {len(ranks.tasks)} tasks; critical difference {ranks.critical_difference:.2f}, "
            f"Friedman p {p_text(ranks.friedman_p)}", ha="center", va="top", fontsize=9, color=_GREY,
        )  # fmt: skip
        return svg_text(figure)


def figures_by_seed(table: pd.DataFrame) -> str:
    """A panel for each task: a line a variant, a point a seed, and a violin from five seeds on.

    `table`: lines of study.csv, of one group and budget.
    """
    variants = list(dict.fromkeys(table["variant"]))
    tasks = list(table.groupby(["task", "figure"], sort=False))
    rows = -(-len(tasks) // _COLUMNS)
    columns = min(len(tasks), _COLUMNS)
    with drawing(2.4 + 2.5 * columns, rows * (1.0 + 0.28 * len(variants))) as figure:
        for at, ((task, name), part) in enumerate(tasks):
            axes = figure.add_subplot(rows, columns, at + 1)
            for place, variant in enumerate(variants):
                _one_variant(axes, -place, part.loc[part["variant"] == variant, "value"].to_numpy(np.float64))
            axes.set_yticks([-place for place in range(len(variants))], variants if at % columns == 0 else [])
            axes.set_ylim(-len(variants) + 0.5, 0.5)
            axes.set(title=str(task), xlabel=str(name))
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", color="#e2e8f0", linewidth=0.7)
            axes.set_axisbelow(True)
        figure.tight_layout()
        return svg_text(figure)


def _one_variant(axes: Axes, place: int, values: Float[np.ndarray, " seed"]) -> None:
    if len(values) == 0:
        return
    if len(values) >= _VIOLIN_SEEDS and values.std() > 0:
        drawn = axes.violinplot(
            values, positions=[place], points=40, orientation="horizontal", widths=0.8, showextrema=False
        )
        for body in cast(Any, drawn["bodies"]):
            body.set(facecolor="#dbeafe", edgecolor=ACCENT, linewidth=0.8, alpha=1)
    axes.scatter(values, np.full(len(values), place), s=11, color=_GREY, alpha=0.7, linewidths=0, zorder=3)
    axes.scatter(values.mean(), place, s=44, color=ACCENT, marker="|", linewidths=2, zorder=4)


def curve_places(variants: Sequence[str]) -> dict[str, float] | None:
    """Those of the variants that are numbers above 0, such as 15, 0.1 or 1/16, perhaps after a symbol ("λ 0.25"); None:
    fewer than three are."""
    places: dict[str, float] = {}
    for name in variants:
        if found := _NUMBER.fullmatch(name):
            value = float(Fraction(found[1]))
            if value > 0:
                places[name] = value
    return places if len(places) > 2 else None


def curves(table: pd.DataFrame) -> str:
    """A panel for each task: its figure over the number that the variants are, on a logarithmic scale."""
    tasks = list(table.groupby(["task", "figure"], sort=False))
    with drawing(1.0 + 2.7 * len(tasks), 2.7) as figure:
        for at, ((task, name), part) in enumerate(tasks):
            axes = figure.add_subplot(1, len(tasks), at + 1)
            of = curve_places(list(part["variant"].unique())) or {}
            part = part.assign(place=part["variant"].map(of)).dropna(subset=["place"])
            mean = part.groupby("place")["value"].mean()
            axes.plot(mean.index.to_numpy(), mean.to_numpy(), color=ACCENT, linewidth=1.6)
            axes.scatter(part["place"], part["value"], s=14, color=_GREY, alpha=0.7, linewidths=0, zorder=3)
            axes.set_xscale("log")
            axes.set_xticks(list(of.values()), list(of))
            axes.minorticks_off()
            axes.set(title=str(task), ylabel=str(name))
            axes.grid(axis="y", color="#e2e8f0", linewidth=0.7)
            axes.margins(y=0.12)
        figure.tight_layout()
        return svg_text(figure)


def contrast_rows(contrasts: Sequence[ContrastFigure]) -> str:
    """Differences with their intervals, a line a contrast and figure; 0 is no difference."""
    places = np.arange(len(contrasts), 0, -1)
    with drawing(9.0, 0.8 + 0.27 * len(contrasts)) as figure:
        axes = figure.add_subplot()
        for place, one in zip(places, contrasts, strict=True):
            d = one.difference
            clear = np.isfinite(d.low) and (d.low > 0 or d.high < 0)
            colour = ACCENT if clear else _GREY
            if np.isfinite(d.low):
                axes.hlines(place, d.low, d.high, color=colour, linewidth=1.6)
            axes.scatter(d.mean, place, s=30, color=colour, zorder=3, linewidths=0)
        axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
        axes.set_yticks(places, [f"{one.name}: {one.task}, {one.figure}" for one in contrasts])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean difference over seeds, 95 % interval over seeds")
        axes.grid(axis="x", color="#e2e8f0", linewidth=0.7)
        axes.set_axisbelow(True)
        figure.tight_layout()
        return svg_text(figure)
