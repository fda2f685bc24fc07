"""Records that another store holds already: of one database under two names, of one id, or of one waveform."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Float32, Int16

from beatssl.files import sha256_of
from beatssl.records.record import Record, RecordError
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import MANIFEST, MISSING, StoreError, baseline_of, read_manifest, shard_name, to_int16

TWO_NAMES = {"ptb": "ptbdb", "ptbdb": "ptb", "incart": "incartdb", "incartdb": "incart"}
"""Sources that are one database: a part of the CinC collections, and the database that it was taken from."""

_ALIKE = ("fs_hz", "duration_s", "low_hz", "high_hz", "leads", "baseline")
_WITHOUT_IDS = ("files", "array")
"""Sources whose ids are names of files and the like: two records may share one, and only their waveforms count."""
_REMEDY = "leave that store out of distinct_from to keep it"


@dataclass(frozen=True, slots=True)
class Held:
    """What some stores hold."""

    sources: frozenset[str]
    records: frozenset[tuple[str, str]]  # source and id
    waveforms: frozenset[str]


def check_distinct(config: PrepareConfig) -> list[str]:
    """The hashes of the manifests of `config.distinct_from`, which a plan names.

    Raises StoreError for a folder that is no finished store, or one whose waveforms cannot be compared with those of
    this one: another rate, band, length, leads or baseline.
    """
    own, digests = config.what_counts() | {"baseline": config.baseline}, list[str]()
    for store in config.distinct_from:
        if not (store / MANIFEST).is_file():
            raise StoreError(f"distinct_from: {store} is no finished store; pass the folder that prepare wrote")
        manifest = read_manifest(store / MANIFEST)
        there = manifest["config"] | {"baseline": baseline_of(manifest)}
        if unlike := [f"{key} {there.get(key)} against {own[key]}" for key in _ALIKE if there.get(key) != own[key]]:
            raise StoreError(f"distinct_from: {store} was prepared otherwise ({'; '.join(unlike)}); prepare both alike")
        digests.append(sha256_of(store / MANIFEST))
    return digests


@lru_cache(maxsize=2)
def held_by(stores: tuple[Path, ...]) -> Held:
    """What finished stores hold, read from their tables alone, once in a process."""
    tables = [
        pq.read_table(store / shard_name(index) / "records.parquet", columns=["source", "record_id", "waveform_hash"])
        for store in stores
        for index in range(len(read_manifest(store / MANIFEST)["shards"]))
    ]
    lines = pd.concat([table.to_pandas() for table in tables])
    return Held(
        sources=frozenset(lines["source"]),
        records=frozenset(zip(lines["source"], lines["record_id"], strict=True)),
        waveforms=frozenset(lines["waveform_hash"]) - {""},
    )


def refuse_held(
    record: Record, ecg_mv: Float32[np.ndarray, "lead time"], rows: int, row_samples: int, stores: Sequence[Path]
) -> None:
    """Raises `RecordError`, "duplicate", where one of the stores holds the record, or a row of its prepared signal."""
    if not stores:
        return
    there = held_by(tuple(stores))
    if TWO_NAMES.get(record.source, "") in there.sources:
        why = f"its source {record.source} is the database {TWO_NAMES[record.source]}, which another store holds"
    elif record.source not in _WITHOUT_IDS and (record.source, record.id) in there.records:
        why = f"another store holds this record of {record.source}"
    elif any(waveform in there.waveforms for waveform in row_hashes(ecg_mv, rows, row_samples)):
        why = "another store holds the same waveform"
    else:
        return
    raise RecordError("duplicate", f"record {record.id}: {why}; {_REMEDY}")


def row_hashes(ecg_mv: Float32[np.ndarray, "lead time"], rows: int, row_samples: int) -> list[str]:
    """`waveform_hash` of each row that a prepared signal is cut into."""
    out = np.full((len(ecg_mv), rows * row_samples), np.nan, np.float32)
    held = ecg_mv[:, : rows * row_samples]
    out[:, : held.shape[1]] = held
    units = to_int16(out).reshape(len(ecg_mv), rows, row_samples)
    return [waveform_hash(units[:, row]) for row in range(rows)]


def waveform_hash(row: Int16[np.ndarray, "lead time"]) -> str:
    """32 hex digits of a record's own leads as stored: equal for identical waveforms only. "" for nothing measured."""
    if not (row != MISSING).any():
        return ""
    return hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=16).hexdigest()
