"""Records from NumPy arrays, `.npy` and CSV files, with rate, unit and leads stated by the caller."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from beatssl.records.reader import read_inside
from beatssl.records.record import Record, RecordError
from beatssl.records.units import STRICT, UnitPolicy, check_amplitude, mv_per
from beatssl.signals.leads import LEADS, canonical_lead, canonical_leads, without_free_text

_UNIT_AFTER = re.compile(r"(?P<name>.*\S)\s*[(\[]\s*(?P<unit>[^()\[\]]+?)\s*[)\]]")
_NO_LEAD = frozenset(["", "t", "time", "sample", "samples", "index", "unnamed: 0"])


def record_from_array(
    ecg: Any,
    fs_hz: float,
    unit: str,
    leads: Sequence[str],
    id: str = "array",
    policy: UnitPolicy = STRICT,
    **fields: Any,
) -> Record:
    """A record from `ecg`: (lead, time) or (time, lead), whichever fits the number of `leads`; (time,) for one lead.

    `unit` is any voltage ("mV", "uV", …), NaN marks what was not measured, and `fields` are further fields of `Record`
    (age_years, sex, patient_id, …). Raises `RecordError`: "unreadable" (no numbers, wrong or ambiguous shape), "unit",
    "amplitude", "nan".
    """
    if (factor := mv_per(unit)) is None:
        raise RecordError("unit", f"record {id}: {unit!r} is no unit of voltage; pass unit='mV', 'uV', 'V' or 'nV'")
    try:
        values = np.asarray(ecg, np.float64)
    except (TypeError, ValueError):
        raise RecordError("unreadable", f"record {id}: the array holds something else than numbers") from None
    if np.isinf(values).any():
        raise RecordError("nan", f"record {id}: holds infinite values; mark what was not measured as NaN")
    names = canonical_leads(tuple(leads))
    ecg_mv = np.ascontiguousarray(_lead_time(values, len(names), id) * factor, np.float32)
    metadata = dict(fields.pop("metadata", {})) | check_amplitude(ecg_mv, names, f"record {id}", policy)
    return Record(ecg_mv, names, float(fs_hz), id, source=fields.pop("source", "array"), metadata=metadata, **fields)


def _lead_time(values: Float[np.ndarray, "..."], lead_count: int, id: str) -> Float[np.ndarray, "lead time"]:
    if values.ndim == 1 and lead_count == 1:
        return values[None]
    fits = [axis for axis in range(values.ndim) if values.shape[axis] == lead_count]
    if values.ndim != 2 or not fits:
        raise RecordError(
            "unreadable",
            f"record {id}: an array of shape {values.shape} does not hold {lead_count} leads; pass as many names in "
            "leads= as one of its two axes is long",
        )
    if len(fits) == 2:
        raise RecordError(
            "unreadable",
            f"record {id}: an array of shape {values.shape} may be (lead, time) or (time, lead); pass more samples",
        )
    return values if fits == [0] else values.T


def read_npy(root: Path, name: str) -> Float[np.ndarray, "..."]:
    """The array in a `.npy` file below `root`. Raises `RecordError` ("unreadable", "unsafe-path")."""
    folder, _, base = name.rpartition("/")
    try:
        array = np.load(io.BytesIO(read_inside(root, folder, base, 2**20)), allow_pickle=False)
        return np.asarray(array, np.float64)
    except (ValueError, TypeError, EOFError, OSError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError("unreadable", f"{name}: not a .npy file of numbers, or cut short") from None


class Table(NamedTuple):
    """Signals as a CSV file holds them."""

    values: Float[np.ndarray, "..."]
    leads: tuple[str, ...]
    unit: str | None  # where the names of the leads state one


def read_csv(root: Path, name: str, leads: Sequence[str]) -> Table:
    """The numbers in a CSV file below `root`, and its lead names.

    Columns are parted by commas, semicolons, tabs or blanks; lines that begin with "#" are left out. A first row that
    is no numbers names the columns, with or without their unit ("II (mV)"): those of `leads` are taken, or, without
    `leads`, those that are surely leads, or, where none is, all but a column of times; a name that is not surely a
    lead's comes back as "", since that row may hold anything. Rows may be leads too, each after its name. A file
    without names needs `leads`. Empty cells are NaN.

    Raises `RecordError` ("unreadable", "unit", "unsafe-path").
    """
    folder, _, base = name.rpartition("/")
    text = read_inside(root, folder, base, 2**20).decode("utf-8-sig", errors="replace")
    while text.startswith("#"):
        text = text.partition("\n")[2]
    first, _, rest = text.partition("\n")
    if not first.strip():
        raise RecordError("unreadable", f"{name}: its first line is empty; it should hold lead names or numbers")
    separator = max(",;\t", key=first.count) if any(mark in first for mark in ",;\t") else r"\s+"
    decimal = "," if separator == ";" and "," in rest else "."
    cells = [_is_number(cell, decimal) for cell in first.split(None if separator == r"\s+" else separator)]
    lead_rows = len(cells) > 1 and not cells[0] and all(cells[1:])
    header = None if cells[0] or lead_rows else 0
    try:
        table = pd.read_csv(
            io.StringIO(text), sep=separator, decimal=decimal, header=header, index_col=0 if lead_rows else None
        )
    except (ValueError, IndexError):  # pandas' own parser errors are ValueErrors
        raise RecordError("unreadable", f"{name}: not a table of numbers, or cut short") from None
    if lead_rows:
        table = table.T
    elif header is None:
        if not leads:
            raise RecordError("unreadable", f"{name}: has no row of lead names; pass leads=")
        return Table(_numbers(table, name), tuple(leads), None)
    return _columns(table, name, leads)


def _columns(table: pd.DataFrame, name: str, leads: Sequence[str]) -> Table:
    titles = [_UNIT_AFTER.fullmatch(str(column).strip()) for column in table.columns]
    columns = [match["name"] if match else str(column) for match, column in zip(titles, table.columns, strict=True)]
    if leads:
        chosen, names = _asked_for(columns, name, leads), tuple(leads)
    else:
        sure = [i for i, title in enumerate(without_free_text(tuple(columns))) if title]
        chosen = sure or [i for i, column in enumerate(columns) if column.strip().lower() not in _NO_LEAD]
        names = without_free_text(tuple(columns[i] for i in chosen))
    units = {match["unit"].lower() for i in chosen if (match := titles[i]) and mv_per(match["unit"]) is not None}
    if len(units) > 1:
        raise RecordError("unit", f"{name}: its leads are in {sorted(units)}; store all of them in one unit")
    return Table(_numbers(table.iloc[:, chosen], name), names, units.pop() if units else None)


def _numbers(table: pd.DataFrame, name: str) -> Float[np.ndarray, "time lead"]:
    try:
        return table.to_numpy(np.float64)
    except ValueError:
        raise RecordError("unreadable", f"{name}: not a table of numbers") from None


def _asked_for(columns: list[str], name: str, leads: Sequence[str]) -> list[int]:
    places = {canonical_lead(column): i for i, column in reversed(list(enumerate(columns)))}
    if absent := [lead for lead in leads if canonical_lead(lead) not in places]:
        known = [lead for lead in LEADS if lead in places]
        raise RecordError(
            "unreadable",
            f"{name}: has no columns for the leads {absent}; of its {len(columns)} columns those of the twelve leads "
            f"are {known}",
        )
    return [places[canonical_lead(lead)] for lead in leads]


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.strip().strip('"').replace(decimal, ".") or "nan")
    except ValueError:
        return False
    return True
