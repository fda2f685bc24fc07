"""EDF, EDF+ and BDF: every signal at its own exact rate, gaps of EDF+D as what was not measured."""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from beatssl.records.demographics import sex_of
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording

BDF_MARK = b"\xffBIOSEMI"
EDF_MARK = b"0       "

_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # bytes of each signal's header fields, in order
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_LARGEST_GAPS = 100  # times what was recorded
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ONSET = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15[^\x14]*)?\x14\x14")


_FILTER = re.compile(r"\b(HP|LP|N):\s*(\d+(?:\.\d+)?)\s*Hz", re.IGNORECASE)
_FILTER_NAMES = {"HP": "highpass_hz", "LP": "lowpass_hz", "N": "notch_hz"}


class _Signal(NamedTuple):
    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    samples: int  # a data record
    start: int  # within the data record


def read_edf(content: bytes, where: str) -> Recording:
    """Every signal but annotations. A number of data records of −1 (not closed) is what the file holds.

    Raises `RecordError`: "unreadable" (a header field that is none, named), "truncated".
    """
    size = 3 if content.startswith(BDF_MARK) else 2
    count = _whole(content, 252, 4, "number of signals", where)
    if count < 1 or len(content) < 256 * (count + 1):
        raise RecordError("truncated", f"{where}: states {count} signals, whose header needs {256 * (count + 1)} bytes")
    signals = _signals(content, count, where)
    frame = sum(signal.samples for signal in signals)
    records = _whole(content, 236, 8, "number of data records", where)
    seconds = _number(content, 244, 8, "duration of a data record", where)
    begin = _whole(content, 184, 8, "bytes of the header", where)
    if begin != 256 * (count + 1) or frame < 1 or seconds < 0:
        raise RecordError(
            "unreadable",
            f"{where}: states a header of {begin} bytes, and {frame} samples and {seconds:g} s a data record; "
            f"{count} signals need a header of {256 * (count + 1)} bytes and some samples",
        )
    held = (len(content) - begin) // (frame * size)
    records = held if records == -1 else records
    if records < 1 or held < records:
        raise RecordError("truncated", f"{where}: states {records} data records and holds {held}")
    kept = [signal for signal in signals if signal.label not in _ANNOTATIONS]
    if seconds == 0 or not kept:
        raise RecordError("no-ecg", f"{where}: holds annotations alone, no signal")
    data = np.frombuffer(content, np.uint8, records * frame * size, begin).reshape(records, frame, size)
    onsets = _onsets(data, [signal for signal in signals if signal.label in _ANNOTATIONS], content, records, where)
    channels = tuple(_channel(data, signal, onsets, seconds, where) for signal in kept)
    trailing = {"trailing": True} if len(content) > begin + records * frame * size else {}
    return Recording(_format(content), channels, _person(content), _filters(content, count) | trailing)


def _format(content: bytes) -> str:
    kind = "bdf" if content.startswith(BDF_MARK) else "edf"
    return f"{kind}_plus" if _text(content, 192, 44).startswith(("EDF+", "BDF+")) else kind


def _filters(content: bytes, count: int) -> dict[str, float]:
    """Of the first signal that states any ("HP:0.1Hz LP:75Hz N:50Hz")."""
    texts = [_text(content, 256 + 136 * count + 80 * i, 80) for i in range(count)]
    for text in texts:
        found = {mark.upper(): float(hz) for mark, hz in _FILTER.findall(text) if float(hz) > 0}
        if found:
            return {_FILTER_NAMES[mark]: hz for mark, hz in found.items()}
    return {}


def _text(content: bytes, at: int, size: int) -> str:
    return content[at : at + size].decode("latin-1").strip(" \0")


def _number(content: bytes, at: int, size: int, what: str, where: str) -> float:
    try:
        value = float(_text(content, at, size).replace(",", "."))
        if np.isfinite(value):
            return value
    except ValueError:
        pass
    raise RecordError("unreadable", f"{where}: expected a number as {what} at byte {at}, found none")


def _whole(content: bytes, at: int, size: int, what: str, where: str) -> int:
    value = _number(content, at, size, what, where)
    if value != int(value):
        raise RecordError("unreadable", f"{where}: expected a whole number as {what} at byte {at}, found {value:g}")
    return int(value)


