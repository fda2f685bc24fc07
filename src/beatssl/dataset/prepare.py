"""ECG files of one kind to a finished store: shard by shard, in parallel, continued after a kill."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beatssl.dataset.beat_clusters import cluster_beats
from beatssl.dataset.config import PrepareConfig
from beatssl.dataset.layout import (
    MANIFEST,
    PARTIAL,
    PLAN,
    StoreError,
    appearing,
    canonical_hash,
    held,
    read_json,
    remove_scratch,
    sha256_of,
    shard_name,
    write_json,
)
from beatssl.dataset.manifest import check_same_plan, make_manifest, make_plan
from beatssl.dataset.parallel import in_parallel
from beatssl.dataset.readers import make_reader
from beatssl.dataset.shard import ShardJob, finished, make_shard
from beatssl.progress import progress
from beatssl.records.reader import Reader, Source


@dataclass(frozen=True, slots=True)
class PrepareSummary:
    """What a store holds, and how many of its shards were there before."""

    out: Path
    sources: int
    records: int
    rows: int
    beats: int
    rejects: dict[str, int]  # by reason
    shards: int
    shards_kept: int

    def __str__(self) -> str:
        aside = ", ".join(f"{count} {reason}" for reason, count in self.rejects.items()) or "none"
        return (
            f"{self.out}: {self.records:,} of {self.sources:,} records, {self.rows:,} rows, {self.beats:,} beats; "
            f"set aside: {aside}; {self.shards} shards ({self.shards_kept} kept from an earlier run)"
        )


def prepare(config: PrepareConfig, reader: Reader | None = None) -> PrepareSummary:
    """Prepare every record of `config.source` into the store `config.out`.

    Each record is read, put into leads, filtered, resampled, cut into rows; beats, their waves, classes and features
    are measured. Records that cannot be used are set aside with a reason. Killed at any moment and started again, it
    keeps the shards that are finished and ends with the same bytes as an uninterrupted run.

    `reader` stands in for the one that `config.kind` names.

    Raises StoreError where `config.out` holds something else or a store of another plan, FileNotFoundError where the
    source lacks its index, ValueError where it holds no record.
    """
    config = config.resolved()
    reader = reader or make_reader(config)
    sources = reader.sources(config.source)
    if not sources:
        raise ValueError(f"no {config.kind} record under {config.source}; give the folder that holds its index")
    plan = make_plan(config, reader, sources)
    with _opened(config.out, plan):
        if (config.out / MANIFEST).exists() and verify(config.out):
            return _summary(config.out, read_json(config.out / MANIFEST), None)
        (config.out / MANIFEST).unlink(missing_ok=True)
        shards, kept = _make_shards(config, reader, sources, canonical_hash(plan))
        cluster_files = cluster_beats(config, [shard["beats"] for shard in shards])
        manifest = make_manifest(plan, shards, cluster_files)
        with appearing(config.out / MANIFEST, config.out) as scratch:
            write_json(scratch, manifest)
    return _summary(config.out, manifest, kept)


@contextmanager
def _opened(out: Path, plan: dict[str, Any]) -> Generator[None, None, None]:
    """The store's folder, held by this run alone, with the plan written down."""
    out.mkdir(parents=True, exist_ok=True)
    with held(out):
        begun = [out / name for name in (MANIFEST, PLAN) if (out / name).exists()]
        if begun:
            check_same_plan(out, read_json(begun[0]), plan)
        elif strangers := sorted(path.name for path in out.iterdir() if path.name != PARTIAL):
            raise StoreError(f"{out} is no store and holds {strangers[:3]}; pass an empty or new folder as out=")
        remove_scratch(out)
        if not (out / PLAN).exists():
            with appearing(out / PLAN, out) as scratch:
                write_json(scratch, plan)
        try:
            yield
        finally:
            remove_scratch(out)
        (out / PLAN).unlink()


def _make_shards(
    config: PrepareConfig, reader: Reader, sources: list[Source], plan_hash: str
) -> tuple[list[dict[str, Any]], int]:
    """Every shard's `shard.json` in order, and how many were there already."""
    size = config.records_per_shard
    jobs = [
        ShardJob(index, sources[start : start + size], reader, config, plan_hash)
        for index, start in enumerate(range(0, len(sources), size))
    ]
    done = {job.index: finished(config.out / shard_name(job.index), plan_hash) for job in jobs}
    missing = [job for job in jobs if done[job.index] is None]
    for job in missing:
        _discard(config.out / shard_name(job.index))
    with progress("Preparing", total=len(sources)) as advance:
        advance(len(sources) - sum(len(job.sources) for job in missing))
        for job, result in zip(missing, in_parallel(make_shard, missing, config), strict=True):
            done[job.index] = result
            advance(len(job.sources))
    return [shard for job in jobs if (shard := done[job.index]) is not None], len(jobs) - len(missing)


def _discard(path: Path) -> None:
    """What stands where a shard belongs and is not one (damaged, or of an interrupted removal)."""
    if path.exists():
        shutil.rmtree(path)


def verify(out: Path) -> bool:
    """Whether every file that the manifest of a finished store names is there with the hash it names."""
    try:
        files = read_json(out / MANIFEST)["files"]
        return all(sha256_of(out / name) == want for name, want in files.items())
    except (OSError, KeyError):
        return False


def _summary(out: Path, manifest: dict[str, Any], shards_kept: int | None) -> PrepareSummary:
    counts, shards = manifest["counts"], len(manifest["shards"])
    return PrepareSummary(
        out=out,
        sources=counts["sources"],
        records=counts["records"],
        rows=counts["rows"],
        beats=counts["beats"],
        rejects=counts["rejects"],
        shards=shards,
        shards_kept=shards if shards_kept is None else shards_kept,
    )
