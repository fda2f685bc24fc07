"""Waves and intervals of records by a segmenter: of an array, of files of any kind that can be read, of a store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int64

from beatssl.features.wave_intervals import wave_intervals
from beatssl.inference.segmenter import WAVE_TIMES, EcgSegmenter, slots, waves_of
from beatssl.progress import track
from beatssl.records.files import FilesReader, located
from beatssl.records.formats.options import FileOptions
from beatssl.records.places import sources_at
from beatssl.records.record import Record
from beatssl.signals.filters import resample
from beatssl.signals.leads import canonical_leads, present_leads
from beatssl.signals.preparation import Preparation, as_batch, resample_rows
from beatssl.store.shards.reading import PreparedRecord, Reject, prepare_record, read_record
from beatssl.store.store import Store

BATCH_ROWS = 16
"""Rows that are segmented and decoded at once."""


class Found(NamedTuple):
    """Waves of some records; a record without any is counted too."""

    records: int
    waves: pd.DataFrame
    """A line a wave: record_id, lead, wave, onset_s, peak_s and offset_s in seconds of record time, onset_confidence
    and offset_confidence, as `decode_waves` gives them."""
    intervals: pd.DataFrame
    """A line a record and measure: record_id, measure, value, spread, count."""


def of_array(
    segmenter: EcgSegmenter,
    ecg_mv: Float[np.ndarray, "lead time"],
    leads: Sequence[str],
    fs_hz: float,
    record_id: str = "",
) -> Found:
    """Waves and intervals of one record of any length and any leads, in mV, NaN where not measured.

    Raises RecordError, a ValueError, where shape, lead names and rate do not fit together, or the input cannot be an
    ECG; see `EcgSegmenter.predict`.
    """
    ready = segmenter.prepared(as_batch(ecg_mv), leads, fs_hz)[0]
    return _of_prepared(segmenter, record_id, ready, _names(leads, ready))


def of_files(
    segmenter: EcgSegmenter, places: Path | Sequence[Path], options: FileOptions | None = None
) -> Iterator[Found | Reject]:
    """Waves and intervals of every record of files and folders; what the network cannot use is set aside.

    Raises FileNotFoundError where there is no such place, or no ECG in it.
    """
    places = [located(place) for place in ([places] if isinstance(places, Path) else places)]
    given = options or FileOptions()
    reader = FilesReader(
        given.csv_fs_hz, given.unit, given.lead_names, given.units, given.fs_hz_override, given.correct_electrodes
    )

    def prepared(record: Record) -> PreparedRecord:
        return prepare_record(record, segmenter.takes)

    for source in track(sources_at(reader, places), "Segmenting"):
        ready = read_record(reader, places[0], source, prepared)
        if isinstance(ready, Reject):
            yield ready
        else:
            yield _of_prepared(segmenter, ready.record.id, ready.ecg_mv, _names(ready.record.leads, ready.ecg_mv))


def _names(leads: Sequence[str], ecg_mv: Float32[np.ndarray, "lead time"]) -> list[str]:
    """Canonical names of a record's leads, no two alike; "" for one that is not measured."""
    there = present_leads(ecg_mv)
    return [name if some else "" for name, some in zip(canonical_leads(tuple(leads)), there, strict=True)]


def of_store(segmenter: EcgSegmenter, store: Store) -> Iterator[Found]:
    """Waves and intervals of all records of a store.

    Rows of a long record are joined again, so that no wave is cut between two.
    A store as the segmenter's encoder takes it will do too: its rows are resampled to the segmenter's rate.

    Raises CheckpointError where the store was prepared otherwise than the segmenter expects; its leads may be any.
    """
    _check_store(segmenter, store)
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
        measured = [
            _intervals(waves, record_id, signal, of_row, fs_hz, start_s)
            for record_id, signal, of_row, start_s in zip(ids[rows], ecg_mv, names, about["start_s"], strict=True)
        ]
        yield Found(len(rows), waves, pd.concat(measured, ignore_index=True))
    for record_id, rows in track([pair for pair in rows_of.items() if len(pair[1]) > 1], "Segmenting long records"):
        about = store.records.iloc[rows]
        parts = [part[:, :samples] for part, samples in zip(store.ecg_mv(rows), about["samples"], strict=True)]
        ecg_mv = resample(np.concatenate(parts, axis=1), store.fs_hz, fs_hz)
        names = _lead_names(store, rows[:1])[0]
        yield _of_prepared(segmenter, record_id, ecg_mv, names, float(about["start_s"].iloc[0]))


