"""What is shown of each record where there are several: on the terminal, and in the index of pages."""

from collections.abc import Mapping

COLUMNS = {
    "record_id": "record", "duration_s": "s", "beats": "beats", "rate_bpm": "/min",
    "pr_interval_global_ms": "PR", "qrs_duration_global_ms": "QRS", "qt_interval_global_ms": "QT",
    "quality": "quality", "flags": "flags",
}  # fmt: skip
"""Columns of records.parquet, and their heads."""

LEGEND = "Rate per minute, intervals in ms over the leads together, – not determinable."


def cells(line: Mapping[str, object]) -> tuple[str, ...]:
    """The columns of one record as text."""
    return tuple(_cell(line.get(name)) for name in COLUMNS)


def _cell(value: object) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}" if value < 1 else f"{value:.0f}"
    return str(value)
