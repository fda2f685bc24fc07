"""How the command line shows what a verb returns."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from beatssl.messages import as_flags, flags_of

if TYPE_CHECKING:
    from rich.console import Console

INCOMPLETE = 1
"""Exit status where a command did its work and some records were refused, or runs failed."""

_LONGEST_LIST = 12
_LONGEST_REFUSALS = 40


def show_downloaded(result: Any) -> None:
    """How many files came and how many were there."""
    print(f"{result.fetched:,} files fetched, {result.kept:,} were there already; all have their published checksums")


def show_line(result: Any) -> None:
    """What the result says of itself."""
    print(result)


def show_study(result: Any) -> None:
    """The contrasts, and status 1 where a run failed or waits for a store."""
    print(result)
    if not result.complete:
        sys.exit(INCOMPLETE)


def show_analyzed(result: Any) -> None:
    """What was found; each refused record with its reason on standard error, and status 1 where there is one.

    Many refused records are cut short: the table has all.
    """
    from beatssl import AnalyzeConfig

    print(result)
    flags = flags_of(AnalyzeConfig)
    for one in result.refusals[:_LONGEST_REFUSALS]:
        said = as_flags(" ".join(one.message.split()).removeprefix(f"{one.file}: "), flags)
        print(f"refused: {one.file}: {one.reason}: {said}", file=sys.stderr)
    if (more := len(result.refusals) - _LONGEST_REFUSALS) > 0:
        print(f"refused: {more:,} more, in refused.parquet", file=sys.stderr)
    if not result.complete:
        print("status 1, since records were refused; with --keep-going it is 0", file=sys.stderr)
        sys.exit(INCOMPLETE)


def show_line_or_figures(result: Any) -> None:
    """Figures as tables, a path as what it says of itself."""
    show_line(result) if isinstance(result, PurePath) else show_figures(result)


def show_figures(result: Any) -> None:
    """Figures as tables: plain numbers first, then a table for each group of them. Long lists are only counted.

    Parts of a result that its file alone holds (curves, single draws and folds, provenance) are not printed.
    """
    from rich.console import Console

    from beatssl.results import printed

    figures: Mapping[str, Any] = printed(result)
    console = Console(width=None if sys.stdout.isatty() else 120)
    plain = {name: value for name, value in figures.items() if not isinstance(value, Mapping)}
    if plain:
        _show_group(console, "", plain)
    for name, group in figures.items():
        if isinstance(group, Mapping):
            _show_group(console, name, group)


def _show_group(console: "Console", title: str, group: Mapping[str, Any]) -> None:
    """Entries that hold the same figures share a table, a line each; all others are lines of name and value."""
    lists = {name: entry for name, entry in group.items() if _is_table(entry)}
    for name, lines in lists.items():
        columns = tuple(lines[0])
        rows = {str(number): tuple(line.values()) for number, line in enumerate(lines, start=1)}
        _show_table(console, f"{title}: {name}" if title else name, columns, rows)
    group = {name: entry for name, entry in group.items() if name not in lists}
    nested = {name: entry for name, entry in group.items() if isinstance(entry, Mapping)}
    single = {name: (entry,) for name, entry in group.items() if name not in nested}
    if single:
        _show_table(console, title, ("",), single)
    deeper = [name for name, entry in nested.items() if any(isinstance(value, Mapping) for value in entry.values())]
    flat = {name: entry for name, entry in nested.items() if name not in deeper}
    for columns in dict.fromkeys(map(tuple, flat.values())):
        rows = {name: tuple(entry.values()) for name, entry in flat.items() if tuple(entry) == columns}
        _show_table(console, title, columns, rows)
    for name in deeper:
        _show_group(console, f"{title}: {name}" if title else name, nested[name])


def _is_table(entry: Any) -> bool:
    """Whether this is a list of figures that all have the same names: a line each."""
    lines = entry if isinstance(entry, (list, tuple)) else ()
    return bool(lines) and all(isinstance(one, Mapping) and list(one) == list(lines[0]) for one in lines)


def _show_table(console: "Console", title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> None:
    from rich.table import Table

    table = Table(title=title.replace("_", " ") or None, title_justify="left", header_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, values in rows.items():
        table.add_row(name.replace("_", " "), *(_number(value) for value in values))
    console.print(table)


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_number(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        if len(value) > _LONGEST_LIST:
            return f"{len(value)} of them"
        return ", ".join(_number(v) for v in value)
    return str(value)
