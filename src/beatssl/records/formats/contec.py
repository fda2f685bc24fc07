"""Contec `.ECG` files, whose format is not published: worked out from a file and its maker's own export."""

import re

import numpy as np

from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording

_HEADER, _TRAILER, _FRAME = 43, 37, 16  # bytes
_FS_HZ = 800.0
_STEP_UV = 5.0
_STORED = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")
_ZERO = 2048  # of 12 bits; the four above say whether the lead was on
_START = re.compile(rb"[\x20-\x7e]{1,9}\0+\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}:\d{2}\0")


def is_contec(head: bytes) -> bool:
    """Whether a file begins with a case number in ten bytes and a date and time."""
    return head[9:10] == b"\0" and _START.match(head) is not None


def read_contec(content: bytes, where: str) -> Recording:
    """Leads II, III and V1 to V6 as stored, and I = II − III; a lead that was off is NaN.

    Frames of eight 12-bit numbers follow a header of 43 bytes, and 37 bytes end the file, most of them 0. A file of
    another length was cut, and so was one whose last 37 bytes begin with a frame of eight numbers, none of them 0.

    Raises `RecordError` ("truncated").
    """
    frames, rest = divmod(len(content) - _HEADER - _TRAILER, _FRAME)
    if frames < 1 or rest:
        raise RecordError(
            "truncated",
            f"{where}: a Contec file of {len(content)} bytes; expected {_HEADER + _TRAILER} and a multiple of {_FRAME}",
        )
    if np.frombuffer(content, "<u2", len(_STORED), len(content) - _TRAILER).all():
        raise RecordError("truncated", f"{where}: a Contec file that ends within its samples; export it again")
    stored = np.frombuffer(content, "<u2", frames * len(_STORED), _HEADER).reshape(frames, -1).T
    uv = np.where(stored >> 12, np.nan, ((stored & 0xFFF).astype(np.float64) - _ZERO) * _STEP_UV)
    leads = {"I": uv[0] - uv[1]} | dict(zip(_STORED, uv, strict=True))
    channels = tuple(Channel(name, samples, _FS_HZ, "uV") for name, samples in leads.items())
    number = content[:10].partition(b"\0")[0].decode("ascii", "replace")
    return Recording("contec", channels, Person(number), {"derived": "I"})
