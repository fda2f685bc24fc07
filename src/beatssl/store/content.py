"""What a store reads from: shards on disk, arrays in memory, some rows of another store, or another store changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int16, Int64

from beatssl.signals.leads import LEADS, to_twelve
from beatssl.store.layout import (
    BEAT_CLUSTERS,
    CLUSTERS,
    ECG,
    MEDIAN_BEATS,
    MISSING,
    canonical_hash,
    shard_name,
    to_int16,
    to_mv,
)

WITH_ROW = ("beats", "labels")
"""Tables with a column `row`: within its shard on disk, through the store once read."""

_OF_ROWS = ("records", "features")
_OF_RECORDS = ("waves", "reference_beats")

Manifest = dict[str, Any]
RowNumbers = Int64[np.ndarray, " wanted"]
Units = Int16[np.ndarray, "wanted lead time"]


@runtime_checkable
class Content(Protocol):
    """Tables and signals by name, rows numbered 0 … n − 1."""

    @property
    def path(self) -> Path:
        """Where it lies, for messages."""
        ...

    @property
    def manifest(self) -> Manifest:
        """Settings and counts."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table; with `columns`, only these."""
        ...

    def units(self, name: str, rows: RowNumbers) -> Units:
        """`ECG` or `MEDIAN_BEATS` of some rows in µV, `MISSING` where not measured. Rows are within the store."""
        ...


