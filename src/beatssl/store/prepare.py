"""ECG files of one kind to a finished store: shard by shard, in parallel, continued after a kill."""

import shutil
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from beatssl.files import make_folder, read_json, write_json
from beatssl.progress import progress
from beatssl.records.files import FilesReader, by_ending, located
from beatssl.records.places import sources_at
from beatssl.records.reader import Reader, Source, named
from beatssl.store.beat_clusters import cluster_beats
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import (
    CLUSTERS,
    MANIFEST,
    PARTIAL,
    PLAN,
    SHARD,
    StoreError,
    appearing,
    canonical_hash,
    held,
    read_manifest,
    remove_scratch,
    shard_name,
)
from beatssl.store.manifest import check_same_plan, complete_manifest, make_manifest, make_plan
from beatssl.store.outputs import check_ecgs
from beatssl.store.own_data.record_table import RecordTable, TableReader, read_record_table
from beatssl.store.parallel import in_parallel
from beatssl.store.readers import make_reader
from beatssl.store.shards.duplicates import check_distinct
from beatssl.store.shards.shard import ShardJob, checked_shard, make_shard


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
    not_read: tuple[str, ...] = ()
    """Files below the source that are no ECG of a known format, nor part of one."""
    without_line: int = 0
    """Records of which the table of records says nothing."""
    first_aside: str = ""
    """The first record that was set aside, and why."""
    left_out: tuple[str, ...] = ()
    """Columns of that table that are left out, since they name somebody."""

    def __str__(self) -> str:
        aside = ", ".join(f"{count} {reason}" for reason, count in self.rejects.items()) or "none"
        such_as = f", such as {self.first_aside}" if self.first_aside else ""
        return (
            f"{self.out}: {self.records:,} of {self.sources:,} records, {self.rows:,} rows, {self.beats:,} beats; "
            f"set aside: {aside}{such_as}; {self.shards} shards ({self.shards_kept} kept from an earlier run)"
            + "".join(f"; not read: {line}" for line in by_ending(self.not_read))
            + (f"; without a line in the table: {self.without_line:,} records" if self.without_line else "")
            + (f"; left out of the table, to name nobody: {', '.join(self.left_out)}" if self.left_out else "")
        )


def prepare(config: PrepareConfig, reader: Reader | None = None) -> PrepareSummary:
    """Prepare every record of `config.source` into the store `config.out`.

    Each record is read, put into leads, filtered, resampled, cut into rows; beats, their waves, classes and features
    are measured. Records that cannot be used are set aside with a reason. Killed at any moment and started again, it
    keeps the shards that are finished and ends with the same bytes as an uninterrupted run. A shard whose input files
    have changed since (a repaired file) is made again.

    `reader` stands in for the one that `config.kind` names.

    Raises StoreError where `config.out` holds something else or a store of another plan, where a store of
    `config.distinct_from` cannot be compared, or where no record at all was
    kept (the store is finished then, its `rejects` say why, and a corrected command replaces it); FileNotFoundError
    where the source lacks its index; OSError where `config.out` cannot be written to; ValueError where it holds no
    record, or two of one id.
    """
    summary = _prepare(config, reader)
    if isinstance(reader, FilesReader) or config.kind == "files":
        files = FilesReader(skip=config.out)
        summary = replace(summary, not_read=tuple(one for place in config.places for one in files.not_read(place)))
    if summary.records == 0:
        raise StoreError(
            f"nothing was kept: all {summary.sources:,} records were set aside "
            f"({', '.join(f'{count} {reason}' for reason, count in summary.rejects.items())}), such as "
            f"{summary.first_aside}; Store({str(summary.out)!r}).rejects lists them"
        )
    return summary


def _first_aside(out: Path, shards: int) -> str:
    """File and message of the first record that was set aside; "" where there is none."""
    for index in range(shards):
        if aside := pq.read_table(out / shard_name(index) / "rejects.parquet").slice(0, 1).to_pylist():
            return f"{aside[0]['file']}: {aside[0]['message'].removeprefix(aside[0]['file'] + ': ')}"
    return ""


def _prepare(config: PrepareConfig, reader: Reader | None) -> PrepareSummary:
    for place in config.places if config.kind == "files" else ():
        check_ecgs(located(place))
    config = config.resolved()
    reader = reader or make_reader(config)
    sources = sources_at(reader, config.places) if isinstance(reader, FilesReader) else reader.sources(config.root)
    if not sources:
        raise ValueError(f"no {config.kind} record under {named(config.places)}; give the folder that holds its index")
    if len({source.id for source in sources}) < len(sources):
        twice = next(name for name, count in Counter(source.id for source in sources).items() if count > 1)
        raise ValueError(
            f"two records under {named(config.places)} have the id {twice!r}; a reader must tell them apart"
        )
    table = read_record_table(config, sources)
    plan = make_plan(config, reader, sources, table.digest if table else "", check_distinct(config))
    with _opened(config.out, plan):
        jobs = _jobs(config, reader, sources, canonical_hash(plan), table)
        done = _check_shards(config, jobs)
        kept = len(done)
        if kept == len(jobs) and (manifest := complete_manifest(config.out, plan, _in_order(done))):
            return _summary(config.out, manifest, kept, table)
        # From here on the store is unfinished: without its manifest nobody takes old and new shards for one store.
        (config.out / MANIFEST).unlink(missing_ok=True)
        shards = _make_shards(config, jobs, done)
        cluster_files = cluster_beats(config, [shard["beats"] for shard in shards])
        manifest = make_manifest(plan, shards, cluster_files)
        with appearing(config.out / MANIFEST, config.out) as scratch:
            write_json(scratch, manifest)
    return _summary(config.out, manifest, kept, table)


