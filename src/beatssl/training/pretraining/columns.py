"""What training reads of its stores: signals as stored, standardised features, beats, each as one table in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int16, Int64, Shaped

from beatssl.features import BEAT_DEFINITIONS
from beatssl.signals.leads import LEADS
from beatssl.store.layout import MISSING
from beatssl.store.splits import Split, check_split
from beatssl.store.standardise import FeatureStandardiser, Standardised
from beatssl.store.store import Store, open_stores
from beatssl.targets.kernel import KernelTargets, kernel_coordinates
from beatssl.targets.space import FeatureSpace

BEAT_CLASSES = ("N", "S", "V", "F")
"""Beat classes by number; a beat of none of them is −1."""

RECORD_SCALE, BEAT_SCALE = "record_scale.safetensors", "beat_scale.safetensors"
_READ_ROWS = 1024


@dataclass(frozen=True)
class Scales:
    """How record and beat features were brought to one scale, learnt from the training rows."""

    record: FeatureStandardiser
    beat: FeatureStandardiser

    def save(self, folder: Path) -> None:
        """Both as files of a run folder."""
        self.record.save(folder / RECORD_SCALE)
        self.beat.save(folder / BEAT_SCALE)


@dataclass(frozen=True)
class Spaces:
    """How many principal components of the features targets compare (0: the features as they are), how evened out; and
    which coordinates of soft similarity are told beside the features."""

    record: int = 0
    record_power: float = -0.25
    beat: int = 0
    beat_power: float = -0.25
    kernel: KernelTargets = field(default_factory=KernelTargets)


@dataclass(frozen=True)
class Compared:
    """What similarity compares: features or their components, and how much of each was measured."""

    values: Float32[np.ndarray, "row component"]
    certain: Bool[np.ndarray, "row component"] | Float32[np.ndarray, "row component"]


@dataclass(frozen=True)
class TrainingData:
    """Rows of one or several stores, numbered 0 … n − 1, with the beats of each one after the other."""

    stores: tuple[Store, ...]
    store_of: Int64[np.ndarray, " row"]
    store_row: Int64[np.ndarray, " row"]
    record_id: Shaped[np.ndarray, " row"]
    patient: Shaped[np.ndarray, " row"]
    samples: Int64[np.ndarray, " row"]  # before the padding
    units: Int16[np.ndarray, "row lead time"] | None  # None: read from the stores' memory maps
    record: Standardised
    record_told: Standardised  # what regression tells: the record features, then coordinates of soft similarity
    record_target: Compared
    beat_begin: Int64[np.ndarray, " row_and_end"]  # beats of row i: beat_begin[i] to beat_begin[i + 1]
    beat_at: Float32[np.ndarray, " beat"]  # R, in samples of the row
    beat_class: Int64[np.ndarray, " beat"]  # place in BEAT_CLASSES, −1 for none
    beat_cluster: Int64[np.ndarray, " beat"]  # −1: none, and of several stores all: theirs have nothing in common
    beat: Standardised
    beat_target: Compared
    scales: Scales
    fs_hz: float

    def __len__(self) -> int:
        return len(self.store_row)

    def ecg_units(self, rows: Int64[np.ndarray, " some_row"]) -> Int16[np.ndarray, "some_row lead time"]:
        """Signals in 1 µV, `store.layout.MISSING` where not measured, in the order asked."""
        if self.units is not None:
            return self.units[rows]
        return _gather(self.stores, self.store_of[rows], self.store_row[rows])


def load(
    stores: Sequence[Path | str],
    folds: Sequence[int] = (),
    row_limit: int | None = None,
    beat_shape: int = 32,
    spaces: Spaces = Spaces(),
    memory_gb: float = 4.0,
    seed: int = 0,
) -> TrainingData:
    """The rows that pretraining sees, waveforms and measurements alone, no labels.

    `folds` keeps the rows of these folds (empty: all); `row_limit` then draws so many at random. Scales are learnt from
    the rows kept, `beat_shape` principal components of the median beat among the record features. Signals are held in
    memory where they need at most `memory_gb` (PTB-XL: 0.47 GB), else read from the stores' memory maps.

    Raises StoreError where the stores do not fit together, ValueError where they have not the twelve leads or no row
    is left.
    """
    opened = tuple(open_stores(stores))
    kept = [kept_rows(store, folds) for store in opened]
    store_of = np.repeat(np.arange(len(opened)), [len(rows) for rows in kept])
    store_row = np.concatenate(kept)
    if row_limit is not None and row_limit < len(store_row):
        chosen = np.sort(np.random.default_rng([seed, len(store_row)]).permutation(len(store_row))[:row_limit])
        store_of, store_row = store_of[chosen], store_row[chosen]
    if len(store_row) < 2:
        raise ValueError(
            f"{len(store_row)} rows of {', '.join(str(s.path) for s in opened)} are in folds {sorted(folds)}; "
            "contrast needs two at least: pass other folds= or another store"
        )
    return _join(opened, store_of, store_row, beat_shape, spaces, memory_gb)


def kept_rows(store: Store, folds: Sequence[int]) -> Int64[np.ndarray, " row"]:
    """Rows of these folds (empty: all) to learn from without labels.

    Raises ValueError where the store has not the twelve leads, SplitError where a patient or waveform is in another
    fold too.
    """
    if store.leads != LEADS:
        raise ValueError(f"store {store.path} has leads as recorded; prepare it again with leads='twelve'")
    if not folds:
        return np.arange(len(store))
    fold = store.records["fold"].to_numpy(np.float64, na_value=np.nan)
    rows = np.flatnonzero(np.isin(fold, list(folds)))
    others = np.flatnonzero(~np.isin(fold, list(folds)))
    # What is left out may later be reported on: no patient or waveform of it may be trained on.
    check_split(store.records, Split(train=rows, valid=np.zeros(0, np.int64), test=others))
    return rows


def _join(
    stores: tuple[Store, ...],
    store_of: Int64[np.ndarray, " row"],
    store_row: Int64[np.ndarray, " row"],
    beat_shape: int,
    spaces: Spaces,
    memory_gb: float,
) -> TrainingData:
    own = [store_row[store_of == index] for index in range(len(stores))]
    records = pd.concat([s.records.iloc[rows] for s, rows in zip(stores, own, strict=True)], ignore_index=True)
    features = pd.concat([s.features.iloc[rows] for s, rows in zip(stores, own, strict=True)], ignore_index=True)
    median_mv = np.concatenate([s.median_beats_mv(rows) for s, rows in zip(stores, own, strict=True)])
    beats = _beats(stores, own)
    everything = np.arange(len(features))
    record_scale = FeatureStandardiser.fit(features, median_mv if beat_shape else None, everything, beat_shape)
    table = beats[[name for name in BEAT_DEFINITIONS if name in beats.columns]]
    beat_scale = FeatureStandardiser.fit(table, None, np.arange(len(table)))
    record, beat = record_scale.transform(features, median_mv), beat_scale.transform(table)
    nbytes = len(store_row) * len(LEADS) * round(stores[0].duration_s * stores[0].fs_hz) * 2
    return TrainingData(
        stores=stores,
        store_of=store_of,
        store_row=store_row,
        record_id=records["record_id"].astype(str).to_numpy(),
        patient=records["patient_id"].fillna(records["record_id"]).astype(str).to_numpy(),
        samples=records["samples"].to_numpy(np.int64),
        units=_gather(stores, store_of, store_row) if nbytes <= memory_gb * 1e9 else None,
        record=record,
        record_told=_told(record, spaces.kernel),
        record_target=_compared(record, spaces.record, spaces.record_power),
        beat_begin=np.searchsorted(beats["row"].to_numpy(np.int64), np.arange(len(features) + 1)),
        beat_at=(beats["time_s"].to_numpy(np.float64) * stores[0].fs_hz).astype(np.float32),
        beat_class=pd.Categorical(beats["class"], categories=list(BEAT_CLASSES)).codes.astype(np.int64),
        beat_cluster=beats["cluster"].to_numpy(np.int64),
        beat=beat,
        beat_target=_compared(beat, spaces.beat, spaces.beat_power),
        scales=Scales(record_scale, beat_scale),
        fs_hz=stores[0].fs_hz,
    )


def _compared(rows: Standardised, components: int, power: float) -> Compared:
    if components == 0:
        return Compared(rows.values, rows.measured)
    return Compared(*FeatureSpace.fit(rows.values, components, power).transform(rows.values, rows.measured))


def _told(rows: Standardised, kernel: KernelTargets) -> Standardised:
    if kernel.coordinates == 0:
        return rows
    found = kernel_coordinates(rows.values, kernel)
    measured = np.concatenate([rows.measured, np.ones(found.shape, bool)], axis=1)
    return replace(rows, values=np.concatenate([rows.values, found], axis=1), measured=measured)


def _beats(stores: tuple[Store, ...], rows: Sequence[Int64[np.ndarray, " _row"]]) -> pd.DataFrame:
    """Beats of the rows kept, `row` counted through all stores, sorted by row and time."""
    parts: list[pd.DataFrame] = []
    before = 0
    for store, kept in zip(stores, rows, strict=True):
        number = np.full(len(store), -1)
        number[kept] = np.arange(len(kept)) + before
        beats = store.beats.assign(row=number[store.beats["row"].to_numpy(np.int64)])
        parts.append(beats[beats["row"] >= 0])
        before += len(kept)
    beats = pd.concat(parts, ignore_index=True).sort_values(["row", "time_s"], kind="stable", ignore_index=True)
    return beats if "cluster" in beats.columns else beats.assign(cluster=-1)


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