@dataclass(frozen=True)
class Shards:
    """Shards on disk, signals through memory maps."""

    path: Path
    manifest: Manifest
    with_clusters: bool = True
    _maps: dict[tuple[str, int], Int16[np.ndarray, "row lead time"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "manifest": self.manifest, "with_clusters": self.with_clusters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _maps={})

    @property
    def _first_row(self) -> Int64[np.ndarray, " shards_and_end"]:
        return np.cumsum([0, *(shard["rows"] for shard in self.manifest["shards"])], dtype=np.int64)

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table of all shards, rows numbered through the store."""
        parts: list[pa.Table] = []
        for index, first in enumerate(self._first_row[:-1].tolist()):
            path = self._shard(index) / f"{name}.parquet"
            part = pq.read_table(path, columns=None if columns is None else list(columns))
            if name in WITH_ROW and "row" in part.column_names:
                at = part.column_names.index("row")
                part = part.set_column(at, "row", pa.array(part["row"].to_numpy().astype(np.int64) + first))
            parts.append(part)
        table = pa.concat_tables(parts, promote_options="default").to_pandas()
        if name == "beats" and columns is None and self.with_clusters and self.manifest["config"]["clusters"]:
            found = CLUSTERS in self.manifest["files"]  # else there is no beat
            clusters = [np.load(self._shard(index) / BEAT_CLUSTERS) for index in range(len(parts) if found else 0)]
            table["cluster"] = np.concatenate([np.zeros(0, np.int16), *clusters])
        return table

    def units(self, name: str, rows: RowNumbers) -> Units:
        """Signals of some rows; shards with fewer leads than others are filled up with `MISSING`."""
        first_row = self._first_row
        shard_of = np.searchsorted(first_row, rows, side="right") - 1
        parts = {int(index): self._map(name, int(index)) for index in np.unique(shard_of)}
        leads, samples = self.manifest["counts"]["leads"], next(iter(parts.values())).shape[2] if parts else 0
        if self.manifest["config"]["leads"] == "twelve":
            leads = len(LEADS)
        out = np.full((rows.size, leads, samples), MISSING, np.int16)
        for index, part in parts.items():
            here = np.flatnonzero(shard_of == index)
            out[here, : part.shape[1]] = part[rows[here] - first_row[index]]
        return out

    def fingerprint(self) -> str:
        """A hash of the manifest, and of size and time of the files that signals and their lengths are read from."""
        shards = range(len(self.manifest["shards"]))
        files = [self._shard(index) / name for index in shards for name in (ECG, "records.parquet")]
        seen = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
        return canonical_hash([self.manifest, seen])

    def _shard(self, index: int) -> Path:
        return self.path / shard_name(index)

    def _map(self, name: str, index: int) -> Int16[np.ndarray, "row lead time"]:
        if (name, index) not in self._maps:
            self._maps[name, index] = np.load(self._shard(index) / name, mmap_mode="r")
        return self._maps[name, index]


@dataclass(frozen=True)
class InMemory:
    """Arrays and tables given; `signals` by the names `ECG` and `MEDIAN_BEATS`."""

    path: Path
    manifest: Manifest
    tables: "Mapping[str, pd.DataFrame]"
    signals: Mapping[str, Int16[np.ndarray, "_row _lead _time"]]

    def __len__(self) -> int:
        return len(self.tables["records"])

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A copy of the table given, or of some of its columns."""
        table = self.tables[name]
        return table.copy() if columns is None else table[list(columns)]

    def units(self, name: str, rows: RowNumbers) -> Units:
        """Signals of some rows. Raises ValueError where none were given."""
        if name not in self.signals:
            given = {ECG: "ecg_mv", MEDIAN_BEATS: "median_beats_mv"}[name]
            raise ValueError(f"store {self.path} was made without signals; pass {given}= to Store.in_memory")
        return self.signals[name][rows]


@dataclass(frozen=True)
class ChosenRows:
    """Some rows of a store, numbered anew in the order given."""

    of: Content
    rows: RowNumbers

    @property
    def path(self) -> Path:
        """Of the whole store."""
        return self.of.path

    @property
    def manifest(self) -> Manifest:
        """Of the whole store."""
        return self.of.manifest

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Lines of the rows chosen, of their records, or of none (records set aside are no rows)."""
        if name in WITH_ROW:
            wanted = None if columns is None else list(dict.fromkeys(("row", *columns)))
            return self._renumbered(self.of.table(name, wanted))[slice(None) if columns is None else list(columns)]
        if name in _OF_ROWS:
            return self.of.table(name, columns).iloc[self.rows].reset_index(drop=True)
        whole = self.of.table(name)
        if name in _OF_RECORDS:
            ids = self.of.table("records", ["record_id"])["record_id"].iloc[self.rows]
            chosen = whole[whole["record_id"].isin(ids)].reset_index(drop=True)
        else:
            chosen = whole.iloc[:0]
        return chosen if columns is None else chosen[list(columns)]

    def units(self, name: str, rows: RowNumbers) -> Units:
        """Signals of some of the rows chosen."""
        return self.of.units(name, self.rows[rows])

    def _renumbered(self, table: "pd.DataFrame") -> "pd.DataFrame":
        number = np.full(len(self.of), -1)
        number[self.rows] = np.arange(len(self.rows))
        row = number[table["row"].to_numpy(np.int64)]
        table = table[row >= 0].assign(row=row[row >= 0].astype(table["row"].to_numpy().dtype))
        return table.sort_values("row", kind="stable").reset_index(drop=True)


@dataclass(frozen=True)
class Changed:
    """A store with other tables or settings in place of its own."""

    of: Content
    tables: "Mapping[str, pd.DataFrame]" = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def path(self) -> Path:
        """Of the store itself."""
        return self.of.path

    @property
    def manifest(self) -> Manifest:
        """The store's, with the settings changed."""
        return self.of.manifest | {"config": self.of.manifest["config"] | dict(self.config)}

    def __len__(self) -> int:
        return len(self.of)

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """The other table where there is one."""
        if name not in self.tables:
            return self.of.table(name, columns)
        table = self.tables[name]
        return table.copy() if columns is None else table[list(columns)]

    def fingerprint(self) -> str | None:
        """Of the store itself, with the settings and the length of rows as they are here."""
        own = self.of.fingerprint() if isinstance(self.of, Shards | Changed) else None
        samples = self.table("records", ["samples"])["samples"].tolist()
        return None if own is None else canonical_hash([own, dict(self.config), samples])

    def units(self, name: str, rows: RowNumbers) -> Units:
        """The store's own."""
        return self.of.units(name, rows)


@dataclass(frozen=True)
class TwelvePlaces:
    """A store as recorded with each lead in its place among the twelve; the others are derived, or missing."""

    of: Content
    lead_names: Sequence[tuple[str, ...]]
    """Those recorded, of every row."""

    @property
    def path(self) -> Path:
        """Of the store itself."""
        return self.of.path

    @property
    def manifest(self) -> Manifest:
        """The store's, its leads the twelve."""
        return self.of.manifest | {"config": self.of.manifest["config"] | {"leads": "twelve"}}

    def __len__(self) -> int:
        return len(self.of)

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """The store's own."""
        return self.of.table(name, columns)

    def units(self, name: str, rows: RowNumbers) -> Units:
        """Signals of some rows, each lead in its place."""
        recorded = self.of.units(name, rows)  # the leads recorded come first
        names = [self.lead_names[row] for row in rows]
        ordered = [to_twelve(to_mv(row[: len(own)]), own) for row, own in zip(recorded, names, strict=True)]
        return to_int16(np.stack(ordered)) if ordered else np.zeros((0, len(LEADS), 0), np.int16)
