"""A saved segmenter on records it has not seen: files of any kind that can be read, or the rows of a store."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.beats.decoding.wave_decoding import decode_waves
from beatssl.features.wave_intervals import wave_intervals
from beatssl.inference.model_folder import CheckpointError, Preprocessing
from beatssl.inference.segmenter import EcgSegmenter, slots
from beatssl.progress import track
from beatssl.signals.filters import resample
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.conditioning import Reject, condition
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import MANIFEST
from beatssl.store.manifest import differences
from beatssl.store.readers import make_reader
from beatssl.store.store import Store

WAVES, INTERVALS, REFUSED = "waves.parquet", "intervals.parquet", "refused.parquet"
_TIMES = ("onset_s", "peak_s", "offset_s")

BATCH_ROWS = 16
"""Rows that are segmented and decoded at once."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FileOptions:
    """What CSV and .npy files do not say."""

    csv_fs_hz: float | None = None
    """Their sampling rate."""
    unit: str | None = None
    """Their unit, such as mV or uV."""
    lead_names: tuple[str, ...] = ()
    """Their leads, in order; any name will do, one of the twelve is understood."""


def apply_segmenter(
    segmenter: EcgSegmenter, places: Sequence[Path], out: Path, options: FileOptions, device: torch.device
) -> dict[str, Any]:
    """Waves of every record at `places` (files, folders, stores), written to `out`/waves.parquet, and their counts.

    `out`/intervals.parquet holds PR, QRS, QT, QTc, rate and axes measured from them; see `features.wave_intervals`.
    What could not be used is listed with its reason in `out`/refused.parquet.
    """
    segmenter = segmenter.to(device)
    waves: list[pd.DataFrame] = []
    intervals: list[pd.DataFrame] = []
    refused: list[dict[str, str]] = []
    records = 0
    for place in places:
        found = (
            of_store(segmenter, Store(place)) if (place / MANIFEST).is_file() else _of_files(segmenter, place, options)
        )
        for record in found:
            if isinstance(record, Reject):
                refused.append(asdict(record))
            else:
                waves.append(record.waves)
                intervals.append(record.intervals)
                records += record.records
    table = pd.concat(waves, ignore_index=True) if waves else _no_waves()
    out.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out / WAVES, index=False)
    if intervals:
        pd.concat(intervals, ignore_index=True).to_parquet(out / INTERVALS, index=False)
    columns = [field.name for field in fields(Reject)]
    pd.DataFrame(refused, columns=columns).to_parquet(out / REFUSED, index=False)
    counts = table["wave"].value_counts()
    return {"records": records, "refused": len(refused)} | {name: int(counts.get(name, 0)) for name in WAVE_CLASSES[1:]}


class Found(NamedTuple):
    """Waves of some records; a record without any is counted too."""

    records: int
    waves: pd.DataFrame
    intervals: pd.DataFrame
    """A line a record and measure: record_id, measure, value, spread, count."""


def of_store(segmenter: EcgSegmenter, store: Store) -> Iterator[Found]:
    """Waves of all records of a store. Rows of a long record are joined again, so that no wave is cut between two.

    A store as the segmenter's encoder takes it will do too: its rows are resampled to the segmenter's rate.

    Raises CheckpointError where the store was prepared otherwise than the segmenter expects; its leads may be any.
    """
    _check_store(segmenter, store)
    fs_hz = segmenter.preprocessing.fs_hz
    ids = store.records["record_id"].astype(str).to_numpy()
    grouped = pd.Series(np.arange(len(store))).groupby(ids, sort=False)
    rows_of = {str(record_id): rows.to_numpy(np.int64) for record_id, rows in grouped}
    short = np.array([rows[0] for rows in rows_of.values() if len(rows) == 1], np.int64)
    for start in track(range(0, len(short), BATCH_ROWS), "Segmenting", unit="batches"):
        rows = short[start : start + BATCH_ROWS]
        slot = np.stack([slots(list(names)) for names in store.records["lead_names"].iloc[rows]])
        ecg_mv, about = _at_rate(store.ecg_mv(rows), store.fs_hz, fs_hz), store.records.iloc[rows]
        names = [list(of_row) for of_row in about["lead_names"]]
        waves = _waves(about, names, segmenter.of_batch(ecg_mv, slot), ecg_mv, fs_hz)
        measured = [
            _intervals(waves, record_id, signal, names, fs_hz, start_s)
            for record_id, signal, names, start_s in zip(
                ids[rows], ecg_mv, map(tuple, about["lead_names"]), about["start_s"], strict=True
            )
        ]
        yield Found(len(rows), waves, pd.concat(measured, ignore_index=True))
    for record_id, rows in track([pair for pair in rows_of.items() if len(pair[1]) > 1], "Segmenting long records"):
        about = store.records.iloc[rows]
        parts = [part[:, :samples] for part, samples in zip(store.ecg_mv(rows), about["samples"], strict=True)]
        names = tuple(str(name) for name in about["lead_names"].iloc[0])
        ecg_mv, start_s = np.concatenate(parts, axis=1), float(about["start_s"].iloc[0])
        ecg_mv = resample(ecg_mv, store.fs_hz, fs_hz)
        waves = waves_of_record(segmenter, record_id, ecg_mv, names, start_s)
        yield Found(1, waves, _intervals(waves, record_id, ecg_mv, names, fs_hz, start_s))


