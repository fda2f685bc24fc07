"""EDF+ (Kemp and Olivan 2003): continuous, 16 bits, in µV."""

from pathlib import Path

import numpy as np

from beatssl.records.record import Record
from beatssl.records.writers.steps import Digital, digitised

_LARGEST_BYTES = 61_440  # of a data record
_NOTE_SAMPLES = 16  # of a data record's own annotation, its start
_LIMITS = (32_767, 32_000, 30_000, 25_000, 20_000, 16_000, 12_500, 10_000)


def edf_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """The file. Leads that are missing throughout are left out; EDF has no mark for what was not measured otherwise.

    The age has no place in it. Raises ValueError for a record with gaps, and for a rate that no length of data records
    gives to a part in a million.
    """
    kept = [i for i, row in enumerate(record.ecg_mv) if np.isfinite(row).any()]
    if not kept or not np.isfinite(record.ecg_mv[kept]).all():
        raise ValueError(f"record {record.id} has samples that were not measured; EDF cannot say so: save it as .hea or .csv")
    leads = [digitised(record.ecg_mv[i], 16) for i in kept]
    per_record, seconds = _data_record(record.ecg_mv.shape[1], record.fs_hz, len(kept))
    count = record.ecg_mv.shape[1] // per_record
    bounds = [_bounds(lead) for lead in leads]
    labels = [f"ECG {record.leads[i]}"[:16] for i in kept]
    sex = {"female": "F", "male": "M"}.get(record.sex or "", "X")
    columns = len(kept) + 1
    head = _text("0", 8) + _text(f"{(record.patient_id or 'X').replace(' ', '_')} {sex} X X", 80)
    head += _text("Startdate X X X X", 80) + b"01.01.8500.00.00" + _text(256 * (columns + 1), 8) + _text("EDF+C", 44)
    head += _text(count, 8) + _text(seconds, 8) + _text(columns, 4)
    fields = [
        ([*labels, "EDF Annotations"], 16), ([""] * columns, 80), (["uV"] * len(kept) + [""], 8),
        ([_short(-high) for _, high in bounds] + ["-1"], 8), ([_short(high) for _, high in bounds] + ["1"], 8),
        ([-most for most, _ in bounds] + [-32_768], 8), ([most for most, _ in bounds] + [32_767], 8), ([""] * columns, 80),
        ([per_record] * len(kept) + [_NOTE_SAMPLES], 8), ([""] * columns, 32),
    ]  # fmt: skip
    head += b"".join(_text(value, size) for values, size in fields for value in values)
    body: list[bytes] = []
    samples = np.stack([lead.samples for lead in leads]).astype("<i2")
    for k in range(count):
        note = f"+{_short(k * float(seconds), 20)}\x14\x14".encode()
        body += [samples[:, k * per_record : (k + 1) * per_record].tobytes(), note.ljust(2 * _NOTE_SAMPLES, b"\0")]
    return {path: head + b"".join(body)}


def _text(value: object, size: int) -> bytes:
    return str(value).encode("ascii", "replace")[:size].ljust(size)


def _short(value: float, size: int = 8) -> str:
    """The number in plain digits, as many as fit."""
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= size and "e" not in text:
            return text
    return f"{value:.0f}"[:size]


def _bounds(lead: Digital) -> tuple[int, float]:
    """A highest sample, and its µV in eight characters that are exact where that can be."""
    largest = int(np.abs(lead.samples).max(initial=1))
    least = [most for most in _LIMITS if most >= largest]
    for most in least:
        high = most * 1000 / lead.units_per_mv
        if abs(float(_short(-high)) + high) <= 1e-12 * high:
            return most, float(_short(high))
    return least[0], float(_short(least[0] * 1000 / lead.units_per_mv, 7))


def _data_record(samples: int, fs_hz: float, leads: int) -> tuple[int, str]:
    """Samples and seconds of a data record: the whole is a multiple of it, and its seconds fit eight characters."""
    fits = [n for n in range(1, samples + 1) if samples % n == 0]
    small = [n for n in fits if 2 * (n * leads + _NOTE_SAMPLES) <= _LARGEST_BYTES] or fits[:1]
    for choice in (small, fits):
        for n in sorted(choice, reverse=True):
            seconds = _short(n / fs_hz)
            if float(seconds) > 0 and abs(n / float(seconds) - fs_hz) <= 1e-9 * fs_hz:
                return n, seconds
    best = min(fits, key=lambda n: abs(n / max(float(_short(n / fs_hz)), 1e-9) - fs_hz))
    seconds = _short(best / fs_hz)
    if float(seconds) <= 0 or abs(best / float(seconds) - fs_hz) > 1e-6 * fs_hz:
        raise ValueError(f"{samples} samples at {fs_hz:g} Hz cannot be written as EDF, which counts seconds in 8 digits; use .hea")
    return best, seconds
