"""One shard: some records prepared, measured and written as a folder that is there whole or not at all."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int16
from threadpoolctl import threadpool_limits

from beatssl.files import read_json, sha256_of, write_json
from beatssl.records.reader import Reader, Source
from beatssl.records.record import Record
from beatssl.store.config import PrepareConfig
from beatssl.store.inputs import hash_files
from beatssl.store.layout import ECG, MEDIAN_BEATS, MISSING, SHARD, scratch_path, shard_name
from beatssl.store.shards.conditioning import Conditioned, condition
from beatssl.store.shards.measuring import Measured, measure, measure_nothing
from beatssl.store.shards.reading import Reject
from beatssl.store.shards.rows import blocks
from beatssl.store.shards.tables import label_table, reference_beat_table, reject_table, wave_table, write_table

BLOCK_ROWS = 512
"""Rows measured at once: enough to be quick, few enough for some hundred MB of windows."""


@dataclass(frozen=True, slots=True)
class ShardJob:
    """All that a worker needs to make one shard."""

    index: int
    sources: list[Source]
    reader: Reader
    config: PrepareConfig
    plan_hash: str


def make_shard(job: ShardJob) -> dict[str, Any]:
    """Prepare the job's records and write their shard; returns its `shard.json`."""
    inputs = _hash_inputs(job)  # before anything is read: a file that changes meanwhile is found changed next time
    rejects: list[Reject] = []
    records: list[Record] = []
    rows: list[int] = []

    def kept() -> Iterator[Conditioned]:
        for source in job.sources:
            result = condition(job.reader, source, job.config)
            if isinstance(result, Reject):
                rejects.append(result)
                continue
            records.append(result.record)
            rows.append(result.rows)
            yield result

    with threadpool_limits(1):
        groups = blocks(kept(), BLOCK_ROWS)
        measured = [measure(pieces, job.config) for pieces in groups]
    tables = _tables(measured or [measure_nothing(job.config)]) | {
        "labels": label_table(records, rows),
        "waves": wave_table(records),
        "reference_beats": reference_beat_table(records),
        "rejects": reject_table(rejects),
    }
    arrays = {
        ECG: _stacked([part.ecg for part in measured], job.config.row_samples),
        MEDIAN_BEATS: _stacked([part.median_beats for part in measured], 0),
    }
    return _write(job, inputs, len(records), arrays, tables)


def _tables(measured: list[Measured]) -> dict[str, pd.DataFrame]:
    """Records, beats and features of all blocks, rows numbered through the shard."""
    first = np.cumsum([0] + [len(part.ecg) for part in measured[:-1]])
    beats = [part.beats.assign(row=part.beats["row"] + start) for part, start in zip(measured, first, strict=True)]
    return {
        "records": pd.concat([part.records for part in measured], ignore_index=True),
        "beats": pd.concat(beats, ignore_index=True),
        "features": pd.concat([part.features for part in measured], ignore_index=True),
    }


def _stacked(parts: list[Int16[np.ndarray, "_row _lead time"]], samples: int) -> Int16[np.ndarray, "_row lead time"]:
    """All blocks on one another; a block of fewer leads is filled up with missing ones."""
    leads = max((part.shape[1] for part in parts), default=0)
    empty = np.zeros((0, leads, parts[0].shape[2] if parts else samples), np.int16)
    filled = [np.pad(part, ((0, 0), (0, leads - part.shape[1]), (0, 0)), constant_values=MISSING) for part in parts]
    return np.concatenate([empty, *filled])


def _write(
    job: ShardJob,
    inputs: str,
    records: int,
    arrays: dict[str, Int16[np.ndarray, "_row _lead _time"]],
    tables: dict[str, pd.DataFrame],
) -> dict[str, Any]:
    store = job.config.out
    scratch = scratch_path(store, shard_name(job.index))
    scratch.mkdir()
    for name, array in arrays.items():
        np.save(scratch / name, array)
    for name, table in tables.items():
        write_table(scratch / f"{name}.parquet", table)
    written = sorted(scratch.iterdir())
    done = {
        "plan": job.plan_hash,
        "inputs": inputs,
        "sources": len(job.sources),
        "records": records,
        "rows": len(arrays[ECG]),
        "beats": len(tables["beats"]),
        "leads": arrays[ECG].shape[1],
        "rejects": dict(sorted(Counter(tables["rejects"]["reason"]).items())),
        "files": {path.name: sha256_of(path) for path in written},
    }
    write_json(scratch / SHARD, done)
    _move_in(scratch, store / shard_name(job.index), job.plan_hash)
    return done


def _move_in(scratch: Path, shard: Path, plan_hash: str) -> None:
    try:
        os.replace(scratch, shard)
    except OSError:
        # A worker that outlived the run before this one may have finished the same shard first: it is the same.
        if finished(shard, plan_hash) is None:
            raise
        shutil.rmtree(scratch)


def checked_shard(job: ShardJob) -> dict[str, Any] | None:
    """The `shard.json` of the job's shard where it stands there finished and its inputs are still the same."""
    done = finished(job.config.out / shard_name(job.index), job.plan_hash)
    return done if done is not None and done.get("inputs") == _hash_inputs(job) else None


def _hash_inputs(job: ShardJob) -> str:
    return hash_files(job.config.root, job.sources if job.config.reads_files else [])


def finished(shard: Path, plan_hash: str) -> dict[str, Any] | None:
    """The `shard.json` of a shard that is whole and made to this plan; None for any other."""
    try:
        done = read_json(shard / SHARD)
        if done["plan"] == plan_hash and all(sha256_of(shard / name) == want for name, want in done["files"].items()):
            return done
    except (OSError, ValueError, KeyError):
        return None
    return None
