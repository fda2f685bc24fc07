"""EDF+ (Kemp and Olivan 2003): continuous, 16 bits, in µV."""

from collections.abc import Iterator
from itertools import product
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from beatssl.records.record import Record
from beatssl.records.writers.steps import Counts, Lead, Values, counted

_LARGEST_BYTES = 61_440  # of a data record
_NOTE_SAMPLES = 16  # of a data record's own annotation, its start
_LEAST, _MOST = -(2**15), 2**15 - 1
_DIGITS = 7  # characters of a bound in µV, beside its sign
_TRIED, _TRIED_ENDS = 100, 12  # pairs of bounds alike but for their sign, and ends of other pairs
_LABEL_SIZE, _PATIENT_SIZE = 16, 80
_RATE_ERROR = 1e-6


class _Bounds(NamedTuple):
    """Two counts of a lead and what they are in µV."""

    least: int
    most: int
    low_uv: float
    high_uv: float


class _Stored(NamedTuple):
    """A lead's samples between the bounds that the header states."""

    samples: Int64[np.ndarray, " time"]
    bounds: _Bounds


def edf_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """The file. Leads that are missing throughout are left out; EDF has no mark for what was not measured otherwise.

    What was digitised comes back to the bit where two numbers of eight characters can state its step, and else with a
    step right to about a part in ten million; any other signal is rounded by at most half of (range / 65,535).
    Nothing is padded: the length of the data records divides that of the signal. EDF states that length in eight
    characters of seconds, so that a rate is exact where a divisor's seconds are, and else right to a part in a million
    (650,000 samples at 360 Hz). The age has no place in it. Raises ValueError for a record with gaps, a lead name or
    patient id that does not fit, and a rate that no length of data records gives.
    """
    kept = [i for i, row in enumerate(record.ecg_mv) if np.isfinite(row).any()]
    if not kept or not np.isfinite(record.ecg_mv[kept]).all():
        raise ValueError(
            f"record {record.id} has samples that were not measured; EDF cannot say so: save it as .hea or .csv"
        )
    labels = [_label(record.leads[i]) for i in kept]
    leads = [_stored(record.ecg_mv[i]) for i in kept]
    per_record, seconds = _data_record(record.ecg_mv.shape[1], float(record.fs_hz), len(kept))
    count = record.ecg_mv.shape[1] // per_record
    columns, bounds = len(kept) + 1, [one.bounds for one in leads]
    head = _text("0", 8) + _text(_patient(record), _PATIENT_SIZE) + _text("Startdate X X X X", 80)
    head += b"01.01.8500.00.00" + _text(256 * (columns + 1), 8) + _text("EDF+C", 44)
    head += _text(count, 8) + _text(seconds, 8) + _text(columns, 4)
    fields = [
        ([*labels, "EDF Annotations"], _LABEL_SIZE), ([""] * columns, 80), (["uV"] * len(kept) + [""], 8),
        ([_short(one.low_uv) for one in bounds] + ["-1"], 8), ([_short(one.high_uv) for one in bounds] + ["1"], 8),
        ([one.least for one in bounds] + [-32_768], 8), ([one.most for one in bounds] + [32_767], 8),
        ([""] * columns, 80), ([per_record] * len(kept) + [_NOTE_SAMPLES], 8), ([""] * columns, 32),
    ]  # fmt: skip
    head += b"".join(_text(value, size) for values, size in fields for value in values)
    body: list[bytes] = []
    samples = np.stack([one.samples for one in leads]).astype("<i2")
    for k in range(count):
        note = f"+{_short(k * float(seconds), 20)}\x14\x14".encode()
        body += [samples[:, k * per_record : (k + 1) * per_record].tobytes(), note.ljust(2 * _NOTE_SAMPLES, b"\0")]
    return {path: head + b"".join(body)}


# ------------------------------------------------------------------------------------------------ header fields


