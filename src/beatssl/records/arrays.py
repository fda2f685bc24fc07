"""Records from NumPy arrays, with rate, unit and leads stated by the caller."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from beatssl.records.record import Record, RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy, check_amplitude, mv_per
from beatssl.signals.leads import canonical_leads


def record_from_array(
    ecg: Any,
    fs_hz: Any,
    unit: str,
    leads: Sequence[str] | str,
    id: str = "array",
    policy: UnitPolicy = BY_FORMAT,
    **fields: Any,
) -> Record:
    """A record from `ecg`: (lead, time) or (time, lead), whichever fits the number of `leads`; (time,) for one lead,
    whose name alone will do for `leads`.

    `unit` is any voltage ("mV", "uV", …), NaN marks what was not measured, and `fields` are further fields of `Record`
    (age_years, sex, patient_id, …). Raises `RecordError`: "unreadable" (no numbers, wrong or ambiguous shape), "unit",
    "amplitude", "nan".
    """
    if (factor := mv_per(unit)) is None:
        raise RecordError("unit", f"record {id}: {unit!r} is no unit of voltage; pass unit='mV', 'uV', 'V' or 'nV'")
    try:
        values = np.asarray(ecg.detach().cpu().double() if hasattr(ecg, "detach") else ecg, np.float64)
    except (TypeError, ValueError):
        raise RecordError("unreadable", f"record {id}: the array holds something else than numbers") from None
    if np.isinf(values).any():
        raise RecordError("nan", f"record {id}: holds infinite values; mark what was not measured as NaN")
    try:
        hz = float(fs_hz)
    except (TypeError, ValueError):
        hz = np.nan
    if not (np.isfinite(hz) and hz > 0):
        raise RecordError("sampling-rate", f"record {id}: sampling rate {fs_hz!r}; state a number of Hz with fs_hz=")
    names = canonical_leads((leads,) if isinstance(leads, str) else tuple(leads))
    ecg_mv = np.ascontiguousarray(_lead_time(values, len(names), id) * factor, np.float32)
    remedy = f"pass its unit= in place of {unit!r}, or correct the values"
    metadata = dict(fields.pop("metadata", {})) | check_amplitude(ecg_mv, names, hz, f"record {id}", policy, remedy)
    return Record(ecg_mv, names, hz, id, source=fields.pop("source", "array"), metadata=metadata, **fields)


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
