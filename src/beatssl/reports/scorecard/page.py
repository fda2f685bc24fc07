"""A scorecard as one HTML page: the mean rank, a bar picture, a table of all figures."""

from html import escape

from beatssl._version import __version__
from beatssl.reports.page import Section, cards, figure, number, page, table
from beatssl.reports.scorecard.lines import difference_cell
from beatssl.reports.scorecard.pictures import bars_of_tasks
from beatssl.studies.scorecard.scores import Score, Scorecard
from beatssl.studies.scorecard.tasks import TASKS

_OF_FOLDS = {
    "validation": "Figures are of the validation folds, for choosing between encoders.",
    "test": "Figures are of the test folds, for what was chosen on others.",
}


def scorecard_page(card: Scorecard) -> str:
    """The document as text."""
    sections = [_ranks(card), _bars(card), _table(card)]
    if card.first_less_other:
        sections.append(_first_less_other(card))
    if any(one.reason for one in card.scores):
        sections.append(_missing(card))
    foot = f"Made by beatssl {__version__}. A research tool, no medical device: not for diagnosis or treatment."
    return page("Scorecard of encoders", f"Frozen weights on every task. {_OF_FOLDS[card.folds]}", sections, foot)


def _ranks(card: Scorecard) -> Section:
    known = {name: rank for name, rank in card.mean_rank.items() if rank is not None}
    order = sorted(known, key=lambda name: known[name])
    facts = cards((f"{known[name]:.2f}", name) for name in order)
    rows = [(task, TASKS[task].about, *(of.get(name) for name in order)) for task, of in card.ranks.items()]
    lead = "The mean rank over the tasks below: the least is the best. An encoder without a value in one has none."
    return Section("rank", "Mean rank", lead, facts + table(("task", "", *order), rows))


def _bars(card: Scorecard) -> Section:
    caption = f"Lines are 95 % intervals over {card.bootstrap_draws:,} bootstrap draws of patients."
    lead = "The figure that stands for each task; the best is dark. Bars of AUROC begin at 0.5."
    return Section("bars", "Each task", lead, figure(bars_of_tasks(card), caption, 48))


def _table(card: Scorecard) -> Section:
    found = {(one.task, one.figure, one.encoder): one for one in card.scores}
    rows: list[tuple[str | int, ...]] = []
    for task, name in dict.fromkeys((one.task, one.figure) for one in card.scores):
        of = [found.get((task, name, encoder)) for encoder in card.encoders]
        records = max((one.records for one in of if one is not None), default=0)
        mark = " *" if any(one is not None and one.chooses for one in of) else ""
        rows.append((task, name + mark, records, *map(_cell, of)))
    lead = "With 95 % intervals. Figures with a star count in the mean rank."
    below = f"<p>{escape(card.pretrained_on)}</p>" if card.pretrained_on else ""
    return Section("figures", "All figures", lead, table(("task", "figure", "records", *card.encoders), rows) + below)


def _first_less_other(card: Scorecard) -> Section:
    first, *others = card.encoders
    found = {(one.task, one.figure, one.other): one for one in card.first_less_other}
    rows: list[tuple[str, ...]] = []
    for task, name in dict.fromkeys((one.task, one.figure) for one in card.first_less_other):
        of = [found.get((task, name, other)) for other in others]
        less = "" if all(one is None or one.higher_is_better for one in of) else ", less is better"
        rows.append((task, name + less, *map(difference_cell, of)))
    lead = (
        f"{first} less each other encoder, with 95 % intervals over patients. Every bootstrap draw has the same "
        "patients for both: an interval without 0 tells two encoders apart even where their own intervals overlap."
    )
    heads = ("task", "figure", *(f"less {other}" for other in others))
    return Section("differences", "The first encoder against the others", lead, table(heads, rows))


def _missing(card: Scorecard) -> Section:
    rows = [(one.encoder, one.task, one.reason) for one in card.scores if one.reason]
    return Section("missing", "What has no figure", "And why.", table(("encoder", "task", "reason"), rows))


def _cell(score: Score | None) -> str:
    if score is None or score.value is None:
        return "–"
    interval = "" if score.ci95 is None else f" ({number(score.ci95[0])} to {number(score.ci95[1])})"
    return number(score.value) + interval