@contextmanager
def _opened(out: Path, plan: dict[str, Any]) -> Generator[None, None, None]:
    """The store's folder, held by this run alone, with the plan written down."""
    make_folder(out)
    with held(out):
        begun = [out / name for name in (MANIFEST, PLAN) if (out / name).exists()]
        if begun and _holds_nothing(out) and read_manifest(begun[0]) != plan:
            _clear(out)
        elif begun:
            check_same_plan(out, read_manifest(begun[0]), plan)
        elif others := sorted(path.name for path in out.iterdir() if not _left_behind(path, plan)):
            raise StoreError(f"{out} is no store and holds {others[:3]}; pass an empty or new folder as out=")
        remove_scratch(out)
        if not (out / PLAN).exists():
            with appearing(out / PLAN, out) as scratch:
                write_json(scratch, plan)
        try:
            yield
        finally:
            remove_scratch(out)
        (out / PLAN).unlink()


def _holds_nothing(out: Path) -> bool:
    """Whether a store has no record: it was stopped before its first shard, or all were set aside."""
    try:
        return not any(read_json(shard / SHARD)["records"] for shard in out.glob("shard-*"))
    except (OSError, ValueError, KeyError):
        return False


def _clear(out: Path) -> None:
    """Remove a store without records: a corrected command makes it anew."""
    for path in (*out.glob("shard-*"), out / PARTIAL):
        _discard(path)
    for name in (MANIFEST, PLAN, CLUSTERS):
        (out / name).unlink(missing_ok=True)


def _left_behind(path: Path, plan: dict[str, Any]) -> bool:
    """Whether an entry of a folder without a manifest is what a store made to this plan has left there."""
    if path.name in (PARTIAL, CLUSTERS) or (path.name.startswith("check-") and path.suffix == ".json"):
        return True
    try:
        return path.name.startswith("shard-") and read_json(path / SHARD)["plan"] == canonical_hash(plan)
    except (OSError, ValueError, KeyError):
        return False


def _jobs(
    config: PrepareConfig, reader: Reader, sources: list[Source], plan_hash: str, table: RecordTable | None
) -> list[ShardJob]:
    size = config.records_per_shard
    jobs: list[ShardJob] = []
    for index, start in enumerate(range(0, len(sources), size)):
        part = sources[start : start + size]
        own = TableReader(reader, table.of(part)) if table else reader
        jobs.append(ShardJob(index, part, own, config, plan_hash))
    return jobs


def _check_shards(config: PrepareConfig, jobs: list[ShardJob]) -> dict[int, dict[str, Any]]:
    """`shard.json` by number of the shards that an earlier run finished from the same inputs, all bytes read again."""
    there = [job for job in jobs if (config.out / shard_name(job.index)).exists()]
    done: dict[int, dict[str, Any]] = {}
    if there:
        with progress("Checking", total=sum(len(job.sources) for job in there)) as advance:
            for job, found in zip(there, in_parallel(checked_shard, there, config.workers, config.dask), strict=True):
                if found is not None:
                    done[job.index] = found
                advance(len(job.sources))
    return done


def _make_shards(config: PrepareConfig, jobs: list[ShardJob], done: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every shard's `shard.json` in order, those not yet `done` made now."""
    missing = [job for job in jobs if job.index not in done]
    for job in missing:
        _discard(config.out / shard_name(job.index))
    made: dict[int, dict[str, Any]] = {}
    with progress("Preparing", total=sum(len(job.sources) for job in jobs)) as advance:
        advance(sum(len(job.sources) for job in jobs if job.index in done))
        for job, result in zip(missing, in_parallel(make_shard, missing, config.workers, config.dask), strict=True):
            made[job.index] = result
            advance(len(job.sources))
    return _in_order(done | made)


def _in_order(shards: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    return [shard for _, shard in sorted(shards.items())]


def _discard(path: Path) -> None:
    """What stands where a shard belongs and is not one (damaged, of other inputs, or of an interrupted removal)."""
    if path.exists():
        shutil.rmtree(path)


def _summary(out: Path, manifest: dict[str, Any], shards_kept: int, table: RecordTable | None) -> PrepareSummary:
    counts = manifest["counts"]
    return PrepareSummary(
        out=out,
        sources=counts["sources"],
        records=counts["records"],
        rows=counts["rows"],
        beats=counts["beats"],
        rejects=counts["rejects"],
        first_aside=_first_aside(out, len(manifest["shards"])) if counts["rejects"] else "",
        shards=len(manifest["shards"]),
        shards_kept=shards_kept,
        without_line=table.without_line if table else 0,
        left_out=table.left_out if table else (),
    )
