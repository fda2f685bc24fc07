"""The second pass over a store: clusters of beat shape, fitted on beats of all shards, then given to every beat."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Float32, Float64, Int16, Int64
from threadpoolctl import threadpool_limits

from beatssl.beats.classes.clusters import BeatClusters, fit_clusters
from beatssl.beats.windows import AFTER_S, BEFORE_S, Beats
from beatssl.files import sha256_of
from beatssl.progress import progress
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import BEAT_CLUSTERS, CLUSTERS, ECG, appearing, shard_name, to_mv
from beatssl.store.parallel import in_parallel

SAMPLE_BEATS = 20_000
"""Beats that the clusters are fitted on, evenly spread over the store."""

_SEED = 0


@dataclass(frozen=True, slots=True)
class _AssignJob:
    store: Path
    shard: str
    beats: int
    fs_hz: float
    clusters: BeatClusters


def cluster_beats(config: PrepareConfig, shard_beats: list[int]) -> dict[str, str]:
    """Fit `config.clusters` clusters and write each shard's assignment; returns the files and their SHA-256.

    `shard_beats` is the number of beats of each shard. The files are overwritten, each in one step, and depend on the
    finished shards alone: a run that was killed here ends with the same bytes when it is started again.
    """
    if config.clusters == 0 or sum(shard_beats) == 0:
        return {}
    with threadpool_limits(1):
        sample = _sample(config, shard_beats)
        clusters = fit_clusters(sample, config.clusters, np.random.default_rng(_SEED))
    with appearing(config.out / CLUSTERS, config.out) as scratch:
        clusters.save(scratch)
    jobs = [
        _AssignJob(config.out, shard_name(index), beats, config.fs_hz, clusters)
        for index, beats in enumerate(shard_beats)
    ]
    files = {CLUSTERS: sha256_of(config.out / CLUSTERS)}
    with progress("Clustering", total=sum(shard_beats), unit="beats") as advance:
        for job, digest in zip(jobs, in_parallel(_assign, jobs, config.workers, config.dask), strict=True):
            files[f"{job.shard}/{BEAT_CLUSTERS}"] = digest
            advance(job.beats)
    return files


def _assign(job: _AssignJob) -> str:
    """Write the cluster of every beat of a shard; returns the SHA-256 of the file."""
    path = job.store / job.shard / BEAT_CLUSTERS
    assigned = np.zeros(0, np.int16)
    if job.beats:
        with threadpool_limits(1):
            assigned = job.clusters.assign(stored_beats(job.store / job.shard, job.fs_hz)).astype(np.int16)
    with appearing(path, job.store) as scratch, scratch.open("wb") as file:
        np.save(file, assigned)
    return sha256_of(path)


def _sample(config: PrepareConfig, shard_beats: list[int]) -> Beats:
    """Every k-th beat of the store, so many that about `SAMPLE_BEATS` come together."""
    every = max(1, sum(shard_beats) // SAMPLE_BEATS)
    parts: list[Beats] = []
    before = 0
    for index, count in enumerate(shard_beats):
        first = -before % every
        if first < count:
            parts.append(stored_beats(config.out / shard_name(index), config.fs_hz, every, first))
        before += count
    return _joined(parts)


def _joined(parts: list[Beats]) -> Beats:
    """Beats of several shards as one table; each shard's rows are numbered after those of the shard before."""
    ends = np.cumsum([0] + [int(part.row.max(initial=0)) + 1 for part in parts[:-1]])
    leads = max(part.window_mv.shape[1] for part in parts)
    windows = [
        np.pad(part.window_mv, ((0, 0), (0, leads - part.window_mv.shape[1]), (0, 0)), constant_values=np.nan)
        for part in parts
    ]
    return Beats(
        row=np.concatenate([part.row + np.int32(end) for part, end in zip(parts, ends, strict=True)]),
        time_s=np.concatenate([part.time_s for part in parts]),
        rr_prev_s=np.concatenate([part.rr_prev_s for part in parts]),
        rr_next_s=np.concatenate([part.rr_next_s for part in parts]),
        window_mv=np.concatenate(windows),
        fs_hz=parts[0].fs_hz,
        r_index=parts[0].r_index,
    )


def stored_beats(shard: Path, fs_hz: float, every: int = 1, first: int = 0) -> Beats:
    """Beats of a shard from its files, windows seen in the whole record as when they were measured.

    With `every`, only the beats `first`, `first + every`, … of the shard.
    """
    ecg = np.load(shard / ECG, mmap_mode="r")
    columns = ["row", "time_s", "rr_prev_s", "rr_next_s"]
    table = pq.read_table(shard / "beats.parquet", columns=columns).to_pandas().iloc[first::every]
    records = pq.read_table(shard / "records.parquet", columns=["segment"]).to_pandas()
    row = table["row"].to_numpy(np.int64)
    time_s = table["time_s"].to_numpy(np.float64)
    return Beats(
        row=row.astype(np.int32),
        time_s=time_s,
        rr_prev_s=table["rr_prev_s"].to_numpy(np.float32),
        rr_next_s=table["rr_next_s"].to_numpy(np.float32),
        window_mv=_windows(ecg, records, row, time_s, fs_hz),
        fs_hz=fs_hz,
        r_index=round(BEFORE_S * fs_hz),
    )


def _windows(
    ecg: Int16[np.ndarray, "row lead time"],
    records: pd.DataFrame,
    row: Int64[np.ndarray, " beat"],
    time_s: Float64[np.ndarray, " beat"],
    fs_hz: float,
) -> Float32[np.ndarray, "beat lead window"]:
    """Windows across the borders of rows: the rows of one record follow each other, as if they were one signal."""
    samples = ecg.shape[2]
    starts_record = records["segment"].to_numpy() == 0
    record = np.cumsum(starts_record) - 1
    begin = np.flatnonzero(starts_record) * samples
    end = np.append(begin[1:], len(ecg) * samples)
    at = row * samples + np.round(time_s * fs_hz).astype(np.int64)
    at = at[:, None] + np.arange(-round(BEFORE_S * fs_hz), round(AFTER_S * fs_hz))
    inside = (at >= begin[record[row]][:, None]) & (at < end[record[row]][:, None])
    at_row, at_sample = np.divmod(np.clip(at, 0, len(ecg) * samples - 1), samples)
    windows = to_mv(ecg[at_row, :, at_sample].transpose(0, 2, 1))
    return np.where(inside[:, None], windows, np.float32(np.nan))
