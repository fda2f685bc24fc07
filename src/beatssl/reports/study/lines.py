"""A study as tables in Markdown."""

import math
from collections.abc import Sequence

from beatssl.reports.markdown import table_lines
from beatssl.reports.study.answers import length_lines, rate_lines
from beatssl.reports.study.front import front_lines
from beatssl.studies.study.result import Mean, PairedDifference, StudyResult


def study_lines(result: StudyResult) -> list[str]:
    """The named contrasts, what is answered across groups, then a table for each group and budget: a line a variant, a
    column a task that chooses.

    A group of which one variant alone is finished has none.
    """
    lines = _contrasts(result)
    for answer in (rate_lines, front_lines, length_lines):
        if found := answer(result):
            lines += ["", *found]
    for group, budget in dict.fromkeys((one.group, one.budget) for one in result.means):
        if len({one.variant for one in result.means if (one.group, one.budget) == (group, budget)}) > 1:
            lines += ["", *_group(result, group, budget)]
    return lines


def _contrasts(result: StudyResult) -> list[str]:
    shown = [one for one in result.contrasts if one.chooses]
    patients = any(math.isfinite(one.patients[0]) for one in shown)
    heads = ["contrast", "budget", "task", "figure", "difference", *["over patients"] * patients, "seeds"]
    title = "Study, named contrasts: mean difference over seeds, 95 % interval over seeds"
    rows: list[Sequence[str]] = []
    for one in shown:
        low, high = one.patients
        over = (f"{low:+.3f} to {high:+.3f}" if math.isfinite(low) else "–",) if patients else ()
        difference = difference_text(one.difference)
        rows.append((one.name, one.budget, one.task, one.figure, difference, *over, str(one.difference.seeds)))
    about = f"{title}, and in a column of its own that over patients." if patients else f"{title}."
    return [about, "", *table_lines(heads, rows)]


def difference_text(one: PairedDifference) -> str:
    """The mean with its interval over seeds, signs before all."""
    interval = f" ({one.low:+.3f} to {one.high:+.3f})" if math.isfinite(one.low) else ""
    return f"{one.mean:+.3f}{interval}"


def _group(result: StudyResult, group: str, budget: str) -> list[str]:
    here = [one for one in result.means if (one.group, one.budget) == (group, budget) and one.chooses]
    columns = list(dict.fromkeys((one.task, one.figure) for one in here))
    ranked = next((one for one in result.ranks if (one.group, one.budget) == (group, budget)), None)
    ranks = None if ranked is None else ranked.ranks
    seconds = {one.variant: one.seconds for one in result.costs if (one.group, one.budget) == (group, budget)}
    critical = ""
    if ranks is not None and math.isfinite(ranks.critical_difference):
        critical = (
            f"; Friedman p {p_text(ranks.friedman_p)} over {len(ranks.tasks)} tasks, critical difference of mean ranks "
            f"{ranks.critical_difference:.2f}"
        )
    left_out = ""
    if ranked is not None and ranked.left_out:
        left_out = f" Not among the ranks: {', '.join(ranked.left_out)}."
    heads = ["variant", *(f"{task}, {figure}" for task, figure in columns), "mean rank", "training, s", "seeds"]
    rows: list[Sequence[str]] = []
    for variant in dict.fromkeys(one.variant for one in here):
        own = [one for one in here if one.variant == variant]
        cells = [_cell(own, *column) for column in columns]
        rank = f"{ranks.mean_rank[variant]:.2f}" if ranks is not None and variant in ranks.mean_rank else "–"
        trained = seconds.get(variant, math.nan)
        rows.append((variant, *cells, rank, f"{trained:.0f}" if trained > 0 else "–", str(own[0].seeds)))
    return [f"Study, group {group}, budget {budget}{critical}.{left_out}", "", *table_lines(heads, rows)]


def p_text(value: float) -> str:
    """A p value with three digits; "unknown" where it is not finite."""
    return "unknown" if not math.isfinite(value) else "< .001" if value < 0.001 else f"{value:.3f}"


def _cell(own: Sequence[Mean], task: str, figure: str) -> str:
    return next((str(one) for one in own if (one.task, one.figure) == (task, figure)), "–")
