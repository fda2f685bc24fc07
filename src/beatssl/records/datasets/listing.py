"""What readers of published databases share: where the records lie, and a WFDB record with what is known of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beatssl.records.demographics import age_of, comment_fields, sex_of
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Record
from beatssl.records.units import UnitPolicy
from beatssl.records.wfdb_files import read_wfdb
from beatssl.signals.leads import canonical_leads


def folder_of(root: Path, folders: Sequence[str], index: str, what: str) -> str:
    """The first of `folders` below `root` ("" is itself) that holds the file `index`.

    Raises FileNotFoundError that names the file and `what` it is of.
    """
    for folder in folders:
        if (root / folder / index).is_file():
            return folder
    raise FileNotFoundError(f"{root / index} is missing; give the folder of {what}")


def headers_below(root: Path, folder: str, what: str) -> list[str]:
    """Paths, relative to `root` and without ending, of all WFDB headers below `folder`. FileNotFoundError for none."""
    found = sorted(path.relative_to(root).with_suffix("").as_posix() for path in (root / folder).rglob("*.hea"))
    if not found:
        raise FileNotFoundError(f"no header (.hea) below {root / folder}; give the folder of {what}")
    return found


def sources_of(paths: Sequence[str]) -> list[Source]:
    """Sources sorted by id: the last part of a path, or all of it where two end alike."""
    return sorted((Source(*pair) for pair in zip(unlike_ids(paths), paths, strict=True)), key=lambda one: one.id)


def wfdb_record(root: Path, source: Source, units: UnitPolicy, database: str, **known: Any) -> tuple[Record, list[str]]:
    """The record at `source.path`, age and sex as the comments of its header say, and these comments.

    Comments are free text: what else is taken from them must come from a list of words. Raises `RecordError`.
    """
    signals = read_wfdb(root, source.path, units)
    said = comment_fields(signals.comments)
    record = Record(
        ecg_mv=signals.ecg_mv,
        leads=canonical_leads(signals.leads),
        fs_hz=signals.fs_hz,
        id=source.id,
        source=database,
        age_years=age_of(said.get("age", "")),
        sex=sex_of(said.get("sex", "").partition(" ")[0]),  # INCART: "F <diagnoses> …"
        metadata=signals.metadata,
    )
    return record.replace(**known), list(signals.comments)