def _text(value: object, size: int) -> bytes:
    return str(value).encode("ascii").ljust(size)


def _short(value: float, size: int = 8) -> str:
    """The number in plain digits, as many as fit."""
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= size and "e" not in text:
            return text
    return f"{value:.{size - 3}f}" if abs(value) < 1 else f"{value:.0f}"


def _label(lead: str) -> str:
    """The lead after "ECG", as EDF+ has it, where there is room."""
    label = next((text for text in (f"ECG {lead}", lead) if len(text) <= _LABEL_SIZE), "")
    if not label or not label.isascii():
        raise ValueError(
            f"lead {lead!r} is no label of EDF, which has {_LABEL_SIZE} characters of ASCII; "
            "rename it with record.replace(leads=...), or save the record as .hea or .csv"
        )
    return label


def _patient(record: Record) -> str:
    sex = {"female": "F", "male": "M"}.get(record.sex or "", "X")
    text = f"{'_'.join((record.patient_id or '').split()) or 'X'} {sex} X X"
    if len(text) > _PATIENT_SIZE or not text.isascii() or not text.isprintable():
        raise ValueError(
            f"record {record.id}: EDF's patient id has at most {_PATIENT_SIZE - 6} characters of ASCII; "
            "set another with record.replace(patient_id=...)"
        )
    return text


# ------------------------------------------------------------------------------------------------ samples


def _stored(lead_mv: Lead) -> _Stored:
    """Samples and bounds. What was digitised keeps its counts, with bounds of an exact step where eight characters
    state any, and else with the nearest; any other signal is rounded to the finest step."""
    found = counted(lead_mv)
    if found is None or int(np.ptp(found.counts)) >= _MOST - _LEAST:
        return _rounded(lead_mv)
    unlike, places = np.unique(found.counts, return_index=True)
    bounds = _Bounds(0, 0, 0.0, 0.0)
    for bounds in _bounds(found):
        if np.array_equal(_mv(unlike, bounds).astype(np.float32), lead_mv[places]):
            break  # the last, which are the nearest, stand otherwise
    if max(abs(bounds.low_uv), abs(bounds.high_uv)) >= 10**_DIGITS:
        return _rounded(lead_mv)
    shift = 0 if bounds.least >= _LEAST and bounds.most <= _MOST else bounds.least - _LEAST
    return _Stored(found.counts - shift, bounds._replace(least=bounds.least - shift, most=bounds.most - shift))


def _mv(samples: Int64[np.ndarray, " time"], bounds: _Bounds) -> Values:
    """As readers compute it; a shift of samples and bounds alike changes nothing."""
    step_uv = (bounds.high_uv - bounds.low_uv) / (bounds.most - bounds.least)
    return (bounds.low_uv + (samples - bounds.least) * step_uv) * 1e-3


def _rounded(lead_mv: Lead) -> _Stored:
    values = lead_mv.astype(np.float64) * 1000
    if (largest := float(np.abs(values).max())) > 10**_DIGITS - 2:
        raise ValueError(f"{largest / 1000:g} mV does not fit an EDF file, whose bounds have 8 characters; use .hea")
    unit = 10 ** int(_decimals(np.array([largest + 1]))[0])
    low_uv, high_uv = float(np.floor(values.min() * unit)) / unit, float(np.floor(values.max() * unit) + 1) / unit
    samples = np.round((values - low_uv) * ((_MOST - _LEAST) / (high_uv - low_uv))).astype(np.int64) + _LEAST
    return _Stored(samples, _Bounds(_LEAST, _MOST, low_uv, high_uv))


