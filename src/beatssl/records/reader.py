"""The reader's contract: list what is there without reading it, then read one record at a time."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from beatssl.records.record import Record, RecordError

BESIDE = "beside"
"""Key of `Source.info` under which a reader names one more file that it reads, relative to the root."""


@dataclass(frozen=True, slots=True)
class Source:
    """One record before it is read: its id, its path relative to the root, and what the index said of it."""

    id: str
    path: str
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    alias: str = ""
    """Stands for id and path in messages and tables as long as they may name a patient; "" where they name nobody."""
    root: str = ""
    """The folder that `path` is below, where it is not that of the others: of one file or folder among several."""

    def folder(self, root: Path) -> Path:
        """The folder that `path` is below; `root` is the file or folder that was given for all."""
        return Path(self.root) if self.root else root if root.is_dir() else root.parent


@runtime_checkable
class Reader(Protocol):
    """One kind of data set."""

    @property
    def kind(self) -> str:
        """Its name in `registry.READERS`."""
        ...

    def sources(self, root: Path) -> list[Source]:
        """Every record under `root`, in a stable order. Raises FileNotFoundError naming the missing index file."""
        ...

    def read(self, root: Path, source: Source) -> Record:
        """One record. Raises `RecordError`, never another exception, for a file that cannot be used."""
        ...


def named(places: Sequence[Path]) -> str:
    """The places as messages name them."""
    more = f" and {len(places) - 2} more" if len(places) > 2 else ""
    return ", ".join(str(place) for place in places[:2]) + more


def unlike_ids(names: Sequence[str]) -> list[str]:
    """An id for each path: its last part, or the whole path where another one ends alike."""
    last = [name.rpartition("/")[2] for name in names]
    counts = Counter(last)
    return [short if counts[short] == 1 else name for short, name in zip(last, names, strict=True)]


def inside(root: Path, name: str) -> Path:
    """`root / name`, refused where the name would leave the folder (`../x`, absolute, or a link out of it)."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise RecordError("unsafe-path", f"{name!r} leads out of {root}; a record's name must stay inside its folder")
    return path


def read_inside(root: Path, folder: str, name: str, expected_bytes: int = 2**16) -> bytes:
    """The content of the file `name` in `folder` (relative to `root`, "" for itself), refused as `inside` refuses.

    Meant for reading many small files: the folder is resolved once, and the file is opened in one call that fails on a
    link, so that only links are looked at more closely. `expected_bytes` is a hint that saves calls, not a limit.

    Raises `RecordError` ("unsafe-path", or "unreadable" where there is no such file or it cannot be read).
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise RecordError(
            "unsafe-path", f"{name!r} is no plain file name; a record's files must stand in its own folder {folder!r}"
        )
    path = os.path.join(_resolved(root, folder), name)
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
        except OSError:
            if not os.path.islink(path):
                raise
            descriptor = os.open(inside(root, os.path.join(folder, name)), os.O_RDONLY)
        try:
            return _read_all(descriptor, expected_bytes)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RecordError("unreadable", f"{os.path.join(folder, name)}: {error.strerror}") from None


# O_BINARY for Windows, where links are rare and O_NOFOLLOW is not known: `_resolved` still holds the folder.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@lru_cache(maxsize=4096)
def _resolved(root: Path, folder: str) -> str:
    return str(inside(root, folder))


def _read_all(descriptor: int, expected_bytes: int) -> bytes:
    # Never more at once: the hint may be a damaged header's, and the system itself reads at most 2 GiB in a call.
    expected_bytes = min(expected_bytes, 2**26)
    chunk = os.read(descriptor, expected_bytes + 1)
    chunks = [chunk]
    while len(chunk) > expected_bytes:  # a shorter answer is the end of a file
        expected_bytes = 2**24
        chunk = os.read(descriptor, expected_bytes + 1)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