def _signals(content: bytes, count: int, where: str) -> list[_Signal]:
    at = np.concatenate([[0], np.cumsum(_FIELDS)[:-1]]) * count + 256
    out: list[_Signal] = []
    start = 0
    for i in range(count):
        label, unit = _text(content, int(at[0]) + 16 * i, 16), _text(content, int(at[2]) + 8 * i, 8)
        bounds = [
            _number(content, int(at[k]) + 8 * i, 8, f"bound {k - 2} of signal {i + 1}", where) for k in (3, 4, 5, 6)
        ]
        samples = _whole(content, int(at[8]) + 8 * i, 8, f"samples of signal {i + 1}", where)
        if samples < 0 or (label not in _ANNOTATIONS and (bounds[2] == bounds[3] or bounds[0] == bounds[1])):
            raise RecordError(
                "unreadable",
                f"{where}: signal {i + 1} states {samples} samples, {bounds[0]:g} to {bounds[1]:g} in its unit for "
                f"{bounds[2]:g} to {bounds[3]:g} as stored; neither range may be empty",
            )
        signal = _Signal(label, unit, (bounds[0], bounds[1]), (int(bounds[2]), int(bounds[3])), samples, start)
        out.append(signal)
        start += samples
    return out


def _channel(
    data: np.ndarray, signal: _Signal, onsets: Float64[np.ndarray, " record"], seconds: float, where: str
) -> Channel:
    fs_hz = signal.samples / seconds
    whole = max(round(fs_hz), 1)
    if abs(signal.samples / whole - seconds) <= 1e-7 * seconds:
        fs_hz = float(whole)  # the duration has eight characters
    part = np.ascontiguousarray(data[:, signal.start : signal.start + signal.samples])
    if part.shape[2] == 2:
        digital = part.view("<i2")[:, :, 0].astype(np.float64)
    else:
        wide = np.zeros((*part.shape[:2], 4), np.uint8)
        wide[:, :, 1:] = part
        digital = (wide.view("<i4")[:, :, 0] >> 8).astype(np.float64)
    (low, high), (least, most) = signal.physical, signal.digital
    values = low + (digital - least) * ((high - low) / (most - least))
    starts = np.round((onsets - onsets[0]) * fs_hz).astype(np.int64)
    total = int(starts[-1]) + signal.samples
    if total == values.size:
        return Channel(signal.label, values.reshape(-1), fs_hz, signal.unit or None)
    if (np.diff(starts) < signal.samples).any() or total > (1 + _LARGEST_GAPS) * values.size:
        raise RecordError(
            "unreadable",
            f"{where}: its data records overlap, or its gaps are more than {_LARGEST_GAPS} times as long as what was "
            "recorded (EDF+D); export it in parts",
        )
    out = np.full(total, np.nan)
    for start, row in zip(starts, values, strict=True):
        out[start : start + signal.samples] = row
    return Channel(signal.label, out, fs_hz, signal.unit or None)


def _onsets(
    data: np.ndarray, annotations: list[_Signal], content: bytes, records: int, where: str
) -> Float64[np.ndarray, " record"]:
    """Start of each data record in seconds: as its first annotation says in EDF+D, else one after the other."""
    seconds = float(_text(content, 244, 8).replace(",", "."))
    if not annotations or not _text(content, 192, 44).startswith(("EDF+D", "BDF+D")):
        return np.arange(records) * seconds
    first = annotations[0]
    out = np.empty(records)
    for i in range(records):
        found = _ONSET.match(data[i, first.start : first.start + first.samples].tobytes())
        if found is None:
            raise RecordError(
                "unreadable", f"{where}: data record {i + 1} of an EDF+D file does not say when it starts"
            )
        out[i] = float(found[1])
    return out


def _person(content: bytes) -> Person:
    """EDF+ writes "number sex 14-MAR-1950 name"; plain EDF any text, which then is the number: it is hashed whole."""
    text = _text(content, 8, 80)
    parts = text.split()
    plus = _text(content, 192, 44).startswith(("EDF+", "BDF+"))
    if not plus or len(parts) < 4:
        return Person(number="" if set(parts) <= {"X"} else text)
    number, sex, born, name = parts[:4]
    birth = _date(born)
    started = re.search(r"Startdate (\S+)", _text(content, 88, 80))
    recorded = _date(started[1]) if started else ""
    age = None
    if birth and recorded:
        years = (int(recorded.replace("-", "")) - int(birth.replace("-", ""))) // 10_000
        age = float(years) if years >= 0 else None
    names = () if name == "X" else tuple(name.replace("_", " ").split())
    return Person("" if number == "X" else number, names, birth, age, sex_of(sex))


def _date(text: str) -> str:
    match = re.fullmatch(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", text)
    if not match or match[2].upper() not in _MONTHS:
        return ""
    return f"{match[3]}-{_MONTHS.index(match[2].upper()) + 1:02d}-{int(match[1]):02d}"
