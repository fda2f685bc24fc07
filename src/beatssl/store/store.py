"""A prepared store, read lazily: signals through memory maps, tables when first asked for."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Union, overload

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int16, Int64, Shaped

from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.content import Changed, ChosenRows, Content, InMemory, Shards, TwelvePlaces
from beatssl.store.layout import (
    ECG,
    FORMAT_VERSION,
    MANIFEST,
    MEDIAN_BEATS,
    PARTIAL,
    PLAN,
    StoreError,
    baseline_of,
    read_manifest,
    to_int16,
    to_mv,
)
from beatssl.store.manifest import differences
from beatssl.store.outputs import known_as
from beatssl.store.shards.tables import COLUMNS, TABLES

_ALIKE = ("fs_hz", "duration_s", "low_hz", "high_hz", "leads", "clusters", "keep_identifiers")
"""Settings that two stores must share before they may be mixed."""

_OF_THE_FILES = ("csv_fs_hz", "unit", "leads", "seed")
"""Options of readers that only say what their files are; stores of one kind may differ in them."""


Rows = Union[Sequence[int | np.integer[Any]], Shaped[np.ndarray, " selected"], "pd.Series", slice]
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
        self._content: Content = Shards(Path(path), _manifest(Path(path)), with_clusters)

    @classmethod
    def of(cls, content: Content) -> "Store":
        """A store that reads from `content`."""
        store = cls.__new__(cls)
        store._content = content  # noqa: SLF001
        return store

    @classmethod
    def in_memory(
        cls,
        *,
        fs_hz: float = 100.0,
        ecg_mv: Float32[np.ndarray, "_row _lead _time"] | None = None,
        median_beats_mv: Float32[np.ndarray, "_row _lead _window"] | None = None,
        path: Path | str = "memory",
        config: Mapping[str, Any] | None = None,
        **tables: "pd.DataFrame",
    ) -> "Store":
        """A store of arrays and tables, without files.

        Args:
            fs_hz: sampling rate of the rows.
            ecg_mv: signals, kept in units of 1 µV; NaN where missing. Without them no signal can be read.
            median_beats_mv: likewise.
            path: what messages call the store.
            config: settings that differ from those `prepare` has by default: kind, low_hz, high_hz, leads, …
            tables: `records`, `beats`, `features`, `labels`, `waves`, `reference_beats`, `rejects`; one that is not
                given is empty. `records` has a line a row.

        Raises ValueError for a table of another name.
        """
        if unknown := tables.keys() - set(TABLES):
            raise ValueError(f"a store has no table {sorted(unknown)[0]!r}; it has {', '.join(TABLES)}")
        given = {ECG: ecg_mv, MEDIAN_BEATS: median_beats_mv}
        signals = {name: to_int16(signal_mv) for name, signal_mv in given.items() if signal_mv is not None}
        samples = 0 if ecg_mv is None else ecg_mv.shape[2]
        settings = {
            "kind": "memory", "fs_hz": fs_hz, "duration_s": samples / fs_hz if samples else 10.0, "low_hz": 0.5,
            "high_hz": 40.0, "leads": "twelve", "clusters": 0,
        }  # fmt: skip
        manifest = {
            "format": FORMAT_VERSION,
            "config": settings | dict(config or {}),
            "counts": {"leads": len(LEADS) if ecg_mv is None else ecg_mv.shape[1]},
        }
        every = {name: tables.get(name, pd.DataFrame(columns=list(COLUMNS[name]))) for name in TABLES}
        return cls.of(InMemory(Path(path), manifest, every, signals))

    def take(self, rows: Rows) -> "Store":
        """Some rows as a store of their own, numbered anew in the order given, with the marks of their records.

        Raises ValueError where a row is named twice.
        """
        numbers = self._within(rows)
        if len(np.unique(numbers)) < len(numbers):
            raise ValueError(f"rows of {self!r} taken twice; name each once")
        return Store.of(ChosenRows(self._content, numbers))

    def with_tables(self, **tables: "pd.DataFrame") -> "Store":
        """The store with other tables in place of its own: `store.with_tables(records=…)`.

        Raises ValueError for a table of another name, or one that must have a line a row and has not.
        """
        if unknown := tables.keys() - set(TABLES):
            raise ValueError(f"a store has no table {sorted(unknown)[0]!r}; it has {', '.join(TABLES)}")
        for name in ("records", "features"):
            if name in tables and len(tables[name]) != len(self):
                raise ValueError(f"{name} of {len(tables[name])} lines for {self!r}; pass one line a row")
        return Store.of(Changed(self._content, tables))

    def with_config(self, **config: Any) -> "Store":
        """The store as if it had been prepared with other settings; signals and tables stay as they are."""
        return Store.of(Changed(self._content, config=config))

    def twelve_leads(self) -> "Store":
        """The store with its leads in the twelve places, whatever was recorded: others are derived, or missing."""
        if self.manifest["config"]["leads"] == "twelve":
            return self
        return Store.of(TwelvePlaces(self._content, [tuple(names) for names in self.records["lead_names"]]))

    def __len__(self) -> int:
        return len(self._content)

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> Float32[np.ndarray, "lead time"]: ...

    @overload
    def __getitem__(self, rows: Rows) -> Float32[np.ndarray, "row lead time"]: ...

    def __getitem__(self, rows: int | np.integer[Any] | Rows) -> Float32[np.ndarray, "*row lead time"]:
        """Signals in mV as `ecg_mv` gives them, as a copy: `store[0]`, `store[-1]`, `store[:8]`, a mask.

        One row number gives one row's (lead, time), counted from the end where it is negative. Raises IndexError for a
        row that is not there.
        """
        if isinstance(rows, int | np.integer):
            return self.ecg_mv([int(rows) + len(self) if rows < 0 else int(rows)])[0]
        return self.ecg_mv(rows)

    def __iter__(self) -> Iterator[Float32[np.ndarray, "lead time"]]:
        """The rows' signals one after the other."""
        return (self[row] for row in range(len(self)))

    @property
    def path(self) -> Path:
        """Folder of the store."""
        return self._content.path

    @property
    def manifest(self) -> dict[str, Any]:
        """Settings it was prepared with, versions, hashes of its inputs, counts."""
        return self._content.manifest

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self):,} rows of {self.duration_s:g} s at {self.fs_hz:g} Hz)"

    def __getstate__(self) -> dict[str, Any]:
        return {"_content": self._content}  # without the tables read so far

    def fingerprint(self) -> str | None:
        """A hash of what its signals are: the manifest, with its hash of every file, and each file's size and time.

        None for a store in memory, and for one that is some rows of another.
        """
        return self._content.fingerprint() if isinstance(self._content, Shards | Changed) else None

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
        return self.units(ECG, rows)

    def units(self, name: str, rows: Rows) -> Int16[np.ndarray, "row lead time"]:
        """`layout.ECG` or `layout.MEDIAN_BEATS` of some rows in µV, −32768 where missing."""
        return self._content.units(name, self._within(rows))

    def median_beats_mv(self, rows: Rows) -> Float32[np.ndarray, "row lead window"]:
        """Median beats of some rows in mV; R lies `beats.windows.BEFORE_S` into them. NaN where missing."""
        return to_mv(self.units(MEDIAN_BEATS, rows))

    @cached_property
    def records(self) -> "pd.DataFrame":
        """One line a row: ids, age, sex, source, lead names, fold, quality flags."""
        return self.table("records")

    @cached_property
    def beats(self) -> "pd.DataFrame":
        """One line a beat: its times, waves, class, cluster and features."""
        return self.table("beats")

    @cached_property
    def features(self) -> "pd.DataFrame":
        """Record features, one line a row; NaN where not measurable."""
        return self.table("features")

    @cached_property
    def labels(self) -> "pd.DataFrame":
        """One line a statement and row: label set, label, likelihood."""
        return self.table("labels")

    def targets(self, label_set: str) -> "pd.DataFrame":
        """Whether each row (line) has each label (column, in alphabetical order) of a set such as "superclass".

        Any statement counts, whatever its likelihood. A line that is all false is a row without a label in the set.
        Raises ValueError for a set that no row has.
        """
        entries = self.labels[self.labels["label_set"] == label_set]
        if entries.empty:
            known = ", ".join(sorted(self.labels["label_set"].unique())) or "none"
            raise ValueError(
                f"the store has no labels of set {label_set!r}; it has {known}; labels of your own are a file, such as "
                "my.csv"
            )
        names = sorted(entries["label"].unique())
        table = np.zeros((len(self), len(names)), bool)
        table[entries["row"].to_numpy(np.int64), np.searchsorted(names, entries["label"].to_numpy(str))] = True
        return pd.DataFrame(table, columns=names)

    @cached_property
    def waves(self) -> "pd.DataFrame":
        """Reference P, QRS and T waves, times from the record's start."""
        return self.table("waves")

    @cached_property
    def reference_beats(self) -> "pd.DataFrame":
        """Reference beats, times from the record's start, symbols as the source has them."""
        return self.table("reference_beats")

    @cached_property
    def rejects(self) -> "pd.DataFrame":
        """Records set aside: file relative to the source, reason, message."""
        return self.table("rejects")

    def table(self, name: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table of all shards, rows numbered through the store; with `columns`, only these are read."""
        return self._content.table(name, columns)

    def _within(self, rows: Rows) -> Int64[np.ndarray, " wanted"]:
        wanted = self._numbers(rows)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"row {wanted.min()} to {wanted.max()} asked of {self!r}; rows are 0 to {len(self) - 1}")
        return wanted

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
    shared["baseline"] = baseline_of(store.manifest)
    if of_one_kind:
        options = store.manifest["reader"].items()
        shared["reader"] = {key: value for key, value in options if key not in _OF_THE_FILES}
        shared["salt_fingerprint"] = config["salt_fingerprint"]
    return shared


def _manifest(path: Path) -> dict[str, Any]:
    if not (path / MANIFEST).exists():
        if (path / PLAN).exists() or (path / PARTIAL).exists():
            raise StoreError(f"store {path} is not finished; run the same prepare command again to finish it")
        if not path.exists():
            raise StoreError(f"{path} is no store: there is no such folder; pass that of a store, which prepare makes")
        if known := known_as(path):
            raise StoreError(f"{path} is no store but {known}; pass the folder of a store")
        raise StoreError(f"{path} is no store (it has no {MANIFEST}); make one with prepare")
    manifest = read_manifest(path / MANIFEST)
    version = manifest["format"]
    if version > FORMAT_VERSION:
        raise StoreError(
            f"store {path} has format {version}, this version of beatssl reads up to {FORMAT_VERSION}; upgrade beatssl"
        )
    return manifest
