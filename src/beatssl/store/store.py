"""A prepared store, read lazily: signals through memory maps, tables when first asked for."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Int16, Int64, Shaped

from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.layout import (
    BEAT_CLUSTERS,
    CLUSTERS,
    ECG,
    FORMAT_VERSION,
    MANIFEST,
    MEDIAN_BEATS,
    MISSING,
    PARTIAL,
    PLAN,
    StoreError,
    read_manifest,
    shard_name,
    to_mv,
)
from beatssl.store.manifest import differences

_WITH_ROW = ("beats", "labels")
"""Tables whose column `row` counts within their shard on disk, and through the store once read."""

_ALIKE = ("fs_hz", "duration_s", "low_hz", "high_hz", "leads", "clusters", "keep_identifiers")
"""Settings that two stores must share before they may be mixed."""

_OF_THE_FILES = ("csv_fs_hz", "unit", "leads", "seed")
"""Options of readers that only say what their files are; stores of one kind may differ in them."""


Rows = Sequence[int | np.integer[Any]] | Shaped[np.ndarray, " selected"] | pd.Series | slice
"""A selection of rows: their numbers, a mask with one entry a row, or a slice."""


class Store:
    """Rows of equal length with their beats, features and labels.

    A row is a record, or one of the equal parts of a long one; rows are numbered 0 … n − 1 through all shards, and
    that number is the index of `records` and `features` and the column `row` of `beats` and `labels`.

    Clusters of beat shape are numbered within their store: with `with_clusters=False`, as `open_stores` opens several,
    `beats` has no column `cluster`.

    Raises StoreError where `path` is no store, is not finished or damaged, or has a newer format than this version
    reads.
    """

    def __init__(self, path: Path | str, with_clusters: bool = True) -> None:
        self.path = Path(path)
        self.with_clusters = with_clusters
        self.manifest: dict[str, Any] = _manifest(self.path)
        self._first_row = np.cumsum([0, *(shard["rows"] for shard in self.manifest["shards"])])
        self._maps: dict[tuple[str, int], Int16[np.ndarray, "row lead time"]] = {}

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self):,} rows of {self.duration_s:g} s at {self.fs_hz:g} Hz)"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "with_clusters": self.with_clusters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    @property
    def kind(self) -> str:
        """What was prepared: ptbxl, ludb, …"""
        return self.manifest["config"]["kind"]

    @property
    def fs_hz(self) -> float:
        """Sampling rate of the rows."""
        return float(self.manifest["config"]["fs_hz"])

    @property
    def duration_s(self) -> float:
        """Length of a row."""
        return float(self.manifest["config"]["duration_s"])

    @property
    def leads(self) -> tuple[str, ...]:
        """The twelve, or the slots "1", "2", … of a store as recorded; `records.lead_names` says what each holds."""
        if self.manifest["config"]["leads"] == "twelve":
            return LEADS
        return tuple(str(slot + 1) for slot in range(self.manifest["counts"]["leads"]))

    @property
    def preparation(self) -> Preparation:
        """What was done to the signals; its leads are none where they were kept as recorded."""
        config = self.manifest["config"]
        leads = LEADS if config["leads"] == "twelve" else ()
        return Preparation(self.fs_hz, float(config["low_hz"]), float(config["high_hz"]), leads)

    def ecg_mv(self, rows: Rows) -> Float32[np.ndarray, "row lead time"]:
        """Signals of some rows, in the order asked, in mV; NaN where missing, not measured or padded."""
        return to_mv(self.ecg_units(rows))

    def ecg_units(self, rows: Rows) -> Int16[np.ndarray, "row lead time"]:
        """As `ecg_mv`, in the store's own unit of 1 µV, −32768 where missing."""
        return self._gather(ECG, rows)

    def median_beats_mv(self, rows: Rows) -> Float32[np.ndarray, "row lead window"]:
        """Median beats of some rows in mV; R lies `beats.windows.BEFORE_S` into them. NaN where missing."""
        return to_mv(self._gather(MEDIAN_BEATS, rows))

    @cached_property
    def records(self) -> pd.DataFrame:
        """One line a row: ids, age, sex, source, lead names, fold, quality flags."""
        return self.table("records")

    @cached_property
    def beats(self) -> pd.DataFrame:
        """One line a beat: its times, waves, class, cluster and features."""
        beats = self.table("beats")
        if self.with_clusters and self.manifest["config"]["clusters"]:
            found = CLUSTERS in self.manifest["files"]  # else there is no beat
            parts = [np.load(self.shard(index) / BEAT_CLUSTERS) for index in range(self.shards if found else 0)]
            beats["cluster"] = np.concatenate([np.zeros(0, np.int16), *parts])
        return beats

    @cached_property
    def features(self) -> pd.DataFrame:
        """Record features, one line a row; NaN where not measurable."""
        return self.table("features")

    @cached_property
    def labels(self) -> pd.DataFrame:
        """One line a statement and row: label set, label, likelihood."""
        return self.table("labels")

    def targets(self, label_set: str) -> pd.DataFrame:
        """Whether each row (line) has each label (column, in alphabetical order) of a set such as "superclass".

        Any statement counts, whatever its likelihood. A line that is all false is a row without a label in the set.
        Raises ValueError for a set that no row has.
        """
        entries = self.labels[self.labels["label_set"] == label_set]
        if entries.empty:
            known = ", ".join(sorted(self.labels["label_set"].unique())) or "none"
            raise ValueError(f"the store has no labels of set {label_set!r}; it has {known}")
        names = sorted(entries["label"].unique())
        table = np.zeros((len(self), len(names)), bool)
        table[entries["row"].to_numpy(np.int64), np.searchsorted(names, entries["label"].to_numpy(str))] = True
        return pd.DataFrame(table, columns=names)

    @cached_property
    def waves(self) -> pd.DataFrame:
        """Reference P, QRS and T waves, times from the record's start."""
        return self.table("waves")

    @cached_property
    def reference_beats(self) -> pd.DataFrame:
        """Reference beats, times from the record's start, symbols as the source has them."""
        return self.table("reference_beats")

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """Records set aside: file relative to the source, reason, message."""
        return self.table("rejects")

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table of all shards, rows numbered through the store; with `columns`, only these are read."""
        parts: list[pa.Table] = []
        for index in range(self.shards):
            path = self.shard(index) / f"{name}.parquet"
            part = pq.read_table(path, columns=None if columns is None else list(columns))
            if name in _WITH_ROW and "row" in part.column_names:
                at = part.column_names.index("row")
                part = part.set_column(at, "row", pa.array(part["row"].to_numpy() + self._first_row[index]))
            parts.append(part)
        return pa.concat_tables(parts, promote_options="default").to_pandas()

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self._first_row) - 1

    def shard(self, index: int) -> Path:
        """The folder of a shard."""
        return self.path / shard_name(index)

    def _gather(self, name: str, rows: Rows) -> Int16[np.ndarray, "row lead time"]:
        wanted = self._numbers(rows)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"row {wanted.min()} to {wanted.max()} asked of {self!r}; rows are 0 to {len(self) - 1}")
        shard_of = np.searchsorted(self._first_row, wanted, side="right") - 1
        parts = {int(index): self._map(name, int(index)) for index in np.unique(shard_of)}
        samples = next(iter(parts.values())).shape[2] if parts else 0
        out = np.full((wanted.size, len(self.leads), samples), MISSING, np.int16)
        for index, part in parts.items():
            here = np.flatnonzero(shard_of == index)
            out[here, : part.shape[1]] = part[wanted[here] - self._first_row[index]]
        return out

    def _numbers(self, rows: Rows) -> Int64[np.ndarray, " wanted"]:
        """Row numbers of a selection. Raises IndexError for a mask of another length and for what is no selection."""
        if isinstance(rows, slice):
            return np.arange(len(self))[rows]
        wanted = np.atleast_1d(np.asarray(rows))
        if pd.api.types.infer_dtype(wanted) == "boolean":
            if wanted.shape != (len(self),):
                raise IndexError(f"a mask of shape {wanted.shape} asked of {self!r}; it must have one entry a row")
            return np.flatnonzero(pd.array(wanted, dtype="boolean").fillna(False).to_numpy(bool))
        if wanted.size == 0:
            return np.zeros(0, np.int64)
        if wanted.ndim != 1 or not np.issubdtype(wanted.dtype, np.integer):
            raise IndexError(f"rows {wanted.dtype} asked of {self!r}; pass row numbers, a mask, or a slice")
        return wanted.astype(np.int64)

    def _map(self, name: str, index: int) -> Int16[np.ndarray, "row lead time"]:
        if (name, index) not in self._maps:
            self._maps[name, index] = np.load(self.shard(index) / name, mmap_mode="r")
        return self._maps[name, index]


def open_stores(paths: Sequence[Path | str]) -> list[Store]:
    """Several stores that may be used as one. Raises StoreError where they were prepared differently.

    Cluster 3 of one store and cluster 3 of another are different shapes, and one shape may have a number in each: of
    several stores `beats` has no column `cluster`.
    """
    stores = [Store(path, with_clusters=len(paths) == 1) for path in paths]
    check_compatible(stores)
    return stores


def check_compatible(stores: Sequence[Store]) -> None:
    """Raises StoreError, naming both stores and what differs, where rows of two of them do not mean the same.

    Compared are format, version of beatssl (major.minor), signal, number of clusters, and whether identifiers are
    kept; of two stores of one kind also the options of the reader and the fingerprint of the salt, without which one
    patient would have two ids. Data sets of different kinds share no patient ids.
    """
    for other in stores[1:]:
        same_kind = other.kind == stores[0].kind
        if lines := differences(_meaning(stores[0], same_kind), _meaning(other, same_kind)):
            raise StoreError(
                f"stores {stores[0].path} and {other.path} were prepared differently: {'; '.join(lines)}; "
                "prepare one of them again with the settings of the other"
            )


def _meaning(store: Store, of_one_kind: bool) -> dict[str, Any]:
    config, versions = store.manifest["config"], store.manifest["versions"]
    shared = {"format": store.manifest["format"], "beatssl": ".".join(versions.get("beatssl", "").split(".")[:2])}
    shared |= store.manifest["signal"] | {key: config[key] for key in _ALIKE}
    if of_one_kind:
        options = store.manifest["reader"].items()
        shared["reader"] = {key: value for key, value in options if key not in _OF_THE_FILES}
        shared["salt_fingerprint"] = config["salt_fingerprint"]
    return shared


def _manifest(path: Path) -> dict[str, Any]:
    if not (path / MANIFEST).exists():
        if (path / PLAN).exists() or (path / PARTIAL).exists():
            raise StoreError(f"store {path} is not finished; run the same prepare command again to finish it")
        raise StoreError(f"{path} is no store (it has no {MANIFEST}); make one with prepare")
    manifest = read_manifest(path / MANIFEST)
    version = manifest["format"]
    if version > FORMAT_VERSION:
        raise StoreError(
            f"store {path} has format {version}, this version of beatssl reads up to {FORMAT_VERSION}; upgrade beatssl"
        )
    return manifest
