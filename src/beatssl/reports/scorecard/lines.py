"""A scorecard as a table of a Markdown page."""

from beatssl.studies.scorecard.scores import Difference, Score, Scorecard

TITLES = {
    "validation": "Scorecard, validation folds, to choose by (`beatssl scorecard`):",
    "validation-added": (
        "Further tasks of the validation folds, and published encoders "
        "(`beatssl scorecard default random features ecg-fm:FILE ecgfounder:FILE --tasks …`):"
    ),
    "test": "Scorecard, test folds (`beatssl scorecard --test`):",
    "further-finetuned": (
        "Linear probes and fine-tuning on further databases, the same parts and labels, by the bundled encoder and by "
        "an untrained one, which learns from scratch "
        "(`beatssl scorecard default random --test --tasks ptbdb ptbdb-finetuned …`):"
    ),
}
"""Of the scorecards among the results, by the name of their file."""


def scorecard_lines(card: Scorecard, title: str) -> list[str]:
    """A title, then a line a figure, a column an encoder; the mean rank last, if any.

    Below it what encoders were pretrained on, and the first encoder less each other one.
    """
    found = {(one.task, one.figure, one.encoder): one for one in card.scores}
    lines = [
        title,
        "",
        f"| task | figure | {' | '.join(card.encoders)} |",
        "| --- " * (len(card.encoders) + 2) + "|",
    ]
    for task, figure in dict.fromkeys((one.task, one.figure) for one in card.scores):
        cells = " | ".join(_cell(found.get((task, figure, encoder))) for encoder in card.encoders)
        lines.append(f"| {task} | {figure} | {cells} |")
    if card.ranks:
        ranks = (card.mean_rank[encoder] for encoder in card.encoders)
        shown = " | ".join("–" if rank is None else f"{rank:.2f}" for rank in ranks)
        lines.append(f"| mean rank | {len(card.ranks)} tasks | {shown} |")
    below = ["", card.pretrained_on] if card.pretrained_on else []
    return [*lines, *below, *_differences(card)]


def _differences(card: Scorecard) -> list[str]:
    """What the first encoder has over the others in the figures that choose; nothing where no such is known."""
    found = {(one.task, one.figure, one.other): one for one in card.first_less_other if one.chooses}
    if not found:
        return []
    first, *others = card.encoders
    lines = [
        "",
        f"{first} less each other encoder, 95 % interval over patients, the same draws of them for both:",
        "",
        f"| task | figure | {' | '.join(others)} |",
        "| --- " * (len(others) + 2) + "|",
    ]
    for task, figure in dict.fromkeys((task, figure) for task, figure, _ in found):
        cells = " | ".join(difference_cell(found.get((task, figure, other))) for other in others)
        lines.append(f"| {task} | {figure} | {cells} |")
    return lines


def difference_cell(one: Difference | None) -> str:
    """A difference with its interval, signs before all."""
    if one is None:
        return "–"
    interval = "" if one.ci95 is None else f" ({one.ci95[0]:+.3f} to {one.ci95[1]:+.3f})"
    return f"{one.difference:+.3f}{interval}"


def _cell(score: Score | None) -> str:
    if score is None:
        return "–"
    if score.value is None:
        return score.reason or "–"
    text = _number(score.value)
    if score.ci95 is not None:
        to = " to " if score.ci95[0] < 0 else "–"
        text += f" ({_number(score.ci95[0])}{to}{_number(score.ci95[1])})"
    return f"**{text}**" if score.chooses else text


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"
