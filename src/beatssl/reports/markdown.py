"""A table in Markdown."""

from collections.abc import Iterable, Sequence


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for the heads, one that rules them off, and one for each row; a row has a cell for each head."""
    return [row_line(head), "| --- " * len(head) + "|", *map(row_line, rows)]


def row_line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"
