"""Records against beats as a picture: the variants of a study, and those that no other one beats in both."""

import numpy as np

from beatssl.drawing.figures import ACCENT, drawing, svg_text
from beatssl.reports.study.answers import RECORDS, UNTRAINED
from beatssl.reports.study.front import BEATS, LARGER, REPEATED, every, front, groups_of
from beatssl.studies.study.result import StudyResult

_GREY = "#94a3b8"


def front_picture(result: StudyResult, budget: str) -> str | None:
    """Beats over records as SVG: a point a variant, a line along the front, names on it and of what is untrained.

    None for fewer than three variants.
    """
    groups = groups_of(result, budget)
    kept = {group: one for group, one in groups.items() if group not in (*REPEATED, *LARGER)}
    usual = every(kept)
    points = usual | every({group: groups[group] for group in LARGER if group in groups}, set(usual.values()))
    if len(points) < 3:
        return None
    with drawing(8.0, 5.0) as figure:
        axes = figure.add_subplot()
        larger = {name: point for name, point in points.items() if name not in usual}
        for named, colour, label in (
            (usual, _GREY, "objective, targets, views, data, rate"),
            (larger, ACCENT, "network, pooling, longer training"),
        ):
            if named:
                axes.scatter(*np.array(list(named.values())).T, s=16, color=colour, linewidths=0, label=label)
        best = front(points)
        axes.plot(*np.array([points[name] for name in best]).T, color=ACCENT, linewidth=1.2)
        for name, point in points.items():
            if name in best or name.startswith(f"{UNTRAINED}: "):
                place, side = ((6, -3), "left") if name in best else ((-6, -3), "right")
                axes.annotate(name, point, xytext=place, textcoords="offset points", ha=side, fontsize=8)
        axes.set(xlabel=", ".join(RECORDS), ylabel=", ".join(BEATS))
        axes.legend(loc="upper left", frameon=False, fontsize=9)
        figure.tight_layout()
        return svg_text(figure)
