"""SCP-ECG files (EN 1064) cut down to the sections that the samples need, so that damage elsewhere does not matter."""

import binascii
import struct
from typing import NamedTuple

from beatssl.records.record import RecordError

_HEADER = 16  # bytes of a section's header
_SAMPLES = (2, 3, 6)  # Huffman tables, leads, rhythm: what samples are made of
_REFERENCE = (4, 5)  # the reference beat, where it was subtracted
_PERSON = 1
_SUBTRACTED = 1  # bit of section 3's flags


class _Section(NamedTuple):
    number: int
    content: bytes  # its header included
    whole: bool  # its checksum fits


def is_scp(content: bytes) -> bool:
    """Whether section 0 stands where SCP-ECG has it, at byte 7, and points to itself."""
    if len(content) < 32:
        return False
    number, length = struct.unpack_from("<HI", content, 8)
    return number == 0 and length >= _HEADER + 10 and struct.unpack_from("<HII", content, 22) == (0, length, 7)


def repaired_scp(content: bytes, where: str) -> tuple[bytes, tuple[int, ...]]:
    """The file with sections 1 to 6 alone, and the numbers of the damaged sections that were left out.

    A lead that starts at sample 0 counts from 0 to its end, which is left out; the standard counts from 1.

    Raises `RecordError`: "truncated", "checksum" (of a section that the samples need), "unreadable".
    """
    (size,) = struct.unpack_from("<I", content, 2)
    if size > len(content):
        raise RecordError("truncated", f"{where}: an SCP file that states {size} bytes and holds {len(content)}")
    sections = _sections(content, where)
    if absent := [number for number in (3, 6) if number not in sections]:
        raise RecordError("unreadable", f"{where}: an SCP file without section {absent[0]}, which holds its leads")
    needed = [number for number in _SAMPLES if number in sections]
    if len(three := sections[3].content) >= _HEADER + 2 and three[_HEADER + 1] & _SUBTRACTED:
        needed += [number for number in _REFERENCE if number in sections]
    for number in needed:
        if not sections[number].whole:
            raise RecordError(
                "checksum",
                f"{where}: the checksum of section {number}, which the samples need, is wrong; export it again",
            )
    kept = {number: section.content for number, section in sections.items() if number in needed}
    if _PERSON in sections and sections[_PERSON].whole:
        kept[_PERSON] = sections[_PERSON].content
    kept[3] = _from_one(kept[3])
    damaged = tuple(sorted(number for number, section in sections.items() if not section.whole))
    return _file(content, dict(sorted(kept.items()))), damaged


def _sections(content: bytes, where: str) -> dict[int, _Section]:
    (length,) = struct.unpack_from("<I", content, 10)
    if 6 + length > len(content):
        raise RecordError(
            "truncated", f"{where}: section 0 of an SCP file states {length} bytes, {len(content) - 6} follow"
        )
    found: dict[int, _Section] = {}
    for at in range(22, 6 + length - 9, 10):
        number, size, index = struct.unpack_from("<HII", content, at)
        if not 1 <= number <= 11 or size < _HEADER or index == 0:
            continue
        chunk = content[index - 1 : index - 1 + size]
        fits = len(chunk) == size and binascii.crc_hqx(chunk[2:], 0xFFFF) == struct.unpack_from("<H", chunk)[0]
        if len(chunk) < size and number in (*_SAMPLES, *_REFERENCE):
            raise RecordError("truncated", f"{where}: section {number} states {size} bytes and holds {len(chunk)}")
        found[number] = _Section(number, chunk, fits and struct.unpack_from("<H", chunk, 2)[0] == number)
    return found


def _from_one(three: bytes) -> bytes:
    """Section 3 with its leads counted from 1."""
    out = bytearray(three)
    for at in range(_HEADER + 2, len(out) - 8, 9):
        start, end = struct.unpack_from("<II", out, at)
        if start == 0 < end:
            struct.pack_into("<I", out, at, 1)
    return _summed(bytes(out))


def _summed(chunk: bytes) -> bytes:
    return struct.pack("<H", binascii.crc_hqx(chunk[2:], 0xFFFF)) + chunk[2:]


def _file(content: bytes, sections: dict[int, bytes]) -> bytes:
    zero = _HEADER + 10 * (1 + len(sections))
    pointers, at = struct.pack("<HII", 0, zero, 7), 6 + zero
    for number, chunk in sections.items():
        pointers += struct.pack("<HII", number, len(chunk), at + 1)
        at += len(chunk)
    first = _summed(content[6:10] + struct.pack("<I", zero) + content[14:22] + pointers)
    return _summed(b"\0\0" + struct.pack("<I", at) + first + b"".join(sections.values()))
