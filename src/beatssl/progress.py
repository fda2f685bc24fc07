"""One progress bar for all long work: rate and remaining time on a terminal, nothing otherwise."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

Item = TypeVar("Item")
Advance = Callable[[float], None]


class _RateColumn(ProgressColumn):
    """Steps a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {self.unit}/s", style="progress.data.speed")


@contextmanager
def progress(
    description: str,
    total: float | None = None,
    unit: str = "records",
    console: Console | None = None,
) -> Generator[Advance, None, None]:
    """A bar on standard error for the length of a `with` block; the block calls `advance(steps)`, from any thread.

    `total` is the number of steps (None: unknown, the bar pulses). `unit` names a step; "bytes" shows sizes. Off a
    terminal (a pipe, a log, a test) nothing is printed and `advance` does nothing. A `console` may stand in for
    standard error.

        with progress("Reading", total=len(paths)) as advance:
            for path in paths:
                read(path)
                advance(1)
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda steps: None
        return
    amounts = (
        (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(), _RateColumn(unit))
    )
    columns = (TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


def track(
    items: Iterable[Item],
    description: str,
    total: float | None = None,
    unit: str = "records",
    console: Console | None = None,
) -> Iterator[Item]:
    """The items as they come, counted on a `progress` bar; `total` is read off `items` where it has a length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(description, total, unit, console) as advance:
        for item in items:
            yield item
            advance(1)
