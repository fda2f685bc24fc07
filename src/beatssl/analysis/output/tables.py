"""The tables of many records that `analyze` writes: a line a record, a wave, a measure, a refusal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beatssl.analysis.result import Analysis
from beatssl.features.wave_intervals import DEFINITIONS, global_name
from beatssl.inference.segmenter import WAVE_TIMES
from beatssl.store.shards.reading import Reject

RECORDS, WAVES, INTERVALS, REFUSED = "records.parquet", "waves.parquet", "intervals.parquet", "refused.parquet"
TABLES = (RECORDS, WAVES, INTERVALS, REFUSED)

_CONFIDENCES = ("onset_confidence", "offset_confidence", "confidence")
_OF_RECORD = (
    *(global_name(name) for name in ("pr_interval_ms", "qrs_duration_ms", "qt_interval_ms", "qtc_fridericia_ms")),
    "p_axis_deg", "qrs_axis_deg", "t_axis_deg",
)  # fmt: skip
_TEXTS = ("record_id", "source", "regularity", "most_similar", "flags")
_SCHEMAS = {
    WAVES: pa.schema(
        [(name, pa.string()) for name in ("record_id", "lead", "wave")]
        + [(name, pa.float64()) for name in (*WAVE_TIMES, *_CONFIDENCES)]
    ),
    INTERVALS: pa.schema(
        [("record_id", pa.string()), ("measure", pa.string()), ("value", pa.float64()), ("spread", pa.float64()),
         ("count", pa.int64())]
    ),
    REFUSED: pa.schema([(one.name, pa.string()) for one in fields(Reject)]),
}  # fmt: skip


def record_line(a: Analysis) -> dict[str, object]:
    """The line of a record: what it is, its beats and rate, intervals over the leads, classes, quality and flags.

    `most_similar` is the first look-alike, probabilities are `p_` and the label, those of ectopic beats `beats_S` and
    `beats_V`; None where not determinable.
    """
    line: dict[str, object] = {
        "record_id": a.record.id,
        "source": a.record.source,
        "leads": len(a.record.leads),
        "fs_hz": a.record.fs_hz,
        "duration_s": a.record.duration_s,
        "beats": len(a.beats),
        "beats_S": a.rhythm.ectopic_beats["S"],
        "beats_V": a.rhythm.ectopic_beats["V"],
        "rate_bpm": a.rhythm.rate_bpm.value,
        "regularity": a.rhythm.regularity,
    }
    line |= {name: a.intervals[name].value for name in _OF_RECORD}
    line |= {f"p_{one.name}": one.probability for one in a.diagnoses.statements}
    nearest = a.similar.records[0] if a.similar.records else None
    line |= {"most_similar": nearest and nearest.record_id, "similarity": nearest and nearest.similarity}
    return line | {"quality": a.quality.score, "flags": " ".join(flag.name for flag in a.flags)}


def wave_lines(a: Analysis) -> "pd.DataFrame":
    """A line a wave of every lead."""
    table = a.waves.to_frame()
    table.insert(0, "record_id", a.record.id)
    return table


def interval_lines(a: Analysis) -> "pd.DataFrame":
    """A line a measure: value (NaN where not determinable), spread and count."""
    found = [a.intervals[name] for name in DEFINITIONS]
    return pd.DataFrame(
        {
            "record_id": a.record.id,
            "measure": list(DEFINITIONS),
            "value": [np.nan if one.value is None else one.value for one in found],
            "spread": [np.nan if one.spread is None else one.spread for one in found],
            "count": [one.count for one in found],
        }
    )


def write_tables(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    waves: "Sequence[pd.DataFrame]",
    intervals: "Sequence[pd.DataFrame]",
    rejects: Sequence[Reject],
) -> None:
    """The four tables of some records."""
    refused = pd.DataFrame([asdict(one) for one in rejects], columns=_SCHEMAS[REFUSED].names)
    for name, table in (
        (WAVES, pd.concat(waves) if waves else pd.DataFrame(columns=_SCHEMAS[WAVES].names)),
        (INTERVALS, pd.concat(intervals) if intervals else pd.DataFrame(columns=_SCHEMAS[INTERVALS].names)),
        (REFUSED, refused),
    ):
        pq.write_table(pa.Table.from_pandas(table, _SCHEMAS[name], preserve_index=False), folder / name)
    pq.write_table(_records(lines), folder / RECORDS)


def join_tables(folders: Sequence[Path], out: Path) -> None:
    """The tables of all parts as one each, a part at a time; each appears whole."""
    for name in TABLES:
        schema = pa.unify_schemas([pq.read_schema(folder / name) for folder in folders])
        scratch = out / f".{name}.partial"
        with pq.ParquetWriter(scratch, schema, compression="zstd") as writer:
            for folder in folders:
                table = pq.read_table(folder / name)
                columns = [
                    table[one.name] if one.name in table.column_names else pa.nulls(len(table), one.type)
                    for one in schema
                ]
                writer.write_table(pa.table(columns, schema=schema))
        scratch.replace(out / name)


def _records(lines: Sequence[Mapping[str, Any]]) -> Any:
    names = list(dict.fromkeys(name for line in lines for name in line)) or ["record_id"]
    whole = ("leads", "beats", "beats_S", "beats_V")
    columns: dict[str, Any] = {}
    for name in names:
        kind = pa.string() if name in _TEXTS else pa.int64() if name in whole else pa.float64()
        columns[name] = pa.array([line.get(name) for line in lines], kind)
    return pa.table(columns)
