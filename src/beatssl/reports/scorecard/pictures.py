"""The bars of a scorecard: a panel a task, a bar an encoder."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from beatssl.drawing.figures import drawing, svg_text
from beatssl.studies.scorecard.scores import Score, Scorecard

_ACROSS = 3
_CHANCE = {"AUROC": 0.5}
"""Where bars begin; others at 0."""
_BEST, _BAR, _INTERVAL = "#2563eb", "#93c5fd", "#1e293b"


def bars_of_tasks(card: Scorecard) -> str:
    """The figure that stands for each task, of every encoder that has it, with its interval, as SVG text.

    Bars of AUROC begin at 0.5. The best of a task is dark. A figure of which less is better says so in the title.
    """
    panels = [of for of in _panels(card).values() if of]
    down = -(-len(panels) // _ACROSS)
    with drawing(11.0, max(1, down) * (0.9 + 0.28 * len(card.encoders))) as figure:
        for place, scores in enumerate(panels, start=1):
            draw_bars(figure.add_subplot(down, _ACROSS, place), scores, card.encoders)
        if panels:
            figure.tight_layout()
        return svg_text(figure)


def _panels(card: Scorecard) -> dict[str, list[Score]]:
    """Scores with a value of the first figure of each task."""
    first: dict[str, str] = {}
    for one in card.scores:
        if one.value is not None:
            first.setdefault(one.task, one.figure)
    return {
        task: [one for one in card.scores if (one.task, one.figure) == (task, name) and one.value is not None]
        for task, name in first.items()
    }


def draw_bars(axes: Axes, scores: Sequence[Score], encoders: Sequence[str]) -> None:
    """One task: a bar from chance to the value for each encoder that has one, and its interval as a line."""
    start = _CHANCE.get(scores[0].figure, 0.0)
    values = {one.encoder: one.value for one in scores if one.value is not None}
    best = (max if scores[0].higher_is_better else min)(values.values())
    for place, encoder in enumerate(encoders):
        if encoder in values:
            colour = _BEST if values[encoder] == best else _BAR
            axes.barh(place, values[encoder] - start, left=start, height=0.65, color=colour)
    for one in scores:
        if one.ci95 is not None:
            place = encoders.index(one.encoder)
            axes.plot(one.ci95, (place, place), color=_INTERVAL, linewidth=1.1)
    axes.set_yticks(range(len(encoders)), encoders)
    axes.invert_yaxis()
    title = scores[0].task.replace("-", " ")
    axes.set_title(title[0].upper() + title[1:], fontsize=9)
    axes.set_xlabel(f"{scores[0].figure}{'' if scores[0].higher_is_better else ', less is better'}", fontsize=8)
