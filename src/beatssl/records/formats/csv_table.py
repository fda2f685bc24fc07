"""Tables of numbers as text: CSV of any separator, with or without titles, times, a preamble or an index."""

import csv
import io
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from beatssl.records.formats.csv_preamble import Said, is_number, read_preamble, table_start
from beatssl.records.formats.options import FileOptions
from beatssl.records.formats.stated import has_constant_step, hz_of_times, in_leads, rate
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Recording
from beatssl.records.units import mv_per
from beatssl.signals.leads import LEADS, canonical_lead, lead_kind

_UNIT_AFTER = re.compile(r"(?P<name>.*\S)\s*[(\[]\s*(?P<unit>[^()\[\]]+?)\s*[)\]]")
_MOST_LEADS = 64
_UNIT_SUFFIX = re.compile(r"(?P<name>.*[^\s_])[\s_]+(?P<unit>[nuµμm]V)", re.IGNORECASE)
_OF_UNITS = re.compile(
    r"[nuµμm]?v|volts?|m?secs?|m?s|[nuµ]s|(?:milli)?seconds?|mmhg|bpm|1/min|%|nu|adu|pm|ohm|°?c|m?g|[hms:.]+|",
    re.IGNORECASE,
)
_TIME_TITLE = re.compile(
    r"(?:elapsed )?time(?:[ _]?stamp)?[ _]?(?:s|ms|us|sec|seconds)?|t|t_m?s|m?s|secs?|(?:milli)?seconds|zeit",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"'?\[?(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)\]?'?")
_DATE = re.compile(r"\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}[T ]\d{1,2}:\d{2}")
_HUGE_EXPONENT = re.compile(r"[\d.][eE][+-]?\d{5}")  # pandas 2.3 crashes the process on 1e99999999999
_LEAD_COLUMN = frozenset(["lead", "lead_name", "channel", "signal"])
_VALUE_COLUMN = frozenset(["value", "amplitude", "voltage", "mv", "uv"])
_RECORD_COLUMN = frozenset(["record", "record_id", "id", "ecg_id", "exam_id", "ecg", "file", "filename", "recording"])
_SAMPLE_COLUMN = frozenset(["sample", "samples", "index", "sample_index", "n"])


def read_csv(content: bytes, where: str, options: FileOptions) -> Recording:
    """The leads of a table, a column or a row each.

    Columns are parted by commas, semicolons, tabs or blanks, decimals by points or commas. A first row that is no
    numbers names the columns, with or without their unit ("II (mV)"). Those of `options.lead_names` are taken, or,
    without them, those that are surely leads, or, where none is, all but times and what is known to be no ECG. A column
    of constant step under no lead's title is a time or a counter; its title or its step states the rate. A row of units
    may follow the titles. Rows may be leads too, each after its name. Other columns are left out, and named in
    `metadata["left_out"]` where their title is a known signal's. A file without titles needs `options.lead_names`.
    Lines before the table (as Apple's Health writes) and comments may state rate, lead and unit. Empty cells are NaN.

    Raises `RecordError`: "unreadable", "truncated" (the last row is short), "unit", "sampling-rate" (also where times
    are missing).
    """
    lines = _decoded(content).splitlines()
    start = table_start(lines)
    said = read_preamble(lines[:start], where)
    body = [line for line in lines[start:] if line.strip() and not line.startswith("#")]
    if not body:
        raise RecordError("unreadable", f"{where}: expected a table with lead names or numbers, found no line of one")
    if any(_HUGE_EXPONENT.search(line) for line in body):
        raise RecordError("unreadable", f"{where}: not a table of numbers: an exponent has five digits or more")
    separator, decimal = _dialect(body, said.lead != "")
    body = _even(_units_in_titles(body, separator), separator, where)
    columns, times_hz, left_out = _columns(body, separator, decimal, said, where, options)
    fs_hz = rate(said.fs_hz or times_hz, where, "csv", options)
    for _, _, unit in columns:
        if unit and options.unit and mv_per(unit) != mv_per(options.unit):
            raise RecordError("unit", f"{where}: states {unit} itself, but unit={options.unit!r} is passed")
    channels = tuple(Channel(name, values, fs_hz, unit or said.unit) for name, values, unit in columns)
    metadata = {"left_out": ", ".join(left_out)} if left_out else {}
    return Recording("csv", channels, said.person, metadata, told=bool(options.lead_names))


_Column = tuple[str, Float[np.ndarray, " time"], str | None]
"""Name ("" for what may be free text), samples, and the unit that the title states."""


