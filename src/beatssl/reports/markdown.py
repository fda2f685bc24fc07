"""A table in Markdown."""

from collections.abc import Iterable, Sequence


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for the heads, one that rules them off, and one for each row; a row has a cell for each head."""
    first, *rest = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return [first, "| --- " * len(head) + "|", *rest]
