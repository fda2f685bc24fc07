"""Labels in a table of the user's own: yes or no for each label, names, or numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from beatssl.store.own_data.user_table import UserTable, number_of, read_user_table

YES = frozenset(["1", "1.0", "yes", "y", "true", "t"])
NO = frozenset(["0", "0.0", "no", "n", "false", "f"])

Kind = Literal["yes or no", "names", "numbers", "classes", "mixed", "nothing"]

_FILE = re.compile(r"(?P<path>.+\.(?:csv|tsv|txt))(?::(?P<columns>.+))?", re.IGNORECASE)
_TIMES = re.compile(r"(?:.*_)?(?:time|duration|follow_?up|survival)(?:_.*)?|(?:.*_)?(?:days|months|years)_to_.*")
_EVENTS = re.compile(r"(?:.*_)?(?:event|status|death|died|dead|censored|censor)(?:_.*)?")


@dataclass(frozen=True)
class LabelLine:
    """One entry that is known: 1 or 0 of a label, a number of a target."""

    record: str
    name: str
    value: float


@dataclass(frozen=True)
class LabelFile:
    """All known entries. `statements`: who has one label has no other than is said."""

    path: Path
    records: tuple[str, ...]
    names: tuple[str, ...]
    lines: tuple[LabelLine, ...]  # of one record and name there may be several
    statements: bool = False
    numbers: bool = False


def is_label_file(labels: str) -> bool:
    """Whether this names a file rather than a label set: my.csv, or my.csv:COLUMN,COLUMN."""
    return _FILE.fullmatch(labels) is not None


def label_path(labels: str) -> Path:
    """The file that `labels` names."""
    match = _FILE.fullmatch(labels)
    return Path(match["path"] if match else labels)


def read_label_file(labels: str) -> LabelFile:
    """Labels of a file, or of some columns of it (`my.csv:AF,VT`).

    A column `label`, or the only column where it holds names, is a statement a line: each name becomes a label of its
    own. Other columns hold yes or no (1, 0, true, false, …), or numbers. Empty is not known.

    Raises FileNotFoundError, and ValueError for columns of several kinds, entries that are neither yes nor no, classes
    written as numbers, and times to an event.
    """
    match = _FILE.fullmatch(labels)
    asked = [name.strip() for name in match["columns"].split(",")] if match and match["columns"] else []
    path = label_path(labels)
    return label_lines(read_user_table(path), asked, f"{path}:")


def label_lines(table: UserTable, asked: Sequence[str], spelled: str) -> LabelFile:
    """The same of a table, or of the columns `asked` for; `spelled` is what stands before a column in `labels`.

    Raises ValueError as `read_label_file` does.
    """
    if absent := [name for name in asked if name not in table.columns]:
        raise ValueError(f"{table.path} has no column {absent[0]!r}; it has {', '.join(table.columns)}")
    titles = list(asked) or (["label"] if "label" in table.columns else list(table.columns))
    if not titles:
        raise ValueError(f"{table.path} has ids alone; it needs a column label, or one for each label")
    _refuse_survival(table, titles)
    kinds: dict[str, Kind] = {title: _kind(table, title) for title in titles}
    if titles == ["label"] or (len(titles) == 1 and kinds[titles[0]] == "names"):
        return _statements(table, titles[0])
    _check(table, kinds, spelled)
    lines = tuple(LabelLine(record, title, _value(cell)) for title in titles for record, cell in table.known(title))
    numbers = set(kinds.values()) == {"numbers"}
    return LabelFile(table.path, _records(table), tuple(sorted(titles)), lines, numbers=numbers)


def _records(table: UserTable) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table.ids))


def _statements(table: UserTable, title: str) -> LabelFile:
    said = dict.fromkeys((record, name) for record, name in table.known(title))
    names = tuple(sorted({name for _, name in said}))
    if not names:
        raise ValueError(f"{table.path}: column {title!r} is empty; write a name on each line")
    lines = tuple(LabelLine(record, name, 1.0) for record, name in said)
    return LabelFile(table.path, _records(table), names, lines, statements=True)


def _value(cell: str) -> float:
    if cell.lower() in YES | NO:
        return float(cell.lower() in YES)
    value = number_of(cell)
    assert value is not None
    return value


def _kind(table: UserTable, title: str) -> Kind:
    cells = [cell.lower() for _, cell in table.known(title)]
    answers = [cell in YES | NO for cell in cells]
    if not cells or all(answers):
        return "yes or no" if cells else "nothing"
    if all(number_of(cell) is not None for cell in cells):
        return "classes" if all(re.fullmatch(r"\d", cell) for cell in cells) else "numbers"
    return "mixed" if any(answers) else "names"


def _check(table: UserTable, kinds: dict[str, Kind], spelled: str) -> None:
    """Raises ValueError where the columns do not make labels, or targets, of one kind."""
    for title, kind in kinds.items():
        if kind == "nothing":
            raise ValueError(f"{table.path}: column {title!r} is empty; fill or remove it")
        if kind == "mixed":
            record, cell = next((one for one in table.known(title) if one[1].lower() not in YES | NO), ("", ""))
            raise ValueError(
                f"{table.path} has entries other than 0, 1 and empty: {cell!r} for {title!r} of record {record!r}; "
                "write 1 or yes, 0 or no, and nothing where it is not known"
            )
        if kind == "classes":
            cell = next(cell for _, cell in table.known(title) if cell not in YES | NO)
            raise ValueError(
                f"{table.path}: {title!r} holds whole numbers such as {cell}, classes it seems, which have no order "
                f"here; write classes as names ({title} {cell}), each becomes a yes or no of its own, or measurements "
                f"with a decimal point ({cell}.0)"
            )
    if len(set(kinds.values())) > 1 or "names" in kinds.values():
        said = ", ".join(f"{title} ({kind})" for title, kind in kinds.items())
        likely = next((title for title, kind in kinds.items() if kind == "yes or no"), next(iter(kinds)))
        raise ValueError(
            f"{table.path} has columns of several kinds, or several of names: {said}; say which to learn, such as "
            f"labels='{spelled}{likely}'"
        )


def _refuse_survival(table: UserTable, titles: list[str]) -> None:
    plain = {title: title.lower().replace(" ", "_") for title in titles}
    times = [title for title in titles if _TIMES.fullmatch(plain[title])]
    events = [title for title in titles if _EVENTS.fullmatch(plain[title])]
    if times and events:
        raise ValueError(
            f"{table.path}: {times[0]!r} and {events[0]!r} are a time to an event (survival), which is not learnt; "
            "make a yes or no within a fixed time of it, and leave out who was censored before"
        )
