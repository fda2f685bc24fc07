"""What a user's table says of records beside their files: patient, age, sex, fold, and columns of its own."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from beatssl.records.demographics import OVER_89_YEARS, age_of, sex_of
from beatssl.records.privacy import salted_hash
from beatssl.records.reader import Reader, Source, named
from beatssl.records.record import Record
from beatssl.store.config import PrepareConfig
from beatssl.store.own_data.id_matching import match_ids, unmatched
from beatssl.store.own_data.user_table import ID_TITLES, UserTable, is_known, number_of, read_user_table

_PATIENT = ("patient_id", "patient", "subject_id", "subject", "person_id")
_AGE = ("age_years", "age")
_SEX = ("sex", "gender")
_FOLD = ("fold", "strat_fold")
_NO_SEX = frozenset(["unknown", "other", "u", "o", "x"])

_NAMES_SOMEBODY = frozenset(
    [
        "name", "surname", "first_name", "last_name", "given_name", "family_name", "patient_name",
        "birth_date", "birthdate", "date_of_birth", "dob", "birthday", "mrn", "ssn", "address", "phone",
        "email", *ID_TITLES, *_PATIENT,
    ]
)  # fmt: skip
"""Titles of columns that stay out unless identifiers are kept on purpose."""

_TAKEN = frozenset(
    [
        "record_id", "segment", "start_s", "patient_id", "age_years", "sex", "source", "source_fs_hz", "samples",
        "lead_names", "fold", "waveform_hash", "metadata",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class RecordTable:
    """What is said of each source, by its id, as changes of its record; `digest` is of the whole table."""

    said: Mapping[str, Mapping[str, Any]]
    nothing: Mapping[str, Any]
    """What a record has in the table's own columns where it has no line: NaN in those of numbers, None in others."""
    left_out: tuple[str, ...]
    """Columns whose title says that they name somebody."""
    without_line: int
    """Sources of which the table says nothing."""
    digest: str

    def of(self, sources: Sequence[Source]) -> "RecordTable":
        """The part for some sources."""
        return replace(self, said={one.id: self.said[one.id] for one in sources if one.id in self.said})


@dataclass(frozen=True)
class TableReader:
    """A reader whose records are what their files say, and what a table says of them."""

    reader: Reader
    table: RecordTable

    @property
    def kind(self) -> str:
        """That of the reader."""
        return self.reader.kind

    def sources(self, root: Path) -> list[Source]:
        """Those of the reader."""
        return self.reader.sources(root)

    def read(self, root: Path, source: Source) -> Record:
        """One record. Raises `RecordError`."""
        record = self.reader.read(root, source)
        said = self.table.said.get(source.id, {"own": self.table.nothing})
        return record.replace(**said)


def read_record_table(config: PrepareConfig, sources: Sequence[Source]) -> RecordTable | None:
    """The table `config.table`, its lines by source; None where there is none.

    Columns patient_id, age, sex and fold (or usual names of them) fill these of the records; all others become columns
    of the store's table `records`, numbers where all entries are. A column that names somebody is left out unless
    identifiers are kept. Records without a line stay as they are.

    Raises FileNotFoundError; ValueError for a line of no record, lines that contradict each other, an entry that is no
    age, sex or fold, and a title that the store's own table has.
    """
    if config.table is None:
        return None
    table = read_user_table(config.table)
    shown = {one.id: one.alias or one.id for one in sources}
    matched = match_ids(table.ids, list(shown), table.path)
    if missing := [text for text, found in matched.items() if found is None]:
        without = [shown[one] for one in shown if one not in set(matched.values())]
        raise unmatched(missing, len(matched), without, table.path, named(config.places))
    fields, own = _fields(table, config), _own(table, config)
    said: dict[str, dict[str, Any]] = {}
    for line, text in enumerate(table.ids):
        found: dict[str, Any] = {name: cells[line] for name, cells in fields.items() if cells[line] is not None}
        found["own"] = {title: cells[line] for title, cells in own.items()}
        if said.setdefault(str(matched[text]), found) != found:
            raise ValueError(f"{table.path}: two lines of record {text!r} contradict each other; keep one")
    content = json.dumps([table.ids, table.columns], sort_keys=True)
    return RecordTable(
        said=said,
        nothing={title: math.nan if _of_numbers(cells) else None for title, cells in own.items()},
        left_out=_left_out(table, config),
        without_line=len(shown) - len(said),
        digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def _plain(title: str) -> str:
    return title.lower().replace(" ", "_")


def _title(table: UserTable, names: Sequence[str]) -> str | None:
    """The title in the table that is the first of `names`."""
    plain = {_plain(title): title for title in table.columns}
    return next((plain[name] for name in names if name in plain), None)


def _left_out(table: UserTable, config: PrepareConfig) -> tuple[str, ...]:
    """Titles of columns that name somebody."""
    used = {_title(table, _PATIENT)}
    names = [title for title in table.columns if title not in used and _plain(title) in _NAMES_SOMEBODY]
    return () if config.keep_identifiers else tuple(names)


def _own(table: UserTable, config: PrepareConfig) -> dict[str, list[Any]]:
    """Columns that the store keeps as they are: floats where all known entries are numbers, else text."""
    used = {_title(table, names) for names in (_PATIENT, _AGE, _SEX, _FOLD)}
    left_out = _left_out(table, config)
    out: dict[str, list[Any]] = {}
    for title, column in table.columns.items():
        if title in used or title in left_out:
            continue
        if title in _TAKEN or title.startswith("flag_"):
            raise ValueError(f"{table.path}: the store's table has a column {title!r} of its own; rename that of yours")
        cells = [cell if is_known(cell) else None for cell in column]
        numbers = [math.nan if cell is None else number_of(cell) for cell in cells]
        out[title] = list(cells if None in numbers or not any(cells) else numbers)
    return out


def _of_numbers(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, float) for cell in cells)


def _fields(table: UserTable, config: PrepareConfig) -> dict[str, list[Any]]:
    """Values of every line by field of the record, None where not known."""
    known = {"patient_id": (_PATIENT, _patient), "age_years": (_AGE, _age), "sex": (_SEX, _sex), "fold": (_FOLD, _fold)}
    out: dict[str, list[Any]] = {}
    for name, (titles, read) in known.items():
        if (title := _title(table, titles)) is not None:
            out[name] = [
                read(cell, f"{table.path}: {title} {cell!r} of record {record!r}", config) if is_known(cell) else None
                for record, cell in zip(table.ids, table.columns[title], strict=True)
            ]
    return out


def _patient(cell: str, where: str, config: PrepareConfig) -> str:
    """As the id in a clinical file is kept, so that the two agree."""
    hashed = config.kind == "files" and not config.keep_identifiers
    return salted_hash(cell, config.salt_bytes()) if hashed else cell


def _age(cell: str, where: str, config: PrepareConfig) -> float:
    years = age_of(str(number_of(cell)))
    if years is None:
        raise ValueError(f"{where} is no age; write years, 0 to 120, or nothing")
    return years if years <= 89 or config.keep_identifiers else OVER_89_YEARS


def _sex(cell: str, where: str, config: PrepareConfig) -> str | None:
    if (sex := sex_of(cell)) is None and cell.lower() not in _NO_SEX:
        raise ValueError(f"{where} is no sex; write female or male, or nothing")
    return sex


def _fold(cell: str, where: str, config: PrepareConfig) -> int:
    number = number_of(cell)
    if number is None or number % 1 or number < 0:
        raise ValueError(f"{where} is no fold; write whole numbers, or call a column of train, valid and test 'split'")
    return int(number)