def _check_store(segmenter: EcgSegmenter, store: Store) -> None:
    mine = segmenter.preprocessing
    theirs = replace(Preprocessing.of_store(store), leads=mine.leads)
    rate = segmenter.decoder.config.rate
    if rate > 1 and theirs.fs_hz * rate == mine.fs_hz and theirs.high_hz <= mine.high_hz:
        theirs = replace(theirs, fs_hz=mine.fs_hz, high_hz=mine.high_hz)
    if lines := differences(asdict(theirs), asdict(mine)):
        raise CheckpointError(
            f"store {store.path} was prepared otherwise than the signals this segmenter was trained on (store against "
            f"segmenter): {'; '.join(lines)}; prepare it again with the segmenter's settings"
        )


def _at_rate(
    ecg_mv: Float32[np.ndarray, "row lead time"], fs_hz: float, to_hz: float
) -> Float32[np.ndarray, "row lead new_time"]:
    return resample(ecg_mv.reshape(-1, ecg_mv.shape[2]), fs_hz, to_hz).reshape(*ecg_mv.shape[:2], -1)


def waves_of_record(
    segmenter: EcgSegmenter,
    record_id: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    start_s: float = 0.0,
) -> pd.DataFrame:
    """Waves of one record of any length, prepared as the segmenter expects, NaN where not measured.

    A line a wave: record_id, lead, wave, onset_s, peak_s, offset_s and how sure its boundaries are, as `decode_waves`
    gives them, in seconds of record time.
    """
    probability = segmenter.probabilities(ecg_mv, leads)
    about = pd.DataFrame({"record_id": [record_id], "start_s": start_s})
    return _waves(about, [leads], probability[None], ecg_mv[None], segmenter.preprocessing.fs_hz)


def waves_of_rows(
    store: Store, rows: Int64[np.ndarray, " row"], probability: Float32[np.ndarray, "row lead 4 time"]
) -> pd.DataFrame:
    """Waves of some rows of a store from their probabilities, as `waves_of_record` gives them."""
    parts: list[pd.DataFrame] = []
    for start in range(0, len(rows), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        about = store.records.iloc[rows[some]]
        names = [list(of_row) for of_row in about["lead_names"]]
        parts.append(_waves(about, names, probability[some], store.ecg_mv(rows[some]), store.fs_hz))
    return pd.concat(parts, ignore_index=True)


def _of_files(segmenter: EcgSegmenter, place: Path, options: FileOptions) -> Iterator[Found | Reject]:
    """Waves of every record of a file or folder, each read, filtered and resampled as `prepare` does."""
    wanted = segmenter.preprocessing
    config = PrepareConfig(
        "files", place, out=place, leads="as-recorded", fs_hz=wanted.fs_hz, low_hz=wanted.low_hz,
        high_hz=wanted.high_hz, **asdict(options),
    )  # fmt: skip
    reader = make_reader(replace(config, out=Path()))
    for source in track(reader.sources(place), "Segmenting"):
        ready = condition(reader, source, config)
        if isinstance(ready, Reject):
            yield ready
        else:
            record_id, signal, names = ready.record.id, ready.ecg_mv, ready.lead_names
            waves = waves_of_record(segmenter, record_id, signal, names)
            yield Found(1, waves, _intervals(waves, record_id, signal, names, wanted.fs_hz))


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
    own = own.assign(**{name: own[name] - start_s for name in _TIMES})
    table = wave_intervals(own, ecg_mv, tuple(leads), fs_hz).rename_axis("measure").reset_index()
    table.insert(0, "record_id", record_id)
    return table


def _waves(
    about: pd.DataFrame,
    leads: Iterable[Sequence[str]],
    probability: Float32[np.ndarray, "row lead 4 time"],
    ecg_mv: Float32[np.ndarray, "row lead time"],
    fs_hz: float,
) -> pd.DataFrame:
    """Waves of some rows, all their leads decoded at once; `about` holds each row's record_id and start_s."""
    count = probability.shape[1]
    waves = decode_waves(probability.reshape(-1, *probability.shape[2:]), fs_hz, ecg_mv.reshape(-1, ecg_mv.shape[2]))
    row, lead = np.divmod(waves["lead"].to_numpy(np.int64), max(count, 1))
    names = np.array([list(of_row) for of_row in leads], object)
    start_s = about["start_s"].to_numpy(np.float64)[row]
    waves = waves.assign(lead=names[row, lead], **{name: waves[name] + start_s for name in _TIMES})
    waves.insert(0, "record_id", about["record_id"].astype(str).to_numpy(object)[row])
    return waves


def _no_waves() -> pd.DataFrame:
    nothing = pd.DataFrame({"record_id": [""], "start_s": 0.0})
    return _waves(
        nothing, [[""]], np.zeros((1, 1, len(WAVE_CLASSES), 1), np.float32), np.zeros((1, 1, 1), np.float32), 100.0
    )