def _lead_names(store: Store, rows: Int64[np.ndarray, " row"]) -> list[list[str]]:
    """Names of the leads of some rows; "" for one that is missing, and where another record has more leads."""
    names = [[str(name) for name in of_row] for of_row in store.records["lead_names"].iloc[rows]]
    return [[*of_row, *[""] * (len(store.leads) - len(of_row))] for of_row in names]


def _check_store(segmenter: EcgSegmenter, store: Store) -> None:
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
) -> pd.DataFrame:
    """Waves of one record of any length that was prepared as `preparation` says, NaN where not measured.

    See `Found.waves` for its columns. Raises CheckpointError where the segmenter expects another preparation.
    """
    probability = segmenter.of_prepared(ecg_mv, leads, preparation)
    about = pd.DataFrame({"record_id": [record_id], "start_s": start_s})
    return _of_records(about, waves_of(probability[None], ecg_mv[None], [leads], segmenter.preparation.fs_hz))


def waves_of_rows(
    store: Store, rows: Int64[np.ndarray, " row"], probability: Float32[np.ndarray, "row lead 4 time"]
) -> pd.DataFrame:
    """Waves of some rows of a store from their probabilities, as `waves_of_record` gives them."""
    parts: list[pd.DataFrame] = []
    for start in range(0, len(rows), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        about = store.records.iloc[rows[some]]
        waves = waves_of(probability[some], store.ecg_mv(rows[some]), _lead_names(store, rows[some]), store.fs_hz)
        parts.append(_of_records(about, waves))
    return pd.concat(parts, ignore_index=True)


def nothing_found() -> Found:
    """Tables without a line, of no record."""
    ecg_mv, fs_hz = np.zeros((1, 1), np.float32), 100.0
    none = waves_of(np.zeros((1, 1, 4, 1), np.float32), ecg_mv[None], [[""]], fs_hz)
    waves = _of_records(pd.DataFrame({"record_id": [""], "start_s": 0.0}), none)
    return Found(0, waves, _intervals(waves, "", ecg_mv, ("",), fs_hz).iloc[:0])


def _of_prepared(
    segmenter: EcgSegmenter,
    record_id: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    start_s: float = 0.0,
) -> Found:
    waves = waves_of_record(segmenter, record_id, ecg_mv, leads, segmenter.takes, start_s)
    return Found(1, waves, _intervals(waves, record_id, ecg_mv, leads, segmenter.preparation.fs_hz, start_s))


def _intervals(
    waves: pd.DataFrame,
    record_id: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    fs_hz: float,
    start_s: float = 0.0,
) -> pd.DataFrame:
    """Measures of one record among `waves`, whose times are of the record."""
    own = waves[waves["record_id"] == record_id]
    own = own.assign(**{name: own[name] - start_s for name in WAVE_TIMES})
    table = wave_intervals(own, ecg_mv, tuple(leads), fs_hz).rename_axis("measure").reset_index()
    table.insert(0, "record_id", record_id)
    return table


def _of_records(about: pd.DataFrame, waves: pd.DataFrame) -> pd.DataFrame:
    """Waves with the id of each one's record, in record time; `about` holds record_id and start_s of every record."""
    record = waves["record"].to_numpy(np.int64)
    start_s = about["start_s"].to_numpy(np.float64)[record]
    waves = waves.drop(columns="record").assign(**{name: waves[name] + start_s for name in WAVE_TIMES})
    waves.insert(0, "record_id", about["record_id"].astype(str).to_numpy(object)[record])
    return waves