class _Leads(NamedTuple):
    """The leads of a table."""

    columns: list[_Column]
    fs_hz: float | None  # as a column of times states it
    left_out: tuple[str, ...] = ()  # columns that are no lead and no time; "column 3" for what may be free text


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _cells(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return [cell.strip("\"'") for cell in line.split()]
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        cells = line.split(separator)
    return [cell.strip().strip("'").strip() for cell in cells]


def _units_in_titles(body: list[str], separator: str) -> list[str]:
    """The lines with a row of units that follows the titles made part of them: "II (mV)"."""
    if len(body) < 3 or separator == r"\s+":
        return body
    titles, units = _cells(body[0], separator), _cells(body[1], separator)
    if len(titles) != len(units) or not any(units) or not all(_OF_UNITS.fullmatch(unit) for unit in units):
        return body
    both = [f"{title} ({unit})" if unit else title for title, unit in zip(titles, units, strict=True)]
    return [separator.join('"' + title.replace('"', "") + '"' for title in both), *body[2:]]


def _even(body: list[str], separator: str, where: str) -> list[str]:
    """The lines, with a title for row names that have none (R writes such).

    Raises `RecordError` where a row has fewer or more cells than the first of numbers: a number may be two, or cut.
    """
    if len(body) < 2:
        return body
    expected = len(_cells(body[1], separator))
    for i, line in enumerate(body[1:], start=2):
        count = line.count(separator) + 1 if len(separator) == 1 and '"' not in line else len(_cells(line, separator))
        if count < expected or (count > expected and any(_cells(line, separator)[expected:])):
            raise RecordError(
                "truncated" if i == len(body) and count < expected else "unreadable",
                f"{where}: not a table of numbers: row {i} has {count} cells, the first row of numbers {expected}",
            )
    first = _cells(body[0], separator)
    if any(first[expected:]):
        raise RecordError(
            "truncated" if len(body) == 2 else "unreadable",
            f"{where}: not a table of numbers: {len(first)} cells in its first row, {expected} in the next",
        )
    missing = expected - len(first)
    if missing > 0 and _cells(body[1], separator)[-1]:
        if missing > 1 or all(is_number(cell, ".") for cell in first):
            raise RecordError(
                "unreadable",
                f"{where}: not a table of numbers: {len(first)} cells in its first row, {expected} in the next",
            )
        return [f"index{' ' if len(separator) > 1 else separator}{body[0]}", *body[1:]]
    return body


def _dialect(body: list[str], one_lead: bool) -> tuple[str, str]:
    """Separator and decimal mark."""
    first = body[0]
    if one_lead and all(re.fullmatch(r'"?[-+]?\d+(?:,\d+)?"?[;,]?', line.strip()) for line in body):
        return ";", ","  # one number a line; a comma is its decimal mark
    separator = max(",;\t", key=first.count) if any(mark in first for mark in ",;\t") else r"\s+"
    decimal = "," if separator in (";", "\t") and any("," in line for line in body[1:]) else "."
    if separator == ",":  # in quotes; three digits alone might be thousands
        quoted = [cell for line in body[1:] if '"' in line for cell in re.findall(r'"[-+]?\d*,(\d+)"', line)]
        decimal = "," if any(len(cell) != 3 for cell in quoted) else "."
    return separator, decimal


def _columns(body: list[str], separator: str, decimal: str, said: Said, where: str, options: FileOptions) -> _Leads:
    """The leads, and the rate that a column of times states."""
    leads = options.lead_names
    cells = [is_number(cell, decimal) for cell in _cells(body[0], separator)]
    lead_rows = len(cells) > 1 and not cells[0] and all(cells[1:])
    header = None if all(cells) or lead_rows else 0
    counted = [cell.strip().strip('"') for cell in body[0].split(separator)] if separator != r"\s+" else []
    if header is None and len(counted) > 1 and counted == ["", *map(str, range(len(counted) - 1))]:
        header = 0  # DataFrame.to_csv of an array: numbered columns beside a numbered index
    index = False if header == 0 else 0 if lead_rows else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells after the last, which are empty
            # "round_trip": to the last bit, which pandas' own number parser is not.
            table = pd.read_csv(
                io.StringIO("\n".join(body)), sep=separator, decimal=decimal, header=header, index_col=index,
                float_precision="round_trip",
            )  # fmt: skip
    except (ValueError, IndexError):  # pandas' own parser errors are ValueErrors
        raise RecordError("unreadable", f"{where}: not a table of numbers, or cut short") from None
    table = table.dropna(axis=1, how="all") if header is None and not lead_rows else table
    if lead_rows and len(table) <= _MOST_LEADS:
        table = table.T
    elif header is None:
        return _untitled(table, said, where, leads)
    titles = [str(column).strip() for column in table.columns]
    titles = ["" if title.startswith("Unnamed:") else title for title in titles]
    own = _cells(body[0], separator)  # pandas numbers two of one title
    return _titled(table, own if header == 0 and len(own) == len(titles) else titles, where, options)


def _untitled(table: "pd.DataFrame", said: Said, where: str, leads: tuple[str, ...]) -> _Leads:
    names = leads or ((said.lead,) if said.lead else ())
    if not names:
        raise RecordError("unreadable", f"{where}: has no row of lead names; pass lead_names=")
    values = _numbers(table, where)
    times = [i for i in range(values.shape[1]) if has_constant_step(values[:, i])]
    hz = None
    if values.shape[1] != len(names) and values.shape[1] - len(times) == len(names):
        hz = next((hz for i in times if (hz := hz_of_times(values[:, i], ""))), None)
        values = np.delete(values, times, axis=1)
    rows = in_leads(values, names, where, "csv")
    return _Leads([(name, row, None) for name, row in zip(names, rows, strict=True)], hz)


def _of_one_value_a_line(names: list[str], where: str) -> str:
    """How a table in the long format is reshaped with pandas; "" for any other table."""

    def title(known: frozenset[str]) -> str | None:
        return next((name for name in names if name.lower() in known), None)

    lead, value, record = title(_LEAD_COLUMN), title(_VALUE_COLUMN), title(_RECORD_COLUMN)
    if lead is None or value is None:
        return ""
    time = next((name for name in names if _TIME_TITLE.fullmatch(name)), None) or title(_SAMPLE_COLUMN) or "time"
    pivoted = f"pivot(index={time!r}, columns={lead!r}, values={value!r})"
    if record is None:
        return (
            "make a folder wide, and reshape it to a column a lead: "
            f"pandas.read_csv({where!r}).{pivoted}.to_csv('wide/ecg.csv')"
        )
    return (
        "make a folder wide, and reshape it to a file with a column a lead for each record: "
        f"for record, one in pandas.read_csv({where!r}).groupby({record!r}): "
        f"one.{pivoted}.to_csv(f'wide/{{record}}.csv')"
    )


def _titled(table: "pd.DataFrame", titles: list[str], where: str, options: FileOptions) -> _Leads:
    if table.shape[1] > 4 * _MOST_LEADS:
        raise RecordError("unreadable", f"{where}: has {table.shape[1]:,} columns; expected one a lead")
    leads = options.lead_names
    units = [_UNIT_AFTER.fullmatch(title) or _UNIT_SUFFIX.fullmatch(title) for title in titles]
    names = [match["name"] if match else title for match, title in zip(units, titles, strict=True)]
    if remedy := _of_one_value_a_line(names, where):
        raise RecordError("unreadable", f"{where}: a table of one value a line, with a column of lead names; {remedy}")
    kinds = [lead_kind(name) for name in names]
    others = [i for i, kind in enumerate(kinds) if kind in ("no-ecg", "unknown")]
    seconds = {i: _seconds(table.iloc[:, i]) for i in others}
    times = [i for i in others if has_constant_step(seconds[i])]
    hz = next((hz for i in times if (hz := hz_of_times(seconds[i], _title_of_times(table, titles, i)))), None)
    if hz is None and options.fs_hz_override is None:
        _check_times(seconds, [i for i in others if i not in times and _TIME_TITLE.fullmatch(names[i])], where)
    if leads:
        chosen, out = _asked_for(names, times, kinds, where, leads), leads
    else:
        chosen = [i for i, kind in enumerate(kinds) if kind in ("twelve", "lead")]
        if not chosen:
            chosen = [i for i, kind in enumerate(kinds) if kind == "unknown" and i not in times and names[i]]
            chosen = [i for i in chosen if not _is_flag(table.iloc[:, i])] or chosen
        out = tuple(names[i] if kinds[i] != "unknown" else "" for i in chosen)
    if not chosen:
        raise RecordError("unreadable", f"{where}: none of its {len(names)} columns can be a lead; pass lead_names=")
    values = _numbers(table.iloc[:, chosen], where)
    stated = [match["unit"] if (match := units[i]) and mv_per(match["unit"]) is not None else None for i in chosen]
    columns = [(name, column, unit) for name, column, unit in zip(out, values.T, stated, strict=True)]
    left_out = tuple(
        names[i] if kinds[i] == "no-ecg" else f"column {i + 1}"
        for i in others
        if i not in chosen and i not in times and titles[i] and not _TIME_TITLE.fullmatch(names[i])
    )
    return _Leads(columns, hz, left_out)


def _seconds(column: "pd.Series[float]") -> Float[np.ndarray, " time"]:
    """A column as numbers; one of dates or clock times in seconds; NaN for other text."""
    if pd.api.types.is_numeric_dtype(column) or not len(column):
        return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    texts = column.astype(str).str.strip().str.strip("'[]")
    first = str(texts.iloc[0])
    if _CLOCK.fullmatch(first):
        parts = texts.str.extract(_CLOCK).fillna({0: "0"})
        parts[2] = parts[2].str.replace(",", ".")
        hours, minutes, seconds = (pd.to_numeric(parts[i], errors="coerce").to_numpy(np.float64) for i in range(3))
        return 3600 * hours + 60 * minutes + seconds
    if _DATE.match(first):
        from pandas.tseries.api import guess_datetime_format

        form = "ISO8601" if re.match(r"\d{4}-", first) else guess_datetime_format(first)
        try:
            dates = pd.to_datetime(texts, errors="coerce", format=form, utc=True) if form else None
        except (ValueError, OverflowError):
            dates = None
        if dates is not None:
            return (dates - dates.iloc[0]).dt.total_seconds().to_numpy(np.float64)
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)


