"""Waves of the records of a store by a segmenter, many rows at once; and a record of a store as one that was read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from beatssl.inference.segmenter import WAVE_TIMES, EcgSegmenter, slots, waves_of
from beatssl.progress import track
from beatssl.records.record import Record
from beatssl.signals.filters import resample
from beatssl.signals.preparation import Preparation, resample_rows
from beatssl.store.store import Store

BATCH_ROWS = 16
"""Rows that are segmented and decoded at once."""

_RHYTHM = "sinus|atrial fibrillation|flutter|av.block|bundle branch block|ventricular pacing"


class Found(NamedTuple):
    """Waves of some records; a record without any is counted too."""

    records: int
    waves: "pd.DataFrame"
    """A line a wave: record_id, lead, wave, onset_s, peak_s and offset_s in seconds of record time, onset_confidence,
    offset_confidence and confidence, as `decode_waves` gives them."""


def of_store(segmenter: EcgSegmenter, store: Store) -> Iterator[Found]:
    """Waves of all records of a store.

    Rows of a long record are joined again, so that no wave is cut between two.
    A store as the segmenter's encoder takes it will do too: its rows are resampled to the segmenter's rate.

    Raises CheckpointError where the store was prepared otherwise than the segmenter expects; its leads may be any.
    """
    check_store(segmenter, store)
    fs_hz = segmenter.preparation.fs_hz
    ids = store.records["record_id"].astype(str).to_numpy()
    grouped = pd.Series(np.arange(len(store))).groupby(ids, sort=False)
    rows_of = {str(record_id): rows.to_numpy(np.int64) for record_id, rows in grouped}
    short = np.array([rows[0] for rows in rows_of.values() if len(rows) == 1], np.int64)
    for start in track(range(0, len(short), BATCH_ROWS), "Segmenting", unit="batches"):
        rows = short[start : start + BATCH_ROWS]
        ecg_mv, about = resample_rows(store.ecg_mv(rows), store.fs_hz, fs_hz), store.records.iloc[rows]
        names = _lead_names(store, rows)
        slot = np.stack([slots(of_row) for of_row in names])
        waves = _of_records(about, waves_of(segmenter.of_batch(ecg_mv, slot, segmenter.takes), ecg_mv, names, fs_hz))
        yield Found(len(rows), waves)
    for record_id, rows in track([pair for pair in rows_of.items() if len(pair[1]) > 1], "Segmenting long records"):
        about = store.records.iloc[rows]
        ecg_mv = resample(_joined(store, rows), store.fs_hz, fs_hz)
        names = _lead_names(store, rows[:1])[0]
        start_s = float(about["start_s"].iloc[0])
        yield Found(1, waves_of_record(segmenter, record_id, ecg_mv, names, segmenter.takes, start_s))


def records_by_rhythm(store: Store) -> dict[str, set[str]]:
    """Ids of the records with each rhythm or conduction disorder that the store's own labels name (LUDB's do)."""
    labels = store.labels[store.labels["label_set"] == store.kind]
    ids = store.records["record_id"].astype(str).to_numpy(object)[labels["row"].to_numpy(np.int64)]
    named = labels["label"].astype(str).str.lower().str.contains(_RHYTHM)
    some = pd.DataFrame({"label": labels["label"], "id": ids})[named.to_numpy(bool)]
    return {str(label): set(of["id"]) for label, of in some.groupby("label")}


def store_record(store: Store, record_id: str) -> Record:
    """A record of a store as one that was read, its rows joined; it has been through the store's band-pass."""
    rows = np.flatnonzero(store.records["record_id"].astype(str).to_numpy() == record_id)
    first = store.records.iloc[rows[0]]
    ecg_mv, names = _joined(store, rows), _lead_names(store, rows[:1])[0]
    there = [number for number, name in enumerate(names) if name]
    age, sex = first["age_years"], first["sex"]
    return Record(
        ecg_mv[there],
        tuple(names[number] for number in there),
        store.fs_hz,
        record_id,
        str(first["source"]),
        age_years=float(age) if np.isfinite(age) else None,
        sex=sex if sex in ("female", "male") else None,
    )


def _joined(store: Store, rows: Int64[np.ndarray, " row"]) -> Float32[np.ndarray, "lead time"]:
    samples = store.records["samples"].iloc[rows]
    return np.concatenate([part[:, :count] for part, count in zip(store.ecg_mv(rows), samples, strict=True)], axis=1)


def _lead_names(store: Store, rows: Int64[np.ndarray, " row"]) -> list[list[str]]:
    """Names of the leads of some rows; "" for one that is missing, and where another record has more leads."""
    names = [[str(name) for name in of_row] for of_row in store.records["lead_names"].iloc[rows]]
    return [[*of_row, *[""] * (len(store.leads) - len(of_row))] for of_row in names]


def check_store(segmenter: EcgSegmenter, store: Store) -> None:
    """Raises CheckpointError where a store was prepared otherwise than the segmenter expects; its leads may be any."""
    mine = segmenter.preparation
    theirs = store.preparation
    rate = segmenter.decoder.config.rate
    if rate > 1 and theirs.fs_hz * rate == mine.fs_hz and theirs.high_hz <= mine.high_hz:
        theirs = replace(theirs, fs_hz=mine.fs_hz, high_hz=mine.high_hz)
    segmenter.check_preparation(theirs, f"store {store.path}")


def waves_of_record(
    segmenter: EcgSegmenter,
    record_id: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    preparation: Preparation,
    start_s: float = 0.0,
) -> "pd.DataFrame":
    """Waves of one record of any length that was prepared as `preparation` says, NaN where not measured.

    See `Found.waves` for its columns. Raises CheckpointError where the segmenter expects another preparation.
    """
    probability = segmenter.of_prepared(ecg_mv, leads, preparation)
    about = pd.DataFrame({"record_id": [record_id], "start_s": start_s})
    return _of_records(about, waves_of(probability[None], ecg_mv[None], [leads], segmenter.preparation.fs_hz))


def waves_of_rows(
    store: Store, rows: Int64[np.ndarray, " row"], probability: Float32[np.ndarray, "row lead 4 time"]
) -> "pd.DataFrame":
    """Waves of some rows of a store from their probabilities, as `waves_of_record` gives them."""
    parts: list[pd.DataFrame] = []
    for start in range(0, len(rows), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        about = store.records.iloc[rows[some]]
        waves = waves_of(probability[some], store.ecg_mv(rows[some]), _lead_names(store, rows[some]), store.fs_hz)
        parts.append(_of_records(about, waves))
    return pd.concat(parts, ignore_index=True)


def _of_records(about: "pd.DataFrame", waves: "pd.DataFrame") -> "pd.DataFrame":
    """Waves with the id of each one's record, in record time; `about` holds record_id and start_s of every record."""
    record = waves["record"].to_numpy(np.int64)
    start_s = about["start_s"].to_numpy(np.float64)[record]
    waves = waves.drop(columns="record").assign(**{name: waves[name] + start_s for name in WAVE_TIMES})
    waves.insert(0, "record_id", about["record_id"].astype(str).to_numpy(object)[record])
    return waves
