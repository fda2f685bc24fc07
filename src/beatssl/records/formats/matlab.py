"""MATLAB files of versions 4 and 5, every size checked: scipy 1.17's reader crashes the process on damaged ones.

Layout: MathWorks, MAT-File Format (R2024a).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from beatssl.records.record import RecordError

_LARGEST = 2**29  # bytes of one variable, unpacked
_DEEPEST = 8  # of structs and cells within each other
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8", 17: "u2", 18: "u4",
}  # fmt: skip
_UTF8 = 16
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_V4_TYPES = {0: "f8", 1: "f4", 2: "i4", 3: "i2", 4: "u2", 5: "u1"}


class _Element(NamedTuple):
    """A tagged part of a version 5 file."""

    kind: int
    data: bytes
    end: int  # where the next one begins


def mat_variables(content: bytes, where: str) -> dict[str, Any]:
    """Variables of a MATLAB file by name: numeric arrays, texts (a list where of several rows), lists (cells) and dicts
    (structs of one element). Complex, sparse and other variables are left out.

    Raises `RecordError`: "unreadable", "truncated" (a size leads beyond the end).
    """
    try:
        if content[126:128] in (b"IM", b"MI") and len(content) >= 128:
            order = "<" if content[126:128] == b"IM" else ">"
            return {name: value for name, value in _variables(content, order, where) if name and value is not None}
        return dict(_version_4(content, where))
    except RecordError:
        raise
    except (struct.error, zlib.error, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise RecordError(
            "unreadable", f"{where}: expected a MATLAB file, v4 or v5; it cannot be decoded ({type(error).__name__})"
        ) from None


# ---------------------------------------------------------------------------------------------------- version 5


def _variables(content: bytes, order: str, where: str) -> Iterator[tuple[str, Any]]:
    at, unpacked = 128, 0
    while at < len(content):
        element = _element(content, at, order, where)
        at = element.end
        if element.kind == _COMPRESSED:
            decoder = zlib.decompressobj()
            data = decoder.decompress(element.data, _LARGEST - unpacked)
            unpacked += len(data)
            if decoder.unconsumed_tail:
                raise RecordError("unreadable", f"{where}: unpacks to more than {_LARGEST >> 20} MiB")
            if not decoder.eof:
                raise RecordError("truncated", f"{where}: a variable of a MATLAB file breaks off")
            element = _element(data, 0, order, where)
        if element.kind == _MATRIX:
            yield _matrix(element.data, order, where, 0)


def _element(content: bytes, at: int, order: str, where: str) -> _Element:
    (tag,) = struct.unpack_from(f"{order}I", content, at)
    if tag >> 16:  # four bytes or fewer, within the tag
        kind, size, start, end = tag & 0xFFFF, tag >> 16, at + 4, at + 8
        if size > 4:
            raise ValueError("a small element of more than four bytes")
    else:
        kind, (size,), start = tag, struct.unpack_from(f"{order}I", content, at + 4), at + 8
        end = start + size if kind == _COMPRESSED else start + size + -size % 8
    if start + size > len(content):
        raise RecordError("truncated", f"{where}: a MATLAB file states {size} bytes, {len(content) - start} follow")
    return _Element(kind, content[start : start + size], end)


def _numbers(element: _Element, order: str) -> Any:
    dtype = np.dtype(order + _TYPES[element.kind])
    if len(element.data) % dtype.itemsize:
        raise ValueError("part of a number")
    return np.frombuffer(element.data, dtype)


def _matrix(data: bytes, order: str, where: str, depth: int) -> tuple[str, Any]:
    """Name and value; None for what is no array of real numbers, text, cell or struct."""
    if not data:
        return "", np.zeros((0, 0))
    if depth > _DEEPEST:
        raise ValueError("too deep")
    flags = _element(data, 0, order, where)
    shape = _element(data, flags.end, order, where)
    name = _element(data, shape.end, order, where)
    at = name.end
    (bits,) = struct.unpack_from(f"{order}I", flags.data)
    dims = [int(size) for size in _numbers(shape, order)]
    if flags.kind != 6 or len(flags.data) != 8 or not 2 <= len(dims) <= 8 or min(dims) < 0:
        raise ValueError("no header of a matrix")
    count = int(np.prod(dims, dtype=object))
    text, kind = name.data.decode("ascii", "replace"), bits & 0xFF
    if kind in (_CELL, _STRUCT):
        return text, _container(data, at, order, where, depth, count, kind)
    if bits & _COMPLEX or (kind not in _CLASSES and kind != _CHAR):
        return text, None
    content = _element(data, at, order, where)
    if kind == _CHAR and content.kind == _UTF8:
        values = np.array([ord(letter) for letter in content.data.decode("utf-8")], np.uint32)
    else:
        values = _numbers(content, order)
    if len(values) != count:
        raise ValueError("another number of values than stated")
    if kind == _CHAR:
        rows = values.reshape(dims, order="F").reshape(dims[0], -1) if count else np.zeros((0, 0), np.uint16)
        texts = ["".join(map(chr, row)).rstrip() for row in rows.tolist()]
        return text, texts[0] if len(texts) == 1 else texts
    stored = np.dtype(_CLASSES[kind])  # integers may be stored in fewer bytes than their class has
    return text, values.astype(stored).reshape(dims, order="F")


def _container(data: bytes, at: int, order: str, where: str, depth: int, count: int, kind: int) -> Any:
    """A cell as a list, a struct of one element as a dict; other structs are None."""
    fields = [""]
    if kind == _STRUCT:
        width = _element(data, at, order, where)
        listed = _element(data, width.end, order, where)
        size = int(_numbers(width, order)[0])
        if not 1 <= size <= 64:
            raise ValueError("no length of a field's name")
        fields = [
            listed.data[i : i + size].partition(b"\0")[0].decode("ascii", "replace")
            for i in range(0, len(listed.data), size)
        ]
        at = listed.end
        if count != 1:
            return None
    if count * max(1, len(fields)) * 8 > len(data):
        raise ValueError("more elements than there is room for")
    values: list[Any] = []
    for _ in range(count * len(fields)):
        element = _element(data, at, order, where)
        if element.kind != _MATRIX:
            raise ValueError("no matrix in a cell or struct")
        values.append(_matrix(element.data, order, where, depth + 1)[1])
        at = element.end
    return dict(zip(fields, values, strict=True)) if kind == _STRUCT else values


# ---------------------------------------------------------------------------------------------------- version 4


def _version_4(content: bytes, where: str) -> Iterator[tuple[str, Any]]:
    at = 0
    while at < len(content):
        order = "<" if struct.unpack_from("<i", content, at)[0] in range(5000) else ">"
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, at)
        thousands, zero, precision, form = kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10
        if thousands != (order == ">") or zero or form > 2 or imaginary not in (0, 1) or rows < 0 or columns < 0:
            raise ValueError("no header of a matrix")
        if not 1 <= length <= 64 or precision not in _V4_TYPES:
            raise ValueError("no header of a matrix")
        dtype = np.dtype(order + _V4_TYPES[precision])
        start, size = at + 20 + length, rows * columns * dtype.itemsize
        if start + size * (1 + imaginary) > len(content):
            raise RecordError("truncated", f"{where}: a MATLAB file states {size} bytes, {len(content) - start} follow")
        name = content[at + 20 : start].partition(b"\0")[0].decode("ascii", "replace")
        values = np.frombuffer(content, dtype, rows * columns, start).reshape((rows, columns), order="F")
        at = start + size * (1 + imaginary)
        if imaginary or form == 2:
            continue
        if form == 1:
            texts = [
                "".join(chr(int(code)) for code in row if 0 <= code < 0x110000).rstrip() for row in values.tolist()
            ]
            yield name, texts[0] if len(texts) == 1 else texts
        else:
            yield name, values
