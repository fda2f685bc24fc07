"""Rate, unit and lead names of arrays and tables: what the file states, against what the user says."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from beatssl.records.formats.options import FileOptions
from beatssl.records.record import RecordError

_LEAST_HZ, _MOST_HZ = 20.0, 5000.0  # of a rate that is taken from a column of times of no unit
_SECONDS_IN = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
}  # fmt: skip
_NUMBER = r"(\d{1,9}(?:[.,]\d{1,9})?)"
_HERTZ = r"\s*(k?)(?:hz|hertz|hercios?|герц|赫[兹茲]|ヘルツ|헤르츠)(?!\w)"
_RATE_NAME = re.compile(
    r"(?<![a-z])(?:fs|sf|s[ae]mpl\w*[ _]?(?:rate|frequency|freq)|srate)(?:[ _]?[\[(]?hz[\])]?)?\s*[=:,;\s]\s*\"?"
    rf"{_NUMBER}(?:{_HERTZ})?",
    re.IGNORECASE,
)
_RATE_ALONE = re.compile(rf"(?P<key>.*?)(?:^|[=:,;\t]\s*|#\s*)\"?{_NUMBER}{_HERTZ}\"?[\s,;]*", re.IGNORECASE)
_FREQUENCY = re.compile(rf"\W*(?:frequency|freq)\s*[=:,;\t]\s*\"?{_NUMBER}(?:{_HERTZ})?\W*", re.IGNORECASE)
_OTHER_RATE = re.compile(
    r"filt|pass|pass[eé]|cut|notch|mains|line|netz|hoch|tief|band|heart|puls|beat|refresh|date|\b[hl]p\b", re.IGNORECASE
)


def hz_in(text: str) -> float | None:
    """The rate that a line of text states ("Sample Rate,512 hertz", "fs = 500"), or None.

    A number of hertz under any other name is a rate too, but for those of filters and of the heart.
    """
    if match := _RATE_NAME.search(text):
        return _hertz(match[1], match[2])
    if _OTHER_RATE.search(text):
        return None
    match = _RATE_ALONE.fullmatch(text.strip()) or _FREQUENCY.fullmatch(text.strip())
    return _hertz(*match.groups()[-2:]) if match else None


def _hertz(number: str, kilo: str | None) -> float | None:
    value = float(number.replace(",", "."))
    if value < _LEAST_HZ and re.fullmatch(r"\d,\d{3}", number):
        value *= 1000  # 1,000: a comma between thousands
    value *= 1000 if kilo else 1
    return value if value > 0 else None


def hz_of_times(times: Float[np.ndarray, " time"], title: str) -> float | None:
    """The rate of a column of times of constant step, by the unit in its title ("time (ms)", "t_s"), else by its step.

    Times may be rounded: the rate is a whole number of hertz where their rounding leaves room for one. None where the
    step tells nothing: 1 may be a counter or a millisecond.
    """
    span = float(times[-1] - times[0])
    step = span / (len(times) - 1)
    words = re.findall(r"[a-zµ]+", title.lower())
    units = [_SECONDS_IN[word] for word in words if word in _SECONDS_IN]
    if units:
        hz = 1 / (step * units[-1])
    elif step <= 1 / _LEAST_HZ:
        hz = 1 / step
    elif step > 1:
        hz = 1000 / step
    else:
        return None
    if not units and not _LEAST_HZ <= hz <= _MOST_HZ:
        return None
    rounding = 2 * float(np.abs(times - (times[0] + step * np.arange(len(times)))).max()) / span
    return float(round(hz)) if abs(round(hz) - hz) <= max(rounding, 1e-6) * hz and round(hz) > 0 else hz


def has_constant_step(column: Float[np.ndarray, " time"]) -> bool:
    """Whether a column rises by one and the same step, as times and counters do, but for their rounding."""
    if len(column) < 3 or not np.isfinite(column).all():
        return False
    step = (column[-1] - column[0]) / (len(column) - 1)
    ideal = column[0] + step * np.arange(len(column))
    steps = np.diff(column)
    return bool(
        step > 0
        and np.abs(column - ideal).max() <= 0.5 * step
        and steps.min() > 0.25 * step
        and steps.max() < 1.75 * step
    )


def rate(stated_hz: float | None, where: str, kind: str, options: FileOptions) -> float:
    """The rate that counts. Raises `RecordError`: none is stated at all, or another than the user's."""
    given = options.csv_fs_hz
    if stated_hz is None and given is None and options.fs_hz_override is None:
        raise RecordError("unreadable", f"{where}: a .{kind} file that states no sampling rate; pass csv_fs_hz=")
    if stated_hz is not None and given is not None and abs(stated_hz - given) > 0.01 * given:
        raise RecordError(
            "sampling-rate",
            f"{where}: states {stated_hz:g} Hz itself, but csv_fs_hz={given:g} is passed; leave it out, or overrule "
            f"the file with fs_hz_override={given:g}",
        )
    found = stated_hz or given or options.fs_hz_override
    assert found is not None
    return round(found, 6)


def in_leads(
    values: Float[np.ndarray, "..."], names: Sequence[str], where: str, kind: str
) -> Float[np.ndarray, "lead time"]:
    """An array with the axis first that is as long as there are names. Raises `RecordError` ("unreadable")."""
    if values.ndim == 1 and len(names) == 1:
        return values[None]
    squeezed = np.squeeze(values) if values.ndim > 2 else values
    fits = [axis for axis in range(squeezed.ndim) if squeezed.shape[axis] == len(names)]
    if squeezed.ndim != 2 or len(fits) != 1:
        raise RecordError(
            "unreadable",
            f"{where}: a .{kind} array of shape {values.shape} for {len(names)} lead names ({', '.join(names)}); "
            "leads= needs as many names as one of its two axes is long, and as the other is not",
        )
    return squeezed if fits == [0] else squeezed.T