def _title_of_times(table: "pd.DataFrame", titles: list[str], i: int) -> str:
    return titles[i] if pd.api.types.is_numeric_dtype(table.iloc[:, i]) else "seconds"


def _check_times(seconds: dict[int, Float[np.ndarray, " time"]], times: list[int], where: str) -> None:
    """Raises `RecordError` for a column of times that leaves some out or goes back."""
    for i in times:
        steps = np.diff(seconds[i])
        if len(steps) < 2 or not np.isfinite(steps).all() or not (steps % 1).any():  # whole numbers: seconds of a clock
            continue
        raise RecordError(
            "sampling-rate",
            f"{where}: the steps of its column of times are between {steps.min():.4g} and {steps.max():.4g}; add empty "
            "rows where samples are missing, or pass the rate as fs_hz_override= to take the rows as they stand",
        )


def _is_flag(column: "pd.Series[float]") -> bool:
    """Whether a column holds nothing but 0 and 1, or one number."""
    values = set(column.dropna().unique()[:3].tolist())
    return len(values) <= 1 or values <= {0, 1}


def _numbers(table: "pd.DataFrame", where: str) -> Float[np.ndarray, "time column"]:
    try:
        values = table.to_numpy(np.float64)
    except ValueError:
        raise RecordError("unreadable", f"{where}: not a table of numbers{_first_text(table)}") from None
    if np.isinf(values).any():
        raise RecordError("nan", f"{where}: holds infinite values; leave a cell empty where nothing was measured")
    return values


