"""The Parquet tables of a shard: the types of their columns, and those that a record's own marks and labels fill."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beatssl.dataset.conditioning import Reject
from beatssl.records.record import Record

TABLES = ("records", "beats", "features", "labels", "waves", "reference_beats", "rejects")

# Columns not named here are numbers or flags and keep the type they have.
_TYPES: dict[str, pa.DataType] = {
    "row": pa.int32(),
    "fold": pa.int32(),
    "lead_names": pa.list_(pa.string()),
    "likelihood": pa.float32(),
} | {
    name: pa.string()
    for name in (
        "record_id", "patient_id", "sex", "source", "waveform_hash", "class", "label_set", "label", "lead", "wave",
        "symbol", "file", "reason", "message",
    )
}  # fmt: skip


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Parquet, Zstandard, no index. The bytes depend on the rows and the version of pyarrow alone."""
    inferred = pa.Schema.from_pandas(table, preserve_index=False)
    schema = pa.schema([(field.name, _TYPES.get(field.name, field.type)) for field in inferred])
    arrow = pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None)
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    # Hundreds of float columns: dictionaries and statistics for each would be most of the file and of the time.
    pq.write_table(arrow, path, compression="zstd", compression_level=3, use_dictionary=texts, write_statistics=False)


def label_table(records: Sequence[Record], rows: Sequence[int]) -> pd.DataFrame:
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


def wave_table(records: Sequence[Record]) -> pd.DataFrame:
    """Reference P, QRS and T waves of all records, times from the record's start."""
    parts = [
        pd.DataFrame({"record_id": record.id, **asdict(record.waves)}) for record in records if record.waves is not None
    ]
    return _stacked(parts, ["record_id", "lead", "wave"], ["onset_s", "peak_s", "offset_s"])


def reference_beat_table(records: Sequence[Record]) -> pd.DataFrame:
    """Reference beats of all records, times from the record's start."""
    parts = [
        pd.DataFrame({"record_id": record.id, **asdict(record.beats)}) for record in records if record.beats is not None
    ]
    return _stacked(parts, ["record_id", "symbol"], ["time_s"])[["record_id", "time_s", "symbol"]]


def reject_table(rejects: Sequence[Reject]) -> pd.DataFrame:
    return pd.DataFrame([asdict(reject) for reject in rejects], columns=["file", "record_id", "reason", "message"])


def _stacked(parts: list[pd.DataFrame], texts: list[str], numbers: list[str]) -> pd.DataFrame:
    empty = pd.DataFrame({name: pd.Series(dtype=object) for name in texts} | {name: np.zeros(0) for name in numbers})
    return pd.concat(parts, ignore_index=True) if parts else empty
