"""The table of what others publish of the cost of pretraining their encoders; none of it was measured here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from beatssl.reports.markdown import table_lines
from beatssl.results import read_result

FILE = "published/costs.json"
MISSING = f"`results/{FILE}` is missing."

_HEAD = ("published, not measured here", "pretrained on", "million weights", "hardware", "training", "GPU hours",
         "sources")  # fmt: skip


@dataclass(frozen=True)
class PublishedCost:
    """What the named sources say of one model; None or empty: they do not say it."""

    model: str
    pretrained_on: str
    sources: Mapping[str, str]
    """Address by what stands there."""
    million_weights: float | None = None
    gflop: float | None = None
    """Thousand millions of operations for one record, forward."""
    hardware: str = ""
    gpus: int | None = None
    days: float | None = None
    """How long all GPUs were used."""
    training: str = ""


@dataclass(frozen=True)
class PublishedCosts:
    """The file of published costs."""

    models: tuple[PublishedCost, ...]


def published_costs_table(results: Path) -> str:
    """Markdown: a line a model; one sentence where the file is missing.

    Raises ValueError where the file holds something else.
    """
    if not (results / FILE).is_file():
        return MISSING
    return "\n".join(table_lines(_HEAD, map(_cells, read_result(results / FILE, PublishedCosts).models)))


def _cells(cost: PublishedCost) -> tuple[str, ...]:
    hours = "–" if cost.gpus is None or cost.days is None else f"{24 * cost.gpus * cost.days:,.0f}"
    return (
        cost.model, cost.pretrained_on, _size(cost), _hardware(cost), cost.training or "–", hours,
        ", ".join(f"[{what}]({address})" for what, address in cost.sources.items()),
    )  # fmt: skip


def _size(cost: PublishedCost) -> str:
    weights = "–" if cost.million_weights is None else f"{cost.million_weights:.1f}"
    return weights if cost.gflop is None else f"{weights}; {cost.gflop:.2f} GFLOP a record"


def _hardware(cost: PublishedCost) -> str:
    if cost.gpus is None:
        return cost.hardware or "–"
    return f"{cost.gpus} × {cost.hardware}" if cost.hardware else f"{cost.gpus} GPUs"
