"""The rows that pretraining sees, and the columns that an objective makes of what was measured on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int16, Int64, Shaped

from beatssl.signals.leads import LEADS
from beatssl.store.layout import MISSING
from beatssl.store.own_data.label_file import is_label_file
from beatssl.store.own_data.sides import FOLDS, Sides, one_split
from beatssl.store.standardise import FeatureStandardiser
from beatssl.store.store import Store, open_stores
from beatssl.store.unlabelled import kept_rows

_READ_ROWS = 1024


@dataclass(frozen=True)
class Columns:
    """Arrays that every batch carries, a line a row or a line a beat of all rows, by name.

    `scales` are the standardisers that made them, by the file of the run's folder that they are kept in. `chance` is
    the weight of each beat where beats of a row are drawn; None: all alike.
    """

    record: Mapping[str, Shaped[np.ndarray, "row ..."]] = field(default_factory=dict[str, np.ndarray])
    beat: Mapping[str, Shaped[np.ndarray, "beat ..."]] = field(default_factory=dict[str, np.ndarray])
    scales: Mapping[str, FeatureStandardiser] = field(default_factory=dict[str, FeatureStandardiser])
    chance: Float32[np.ndarray, " beat"] | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of one or several stores, numbered 0 … n − 1, with the beats of each one after the other.

    What was measured on them is read when it is first asked for.
    """

    stores: tuple[Store, ...]
    store_of: Int64[np.ndarray, " row"]
    store_row: Int64[np.ndarray, " row"]
    units: Int16[np.ndarray, "row lead time"] | None  # None: read from the stores' memory maps

    def __len__(self) -> int:
        return len(self.store_row)

    @property
    def fs_hz(self) -> float:
        return self.stores[0].fs_hz

    @cached_property
    def records(self) -> pd.DataFrame:
        """The stores' tables of records, a line a row."""
        return self._joined([store.records.iloc[rows] for store, rows in self._own()])

    @cached_property
    def record_id(self) -> Shaped[np.ndarray, " row"]:
        return self.records["record_id"].astype(str).to_numpy()

    @cached_property
    def samples(self) -> Int64[np.ndarray, " row"]:
        """Samples of each row before the padding."""
        return self.records["samples"].to_numpy(np.int64)

    @cached_property
    def features(self) -> pd.DataFrame:
        """Record features, a line a row; NaN where not measurable."""
        return self._joined([store.features.iloc[rows] for store, rows in self._own()])

    def median_beats_mv(self) -> Float32[np.ndarray, "row lead window"]:
        """Median beats in mV."""
        return np.concatenate([store.median_beats_mv(rows) for store, rows in self._own()])

    @cached_property
    def beats(self) -> pd.DataFrame:
        """The stores' tables of beats, a line a beat, sorted by row and time.

        Clusters of beat shape hold within one store: of several, or without any, the column `cluster` is −1.
        """
        parts: list[pd.DataFrame] = []
        before = 0
        for store, kept in self._own():
            number = np.full(len(store), -1)
            number[kept] = np.arange(len(kept)) + before
            beats = store.beats.assign(row=number[store.beats["row"].to_numpy(np.int64)])
            parts.append(beats[beats["row"] >= 0])
            before += len(kept)
        beats = self._joined(parts).sort_values(["row", "time_s"], kind="stable", ignore_index=True)
        return beats if "cluster" in beats.columns else beats.assign(cluster=-1)

    @cached_property
    def beat_begin(self) -> Int64[np.ndarray, " row_and_end"]:
        """Beats of row i: beat_begin[i] to beat_begin[i + 1]."""
        return np.searchsorted(self.beats["row"].to_numpy(np.int64), np.arange(len(self) + 1))

    @cached_property
    def beat_at(self) -> Float32[np.ndarray, " beat"]:
        """R peaks, in samples of their row."""
        return (self.beats["time_s"].to_numpy(np.float64) * self.fs_hz).astype(np.float32)

    def ecg_units(self, rows: Int64[np.ndarray, " some_row"]) -> Int16[np.ndarray, "some_row lead time"]:
        """Signals in 1 µV, `store.layout.MISSING` where not measured, in the order asked."""
        if self.units is not None:
            return self.units[rows]
        return _gather(self.stores, self.store_of[rows], self.store_row[rows])

    def _own(self) -> list[tuple[Store, Int64[np.ndarray, " _row"]]]:
        return [(store, self.store_row[self.store_of == index]) for index, store in enumerate(self.stores)]

    @staticmethod
    def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(parts, ignore_index=True)


def load_rows(
    stores: Sequence[Path | str],
    folds: Sequence[int] = (),
    row_limit: int | None = None,
    memory_gb: float = 4.0,
    seed: int = 0,
    split: str = FOLDS,
) -> Rows:
    """The rows that pretraining sees, waveforms and measurements alone, no labels.

    `folds` keeps the rows of these folds (empty: all), another `split` those of its train side; `row_limit` then
    draws so many at random. Signals are held in memory where they need at most `memory_gb` (PTB-XL: 0.47 GB), else read
    from the stores' memory maps.

    Raises StoreError where the stores do not fit together, ValueError where they have not the twelve leads or fewer
    than two rows are left, SplitError where a patient or waveform is in another fold too.
    """
    opened = tuple(open_stores(stores))
    if split != FOLDS:
        opened, folds = tuple(one.store for one in _sides_of(opened, split, seed)), (0,)
    kept = [kept_rows(store, folds) for store in opened]
    store_of = np.repeat(np.arange(len(opened)), [len(rows) for rows in kept])
    store_row = np.concatenate(kept)
    if row_limit is not None and row_limit < len(store_row):
        chosen = np.sort(np.random.default_rng([seed, len(store_row)]).permutation(len(store_row))[:row_limit])
        store_of, store_row = store_of[chosen], store_row[chosen]
    if len(store_row) < 2:
        raise ValueError(
            f"{len(store_row)} rows of {', '.join(str(s.path) for s in opened)} are in folds {sorted(folds)}; "
            "pretraining needs two at least: pass other folds= or another store"
        )
    nbytes = len(store_row) * len(LEADS) * round(opened[0].duration_s * opened[0].fs_hz) * 2
    units = _gather(opened, store_of, store_row) if nbytes <= memory_gb * 1e9 else None
    return Rows(opened, store_of, store_row, units)


def _sides_of(stores: Sequence[Store], split: str, seed: int) -> list[Sides]:
    if len(stores) > 1 and is_label_file(split):
        raise ValueError(
            f"split={split!r} names the records of one store, {len(stores)} are given; pass a table of records with a "
            "column split to prepare, and split='column:split' here"
        )
    return [one_split(store, split, seed) for store in stores]


def _gather(
    stores: tuple[Store, ...], store_of: Int64[np.ndarray, " some_row"], rows: Int64[np.ndarray, " some_row"]
) -> Int16[np.ndarray, "some_row lead time"]:
    samples = round(stores[0].duration_s * stores[0].fs_hz)
    out = np.full((len(rows), len(LEADS), samples), MISSING, np.int16)
    for index, store in enumerate(stores):
        here = np.flatnonzero(store_of == index)
        for start in range(0, len(here), _READ_ROWS):
            part = here[start : start + _READ_ROWS]
            out[part] = store.ecg_units(rows[part])
    return out
