"""The Parquet tables of a shard: the types of their columns, and those that a record's own marks and labels fill."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beatssl.records.record import Record
from beatssl.store.shards.reading import Reject

TABLES = ("records", "beats", "features", "labels", "waves", "reference_beats", "rejects")

COLUMNS: dict[str, tuple[str, ...]] = {
    "records": ("record_id",),
    "beats": ("row", "record_id", "time_s", "time_in_record_s"),
    "features": (),
    "labels": ("row", "record_id", "label_set", "label", "likelihood"),
    "waves": ("record_id", "lead", "wave", "onset_s", "peak_s", "offset_s"),
    "reference_beats": ("record_id", "time_s", "symbol"),
    "rejects": ("file", "record_id", "reason", "message"),
}
"""Columns that a table has even where nothing fills it; `records`, `beats` and `features` have more."""

# Columns not named here are numbers or flags and keep the type they have.
_TYPES: dict[str, pa.DataType] = {
    "row": pa.int32(),
    "fold": pa.int32(),
    "lead_names": pa.list_(pa.string()),
    "likelihood": pa.float32(),
} | {
    name: pa.string()
    for name in (
        "record_id", "patient_id", "sex", "source", "waveform_hash", "metadata", "class", "label_set", "label", "lead",
        "wave", "symbol", "file", "reason", "message",
    )
}  # fmt: skip


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Parquet, Zstandard, no index. The bytes depend on the rows and the version of pyarrow alone."""
    inferred = pa.Schema.from_pandas(table, preserve_index=False)
    schema = pa.schema([(field.name, _TYPES.get(field.name, field.type)) for field in inferred])
    arrow = pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None)
    texts: Any = [field.name for field in schema if pa.types.is_string(field.type)]
    # Hundreds of float columns: dictionaries and statistics for each would be most of the file and of the time.
    pq.write_table(arrow, path, compression="zstd", compression_level=3, use_dictionary=texts, write_statistics=False)


def label_table(records: Sequence[Record], rows: Sequence[int]) -> "pd.DataFrame":
    """Labels of all records, once for each of a record's `rows`; rows are numbered in the order of the records."""
    first = np.cumsum([0, *rows])
    lines = [
        (row, record.id, label.label_set, label.name, label.likelihood)
        for record, start, count in zip(records, first, rows, strict=False)
        for row in range(start, start + count)
        for label in record.labels
    ]
    columns = ["row", "record_id", "label_set", "label", "likelihood"]
    return pd.DataFrame(lines, columns=columns).astype({"row": np.int32, "likelihood": np.float32})


def wave_table(records: Sequence[Record]) -> "pd.DataFrame":
    """Reference P, QRS and T waves of all records, times from the record's start."""
    marked = [(record.id, record.waves) for record in records if record.waves is not None]
    columns: dict[str, Any] = {
        "record_id": [record_id for record_id, waves in marked for _ in waves.wave],
        "lead": [lead for _, waves in marked for lead in waves.lead],
        "wave": [wave for _, waves in marked for wave in waves.wave],
    }
    for name in ("onset_s", "peak_s", "offset_s"):
        columns[name] = np.concatenate([np.zeros(0), *(getattr(waves, name) for _, waves in marked)])
    return pd.DataFrame(columns)


def reference_beat_table(records: Sequence[Record]) -> "pd.DataFrame":
    """Reference beats of all records, times from the record's start."""
    marked = [(record.id, record.beats) for record in records if record.beats is not None]
    columns: dict[str, Any] = {
        "record_id": [record_id for record_id, beats in marked for _ in beats.symbol],
        "time_s": np.concatenate([np.zeros(0), *(beats.time_s for _, beats in marked)]),
        "symbol": [symbol for _, beats in marked for symbol in beats.symbol],
    }
    return pd.DataFrame(columns)


def reject_table(rejects: Sequence[Reject]) -> "pd.DataFrame":
    """Records set aside, with the reason."""
    return pd.DataFrame([asdict(reject) for reject in rejects], columns=["file", "record_id", "reason", "message"])
