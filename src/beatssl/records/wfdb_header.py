"""WFDB headers: what a `.hea` file says of its record, parsed without a look at the signals.

The grammar is that of the WFDB Applications Guide, header(5), and takes what the PhysioNet/CinC Georgia headers do
besides: a record name with an extension (`E00009.mat 12 500 5000 …`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from beatssl.records.record import RecordError

DEFAULT_GAIN = 200.0
"""WFDB's units per millivolt for a signal that states no gain."""

_DEFAULT_FS_HZ = 250.0  # WFDB's rate for a header that states none

_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?|[-+]?\d+\.)(?:\(([-+]?\d+)\))?(?:/(\S+))?")


class SignalLine(NamedTuple):
    """One signal of a header (a tuple, because twelve are made for every record read).

    `gain` is in digital units per `unit`; None where the header states none (or 0).
    """

    file: str
    format: int
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float | None
    unit: str | None
    baseline: int
    initial: int | None
    checksum: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A record's header: one line a signal, or the names and lengths of its segments."""

    fs_hz: float
    samples: int | None
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]  # without the leading "#"


def parse_header(text: str, where: str) -> Header:
    """The header in `text`. Raises `RecordError` ("unreadable") that names `where` and the line at fault by number."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    comments = tuple(line[1:].strip() for _, line in lines if line.startswith("#"))
    content = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not content:
        raise RecordError("unreadable", f"{where}: the header is empty")
    n, first = content[0]
    try:
        segment_count, signal_count, fs_hz, samples = _record_line(first)
        body = content[1 : 1 + (segment_count or signal_count)]
        segments: list[tuple[str, int]] = []
        signals: list[SignalLine] = []
        for n, line in body:  # noqa: B007 (n names the line in the error below)
            if segment_count:
                segments.append(_segment_line(line))
            else:
                signals.append(_signal_line(line))
    except (ValueError, IndexError, OverflowError):
        raise RecordError("unreadable", f"{where}: line {n} of the header does not follow the WFDB format") from None
    if len(body) != (segment_count or signal_count) or not body:
        raise RecordError(
            "unreadable", f"{where}: the header announces {segment_count or signal_count} lines and has {len(body)}"
        )
    if not text.endswith("\n") and _fields(body[-1][1]) < _fields(body[0][1]):
        raise RecordError("truncated", f"{where}: the header breaks off in line {n}")
    return Header(fs_hz, samples, tuple(signals), tuple(segments), comments)


def _fields(line: str) -> int:
    """Fields of a line; the description, which may hold blanks, is one."""
    return len(line.split(maxsplit=8))


def _record_line(line: str) -> tuple[int, int, float, int | None]:
    """Number of segments (0: none), number of signals, rate in Hz, samples a signal."""
    fields = line.split()
    _, _, segments = fields[0].partition("/")
    if len(fields) < 2:
        raise ValueError(line)
    fs_hz = _DEFAULT_FS_HZ
    if len(fields) > 2:
        fs_hz = float(re.split(r"[/(]", fields[2])[0])  # "250/360(0)": what follows is the rate of a counter
    if not 0 < fs_hz < float("inf"):
        raise ValueError(line)
    samples = int(fields[3]) if len(fields) > 3 else 0
    return int(segments) if segments else 0, int(fields[1]), fs_hz, samples or None


def _segment_line(line: str) -> tuple[str, int]:
    name, length = line.split()[:2]
    if int(length) < 0:
        raise ValueError(line)
    return name, int(length)


def _signal_line(line: str) -> SignalLine:
    fields = line.split(maxsplit=8)
    code, samples_per_frame, skew, byte_offset = _format(fields[1])
    gain, baseline, unit = _gain(fields[2]) if len(fields) > 2 else (None, None, None)
    adc_zero = int(fields[4]) if len(fields) > 4 else 0
    return SignalLine(
        file=fields[0],
        format=code,
        samples_per_frame=samples_per_frame,
        skew=skew,
        byte_offset=byte_offset,
        gain=gain,
        unit=unit,
        baseline=adc_zero if baseline is None else baseline,
        initial=int(fields[5]) if len(fields) > 5 else None,
        checksum=int(fields[6]) if len(fields) > 6 else None,
        name=fields[8].strip() if len(fields) > 8 else "",
    )


# The same few texts stand in every line of a data set: parsing them once is half of the cost of a header.
@lru_cache(maxsize=1024)
def _format(field: str) -> tuple[int, int, int, int]:
    match = _FORMAT.fullmatch(field)
    if match is None:
        raise ValueError(field)
    code, per_frame, skew, offset = match.groups()
    return int(code), int(per_frame or 1), int(skew or 0), int(offset or 0)


@lru_cache(maxsize=1024)
def _gain(field: str) -> tuple[float | None, int | None, str | None]:
    match = _GAIN.fullmatch(field)
    if match is None:
        raise ValueError(field)
    gain, baseline, unit = match.groups()
    return float(gain) or None, int(baseline) if baseline is not None else None, unit


def segment_names(text: str) -> list[str]:
    """Names of a record's segments, also of a header that is damaged elsewhere; none for a record of one segment."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or not re.fullmatch(r"[^/]+/\d+", lines[0][0]):
        return []
    count = int(lines[0][0].rpartition("/")[2])
    return [fields[0] for fields in lines[1 : 1 + count] if fields[0] != "~"]


def named_files(text: str) -> list[str]:
    """Files that a header names: signals, or headers of segments."""
    if parts := segment_names(text):
        return [f"{part}.hea" for part in parts]
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return list(dict.fromkeys(fields[0] for fields in lines[1:]))