def _bounds(found: Counts) -> Iterator[_Bounds]:
    """Bounds to try: those alike but for their sign first, as zero then stays zero, and of each kind those of fewest
    digits; the last are the nearest to the true ones, if not exact."""
    smallest, largest, span = int(found.counts.min()), int(found.counts.max()), _MOST - _LEAST
    alike = np.arange(max(largest, -smallest, 1), _MOST + 1)
    for count, uv in _stated(alike, found):
        yield _Bounds(-count, count, -uv, uv)
    lows = _stated(np.arange(largest - span, smallest + 1), found)[:_TRIED_ENDS]
    highs = _stated(np.arange(max(largest, smallest + 1), smallest + span + 1), found)[:_TRIED_ENDS]
    for (first, low_uv), (last, high_uv) in product(lows, highs):
        if last - first <= span and high_uv > low_uv:
            yield _Bounds(first, last, low_uv, high_uv)
    if len(alike):
        last, high_uv = _nearest(alike, found)
        yield _Bounds(-last, last, -high_uv, high_uv)
    else:
        free = (span - largest + smallest) // 2
        first, low_uv = _nearest(np.arange(smallest - free, smallest + 1), found)
        last, high_uv = _nearest(np.arange(largest, largest + free + 1), found)
        yield _Bounds(first, last, low_uv, high_uv)


def _stated(counts: Int64[np.ndarray, " count"], found: Counts) -> list[tuple[int, float]]:
    """The counts whose µV, at a step that is exact, have room in a header field: some, those of fewest digits first."""
    least, most = np.sort(np.stack([counts * found.least_mv, counts * found.most_mv]) * 1000, axis=0)
    value = _in_field((least + most) / 2)
    slack = 1e-15 * np.abs(value)
    good = (least - slack <= value) & (value <= most + slack) & (np.abs(value) < 10**_DIGITS)
    counts, value = counts[good], value[good]
    whole = np.round(value * 10 ** _decimals(value))
    digits = np.stack([whole % 10**k != 0 for k in range(1, _DIGITS)]).sum(axis=0)
    order = np.argsort(digits, kind="stable")[:_TRIED]
    return list(zip(counts[order].tolist(), value[order].tolist(), strict=True))


def _nearest(counts: Int64[np.ndarray, " count"], found: Counts) -> tuple[int, float]:
    """The count whose µV lose least in a header field, and these."""
    if (counts == 0).any():
        return 0, 0.0
    true = counts * (500 * (found.least_mv + found.most_mv))
    value = _in_field(true)
    best = int(np.argmin(np.abs(value / true - 1)))
    return int(counts[best]), float(value[best])


def _in_field(value: Values) -> Values:
    """µV rounded to what a header field has room for."""
    unit = 10 ** _decimals(value)
    return np.round(value * unit) / unit


def _decimals(value: Values) -> Values:
    """Digits after the point for which there is room."""
    whole = np.floor(np.log10(np.maximum(np.abs(value), 1.0))) + 1
    return np.clip(_DIGITS - 1 - whole, 0, None)


# ------------------------------------------------------------------------------------------------ data records


def _data_record(samples: int, fs_hz: float, leads: int) -> tuple[int, str]:
    """Samples and seconds of a data record: the whole is a multiple of it, and its seconds fit eight characters."""
    low = [n for n in range(1, isqrt(samples) + 1) if samples % n == 0]
    divisors = sorted({*low, *(samples // n for n in low)}, reverse=True)
    stated = {n: seconds for n in divisors if float(seconds := _short(n / fs_hz)) > 0}
    error = {n: abs(n / float(seconds) - fs_hz) / fs_hz for n, seconds in stated.items()}
    small = [n for n in stated if 2 * (n * leads + _NOTE_SAMPLES) <= _LARGEST_BYTES]
    for some in (small, stated):
        if n := next((n for n in some if error[n] == 0), None):
            return n, stated[n]
    best = min(stated, key=error.__getitem__, default=0)
    if not best or error[best] > _RATE_ERROR:
        raise ValueError(
            f"{samples} samples at {fs_hz:g} Hz cannot be written as EDF, which counts seconds in 8 digits; use .hea"
        )
    return best, stated[best]
