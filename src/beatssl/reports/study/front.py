"""Records against beats: the variants of a study that no other one beats in both, as a table."""

from collections.abc import Mapping, Set

import numpy as np

from beatssl.reports.markdown import table_lines
from beatssl.reports.study.answers import RECORDS
from beatssl.studies.study.result import StudyResult

BEATS = ("beats-linear", "macro F1")
"""Task and figure that stand for beats, as `RECORDS` for records."""

REPEATED = ("contrasts", "finalists")
"""Groups of the package's study whose variants others have too, there of one seed."""

LARGER = ("network", "network-epochs", "epochs", "pooling")
"""Groups of the package's study that change network, pooling or length, and not the objective or its data."""

_CORRELATED = 5
"""Variants from which a rank correlation is given."""


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the points that no other one equals or exceeds in both figures and exceeds in one (the Pareto front), by
    their first figure."""
    on = [
        name
        for name, (x, y) in points.items()
        if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in points.values())
    ]
    return sorted(on, key=lambda name: points[name])


def front_lines(result: StudyResult) -> list[str]:
    """In Markdown the front of each group of two variants at least, and that of all variants; nothing where beats were
    not scored."""
    lines: list[str] = []
    for budget in dict.fromkeys(one.budget for one in result.means):
        groups = {group: one for group, one in groups_of(result, budget).items() if len(one) > 1}
        if not groups:
            continue
        groups["all, each once"] = every({group: one for group, one in groups.items() if group not in REPEATED})
        lines += [
            f"Study, records against beats, budget {budget}: superclass AUROC and macro F1 of beats-linear, their rank "
            "correlation (Spearman) over the variants, and the variants that no other one of the group beats in both "
            "(the Pareto front).",
            "",
            *table_lines(
                ("group", "variants", "rank correlation", "on the front (superclass, beats)"),
                ((group, str(len(points)), _correlation(points), _front(points)) for group, points in groups.items()),
            ),
            "",
        ]
    return lines[:-1]


def groups_of(result: StudyResult, budget: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Of every group the variants that have both figures."""
    records, beats = (
        {
            (one.group, one.variant): one.mean
            for one in result.means
            if (one.budget, one.task, one.figure) == (budget, *of)
        }
        for of in (RECORDS, BEATS)
    )
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for group, variant in records:
        if (group, variant) in beats:
            found.setdefault(group, {})[variant] = (records[group, variant], beats[group, variant])
    return found


def every(
    groups: Mapping[str, Mapping[str, tuple[float, float]]], but: Set[tuple[float, float]] = frozenset()
) -> dict[str, tuple[float, float]]:
    """The variants of all groups, "GROUP: VARIANT", each once: one that several groups have has the same figures."""
    seen, found = set(but), dict[str, tuple[float, float]]()
    for group, points in groups.items():
        for name, point in points.items():
            if point not in seen:
                seen.add(point)
                found[f"{group}: {name}"] = point
    return found


def _correlation(points: Mapping[str, tuple[float, float]]) -> str:
    if len(points) < _CORRELATED:
        return "–"
    from scipy.stats import spearmanr  # slow to import, and the help of `tables` needs none of it

    return f"{spearmanr(np.array(list(points.values()))).statistic:+.2f}"


def _front(points: Mapping[str, tuple[float, float]]) -> str:
    return "; ".join(f"{name} ({points[name][0]:.3f}, {points[name][1]:.3f})" for name in front(points))