def _first_text(table: "pd.DataFrame") -> str:
    """The place of the first cell that is no number: not its text, nor a title that is no lead's, which may name a
    person."""
    for i, (title, column) in enumerate(table.items(), start=1):
        wrong = np.flatnonzero(pd.to_numeric(column, errors="coerce").isna() & column.notna())
        if len(wrong):
            name = canonical_lead(str(title).strip())
            of = f"lead {name}" if lead_kind(name) in ("twelve", "lead") else f"column {i}"
            return f": value {wrong[0] + 1} of {of} is a text; leave it empty where nothing was measured"
    return ""


def _asked_for(
    names: list[str], times: list[int], kinds: Sequence[str], where: str, leads: tuple[str, ...]
) -> list[int]:
    """Columns of the leads that the user names: by title, or by order where no title is a lead's."""
    places = {canonical_lead(name): i for i, name in reversed(list(enumerate(names)))}
    absent = [lead for lead in leads if canonical_lead(lead) not in places]
    if not absent:
        return [places[canonical_lead(lead)] for lead in leads]
    free = [i for i, kind in enumerate(kinds) if kind == "unknown" and i not in times]
    if len(free) == len(leads) and not {"twelve", "lead"} & set(kinds):
        return free
    known = [lead for lead in LEADS if lead in places]
    raise RecordError(
        "unreadable",
        f"{where}: has no columns for the leads {absent}; of its {len(names)} columns those of the twelve leads are "
        f"{known}",
    )
