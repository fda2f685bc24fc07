"""One self-contained HTML page: sections, cards, tables, tabs. No script, font or picture is fetched from anywhere."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a page. `body` is HTML, `lead` a plain sentence below the title."""

    anchor: str
    title: str
    lead: str
    body: str


def page(title: str, summary: str, sections: Sequence[Section], foot: str) -> str:
    """The document as text; `title` and `summary` are plain text, `foot` is HTML."""
    style = (files("beatssl.reports") / "page.css").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in sections)
    parts = "".join(
        f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2><p class="lead">{escape(s.lead)}</p>{s.body}</section>'
        for s in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f"<header><h1>{escape(title)}</h1><p>{escape(summary)}</p><nav>{links}</nav></header>"
        f"<main>{parts}</main><footer>{foot}</footer></body></html>\n"
    )


def cards(facts: Iterable[tuple[str, str]]) -> str:
    """Large numbers in a row: (number, what it counts), both plain text."""
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{escape(number)}</b><span>{escape(what)}</span></div>' for number, what in facts
        )
        + "</div>"
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | float | int | None]], kind: str = "", caption: str = ""
) -> str:
    """A table of plain cells. Numbers stand right; None and NaN are shown as a dash."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    lines = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f'<div class="scroll {kind}"><table>{title}<thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def bars(caption: str, counts: Iterable[tuple[str, int]]) -> str:
    """Counts as bars, longest full width; names are plain text."""
    items = list(counts)
    most = max((count for _, count in items), default=1) or 1
    lines = "".join(
        f'<div class="bar"><span>{escape(name)}</span><i style="width:{100 * count / most:.1f}%"></i>'
        f"<b>{count:,}</b></div>"
        for name, count in items
    )
    return f'<div class="bars"><h3>{escape(caption)}</h3>{lines}</div>'


def tabs(name: str, panes: Sequence[tuple[str, str]]) -> str:
    """Panes of which one shows, chosen by radio buttons: works without script. Each is (plain label, HTML)."""
    buttons = "".join(
        f'<input type="radio" name="{name}" id="{name}-{at}"{" checked" if at == 0 else ""}>'
        f'<label for="{name}-{at}">{escape(label)}</label>'
        for at, (label, _) in enumerate(panes)
    )
    bodies = "".join(f'<div class="pane">{body}</div>' for _, body in panes)
    return f'<div class="tabs">{buttons}<div class="panes">{bodies}</div></div>'


def figure(svg: str, caption: str, least_em: int = 0) -> str:
    """A picture given as SVG text, with a plain caption below.

    On a narrow screen it keeps a width of `least_em` letters' heights and scrolls sideways in a box of its own.
    """
    return (
        f'<figure><div class="scroll" tabindex="0"><div style="min-width:{least_em}rem">{svg}</div></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def fold(summary: str, body: str) -> str:
    """HTML that shows when its plain summary is clicked."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def number(value: float | int | None) -> str:
    """Three significant digits, whole from a hundred on; a dash for what is missing."""
    if value is None or not math.isfinite(value):
        return "–"
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value + 0.0:.3g}".replace("-", "−")  # + 0.0 turns −0 into 0


def decimal(value: float) -> str:
    """One decimal, for columns of like numbers; a dash for what is missing."""
    return f"{round(float(value), 1) + 0.0:.1f}".replace("-", "−") if math.isfinite(value) else "–"


def percent(share: float) -> str:
    """A share between 0 and 1 in whole per cent."""
    return f"{100 * share:.0f} %"


def _cell(value: str | float | int | None) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="n">{number(value)}</td>'
