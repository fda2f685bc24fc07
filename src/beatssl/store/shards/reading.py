"""One record from its file to the prepared signal, or set aside with a reason. No beat is looked for here."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from beatssl.records.reader import Reader, Source
from beatssl.records.record import Reason, Record, RecordError
from beatssl.signals.leads import LEADS, present_leads
from beatssl.signals.preparation import Preparation
from beatssl.store.config import MIN_DURATION_S

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may lack."""

    max_missing_leads: int = 4
    """Of the twelve, after limb leads are derived; of leads as recorded any one will do."""
    max_missing_share: float = 0.1
    """Share of unmeasured samples in the leads that are there."""


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A record, its own signal dropped, and what was made of that."""

    record: Record
    raw_mv: Float32[np.ndarray, "lead raw_time"]  # leads in order, as recorded otherwise
    ecg_mv: Float32[np.ndarray, "lead time"]  # NaN where not measured
    leads: tuple[str, ...]
    lead_names: tuple[str, ...]  # "" for a lead that is missing


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was set aside: its file relative to the source folder, and why."""

    file: str
    record_id: str
    reason: str
    message: str


def read_record(reader: Reader, root: Path, source: Source, then: Callable[[Record], Result]) -> Result | Reject:
    """Read one record and go on with `then`. What goes wrong with one record never stops the others."""
    file, record_id = source.alias or source.path, source.alias or source.id
    try:
        record = reader.read(root, source)
        if record.id == source.id:  # the reader found that the path names nobody
            file, record_id = source.path, source.id
        return then(record)
    except RecordError as error:
        return Reject(file, record_id, error.reason, _without_folder(str(error), Path(source.root or root)))
    except Exception as error:
        return Reject(file, record_id, "unreadable", _where(error))


def prepare_record(record: Record, preparation: Preparation, limits: Limits | None = None) -> PreparedRecord:
    """The record's signal, prepared.

    Raises `RecordError` where it is too short or lacks more than the limits allow; without limits, where no lead is
    measured at all.
    """
    if record.duration_s < MIN_DURATION_S:
        set_aside("too-short", record, f"{record.duration_s:.2f} s; at least {MIN_DURATION_S} s are needed")
    raw_mv = preparation.in_order(record.ecg_mv, record.leads)
    _check_missing(raw_mv, record, preparation, limits)
    ecg_mv = preparation.filtered(raw_mv, record.fs_hz)
    leads = preparation.lead_names(record.leads)
    named = tuple(name if there else "" for name, there in zip(leads, present_leads(ecg_mv), strict=True))
    bare = replace(record, ecg_mv=np.empty((len(record.leads), 0), np.float32))
    return PreparedRecord(bare, raw_mv, ecg_mv, leads, named)


def set_aside(reason: Reason, record: Record, what: str) -> Any:
    """Raises the `RecordError` that sets a record aside."""
    raise RecordError(reason, f"record {record.id}: {what}")


def _check_missing(
    ecg_mv: Float32[np.ndarray, "lead time"], record: Record, preparation: Preparation, limits: Limits | None
) -> None:
    present = present_leads(ecg_mv)
    if limits is None:
        if not present.any():
            set_aside("missing-leads", record, f"no measured sample in any of its leads ({', '.join(record.leads)})")
        return
    missing = int(np.sum(~present))
    allowed = limits.max_missing_leads if preparation.leads == LEADS else len(present) - 1
    if missing > allowed:
        found = [name for name in record.leads if name]
        set_aside(
            "missing-leads",
            record,
            f"{missing} of the twelve leads missing (it has {', '.join(found)}), {allowed} allowed; a store of leads "
            "as they were recorded takes it (leads='as-recorded'), or one with more missing (max_missing_leads=11)",
        )
    share = float(np.mean(~np.isfinite(ecg_mv[present])))
    if share > limits.max_missing_share:
        set_aside(
            "nan",
            record,
            f"{share:.0%} of the samples not measured, {limits.max_missing_share:.0%} allowed; see max_missing_share",
        )


def _where(error: Exception) -> str:
    """The kind of an unforeseen error and the line that raised it; not its message, which may quote the file."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"


def _without_folder(message: str, root: Path) -> str:
    """The message on one line with the source folder left out: the result must not depend on where the files lie."""
    if root.is_absolute() and len(root.parts) > 1:  # a synthetic cohort's is a number
        for folder in (str(root.resolve()), str(root)):
            message = message.replace(folder, "SOURCE")
    return " ".join(message.split())
