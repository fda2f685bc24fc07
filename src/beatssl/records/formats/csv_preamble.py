"""What stands before a table: rate, unit, lead and person, as Apple's Health and other exports write them."""

import re
import warnings
from dataclasses import dataclass, field

import pandas as pd

from beatssl.records.formats.stated import hz_in
from beatssl.records.record import RecordError
from beatssl.records.recording import Person
from beatssl.records.units import mv_per
from beatssl.signals.leads import canonical_lead, lead_kind

_PREAMBLE = 64  # lines that may stand before a table
_ROWS_OF_TABLE, _HEAD_BYTES = 3, 4096
_TIME = re.compile(r"(?:[\d./-]+[T ])?\d{1,2}(?::\d{1,2}){1,2}(?:[.,]\d+)?")
_PAIR = re.compile(r'"?([^"]*?)"?\s*[,;:\t]\s*"?(.*?)"?\s*[,;]*$')
_LEAD_KEYS = ("lead", "ableitung", "derivación", "dérivation", "derivazione")
_UNIT_KEYS = ("unit", "units", "einheit", "unidad", "unité", "unità")
_NAME_KEYS = ("name", "nombre", "nom", "nome")
_BIRTH_KEYS = ("date of birth", "geburtsdatum", "fecha de nacimiento", "date de naissance", "data di nascita")


@dataclass(frozen=True)
class Said:
    """What the lines before a table state."""

    fs_hz: float | None = None
    unit: str | None = None
    lead: str = ""
    person: Person = field(default_factory=Person)


def table_start(lines: list[str]) -> int:
    """The line at which the table begins: after comments, and after a preamble that states a rate."""
    start = 0
    while start < len(lines) and (not lines[start].strip() or lines[start].startswith("#")):
        start += 1
    told = [
        i for i, line in enumerate(lines[start : start + _PREAMBLE], start) if hz_in(line) and not _is_numbers(line)
    ]
    if not told:
        return start
    first = next((i for i in range(told[-1] + 1, len(lines)) if _is_numbers(lines[i])), len(lines))
    titles = first - 1
    if first == len(lines) or titles <= told[-1] or _lead_of(_pairs(lines[start:first])):
        return first
    counts = [[line.count(mark) for mark in ",;\t"] for line in (lines[titles], lines[first])]
    return titles if counts[0] == counts[1] != [0, 0, 0] else first


def is_table(head: bytes) -> bool:
    """Whether a file that begins so is a table of numbers: its last whole lines there are rows of as many cells, times
    among them. One column alone may be anything, unless the file is long or says its rate."""
    try:
        lines = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252").splitlines()
    except UnicodeDecodeError:
        return False
    whole = len(head) < _HEAD_BYTES
    rows = [line.strip() for line in (lines if whole else lines[:-1]) if line.strip()][-_ROWS_OF_TABLE:]
    if len(rows) < _ROWS_OF_TABLE:
        return False
    mark = max(";\t,", key=rows[0].count) if any(mark in rows[0] for mark in ";\t,") else None
    cells = [row.split(mark) for row in rows]
    if len({len(row) for row in cells}) > 1 or not all(map(_of_numbers_and_times, cells)):
        return False
    return len(cells[0]) > 1 or not whole or any(hz_in(line) for line in lines)


def _of_numbers_and_times(cells: list[str]) -> bool:
    known = [is_number(cell, ",") or _TIME.fullmatch(cell.strip().strip("'\"[]")) is not None for cell in cells]
    return all(known) and any(cell.strip() and is_number(cell, ",") for cell in cells)


def _is_numbers(line: str) -> bool:
    cells = [cell for cell in re.split(r"[;,\t ]+", line.strip().replace('"', "")) if cell]
    return bool(cells) and all(is_number(cell, ".") for cell in cells)


def _pairs(lines: list[str]) -> dict[str, str]:
    found = (_PAIR.fullmatch(line.lstrip("# ")) for line in lines)
    return {match[1].strip().lower(): match[2].strip() for match in found if match}


def _lead_of(pairs: dict[str, str]) -> str:
    """The lead that a preamble states: under a known key, or as "Afleiding,Afleiding I" in any language."""
    for key, value in pairs.items():
        if key in _LEAD_KEYS or (key and value.lower().startswith(f"{key} ")):
            lead = canonical_lead(value[len(key) :] if value.lower().startswith(f"{key} ") else value)
            if lead_kind(lead) in ("twelve", "lead"):
                return lead
    return ""


def read_preamble(lines: list[str], where: str) -> Said:
    """What the lines state. Raises `RecordError` ("sampling-rate") where they state two rates."""
    pairs = _pairs(lines)

    def of(keys: tuple[str, ...]) -> str:
        return next((pairs[key] for key in keys if pairs.get(key)), "")

    units = [of(_UNIT_KEYS), *(value for value in pairs.values() if re.fullmatch("[nuµμm]V", value))]
    unit = next((unit for unit in units if unit and mv_per(unit) is not None), None)
    rates = {hz for line in lines if (hz := hz_in(line))}
    if len(rates) > 1:
        raise RecordError(
            "sampling-rate",
            f"{where}: states {' and '.join(f'{hz:g}' for hz in sorted(rates))} Hz before its table; leave one of them",
        )
    lead = _lead_of(pairs)
    name = of(_NAME_KEYS) or (next(iter(pairs.values())) if lead and unit and rates else "")  # Apple writes it first
    name = "" if hz_in(name) or mv_per(name) is not None else name
    return Said(
        next(iter(rates), None), unit, lead, Person(names=tuple(name.split()), birth_date=_birth(of(_BIRTH_KEYS)))
    )


def _birth(text: str) -> str:
    """YYYY-MM-DD, or "" where the order of day and month is open."""
    match = re.fullmatch(r"(\d{1,2})([./-])(\d{1,2})[./-](\d{4})", text)
    if match and match[2] != "." and int(match[1]) <= 12 and int(match[3]) <= 12 and match[1] != match[3]:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dates in no usual order
            birth = (
                pd.to_datetime(text, errors="coerce", dayfirst=match is not None and match[2] == ".")
                if text
                else pd.NaT
            )
    except (ValueError, OverflowError):
        return ""
    return "" if pd.isna(birth) else str(birth.date())


def is_number(text: str, decimal: str) -> bool:
    """Whether a cell is a number, quoted or not, or empty."""
    try:
        float(text.strip().strip('"').replace(decimal, ".") or "nan")
    except ValueError:
        return False
    return True
