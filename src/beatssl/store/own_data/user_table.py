"""A table that a user wrote, as text: any separator, byte order mark or index column, and its column of record ids."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ID_TITLES = ("record_id", "record", "id", "ecg_id", "file", "filename", "file_name", "path")
"""Titles of a column of record ids; the first of these that is there counts."""

UNKNOWN = frozenset(["", "na", "n/a", "nan", "null", "?"])
"""Entries, in small letters, of what is not known."""

_SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class UserTable:
    """Columns by title, all cells as text without blanks around them, and the record id of each line as written."""

    path: Path
    ids: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]

    def known(self, title: str) -> list[tuple[str, str]]:
        """Record id and entry of the lines where the column `title` has one."""
        return [(one, cell) for one, cell in zip(self.ids, self.columns[title], strict=True) if is_known(cell)]


def is_known(cell: str) -> bool:
    return cell.lower() not in UNKNOWN


def read_user_table(path: Path) -> UserTable:
    """The table at `path`: a line of titles, then a line a record. `00010` stays `00010`.

    Raises FileNotFoundError; ValueError where it is empty or uneven, a title stands twice, or no column or line has a
    record id.
    """
    titles, lines = _cells_of(path)
    plain = [title.lower().replace(" ", "_") for title in titles]
    at = next((plain.index(title) for title in ID_TITLES if title in plain), None)
    if at is None:
        named = ", ".join(filter(None, titles))
        raise ValueError(f"{path} has no column of record ids; its columns are {named}; call one of them record_id")
    ids = tuple(line[at] for line in lines)
    if "" in ids:
        raise ValueError(f"{path}: line {ids.index('') + 2} has no {titles[at]}; write one, or remove the line")
    columns = {title: tuple(line[i] for line in lines) for i, title in enumerate(titles) if i != at}
    return UserTable(path, ids, {title: cells for title, cells in columns.items() if not _is_index(title, cells)})


def records_table(records: pd.DataFrame, path: Path) -> UserTable:
    """The columns of a store's records as a user would have written them; those of flags are left out."""
    columns = {
        str(title): tuple("" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True))
        for title, cells in records.drop(columns="record_id").items()
        if not str(title).startswith("flag_")
    }
    return UserTable(path, tuple(records["record_id"].astype(str)), columns)


def number_of(cell: str) -> float | None:
    """The finite number that a cell holds, its decimal mark a point or a comma; None for any other text."""
    text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _cells_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """Titles and lines, every line as long as the titles."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; pass a table of a line a record, such as CSV")
    text = _decoded(path.read_bytes())
    first = text.lstrip("\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        cells = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"{path} is no table of text ({error}); save it as CSV") from None
    if len(cells) < 2:
        raise ValueError(f"{path} has {len(cells)} lines; it needs titles, and a line a record")
    titles, lines = cells[0], cells[1:]
    if twice := next((title for title in titles if title and titles.count(title) > 1), None):
        raise ValueError(f"{path} has two columns {twice!r}; rename or remove one")
    for number, line in enumerate(lines, start=2):
        if any(line[len(titles) :]) or len(line) < len(titles):
            raise ValueError(f"{path}: line {number} has {len(line)} cells, the titles {len(titles)}; mend the line")
    return titles, lines


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # Excel's "CSV" in Western Europe


def _is_index(title: str, cells: tuple[str, ...]) -> bool:
    """Whether a column is what `DataFrame.to_csv()` writes without being asked: the numbers of the lines."""
    numbers = tuple(map(str, range(len(cells))))
    return not title or (title.startswith("Unnamed: ") and cells == numbers)
