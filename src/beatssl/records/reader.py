"""The reader's contract: list what is there without reading it, then read one record at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from beatssl.records.record import Record, RecordError


@dataclass(frozen=True, slots=True)
class Source:
    """One record before it is read: its id, its path relative to the root, and what the index said of it."""

    id: str
    path: str
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Reader(Protocol):
    """One kind of data set."""

    kind: str

    def sources(self, root: Path) -> list[Source]:
        """Every record under `root`, in a stable order. Raises FileNotFoundError naming the missing index file."""
        ...

    def read(self, root: Path, source: Source) -> Record:
        """One record. Raises `RecordError`, never another exception, for a file that cannot be used."""
        ...


def inside(root: Path, name: str) -> Path:
    """`root / name`, refused where the name would leave the folder (`../x`, absolute, or a link out of it)."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise RecordError("unsafe-path", f"{name!r} leads out of {root}; a record's name must stay inside its folder")
    return path
