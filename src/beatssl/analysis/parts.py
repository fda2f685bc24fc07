"""Many records in parts: each part is one job of one process, and written whole or not at all, so that work resumes."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.model import EcgModel, checked, load
from beatssl.analysis.output.file_names import file_name
from beatssl.analysis.output.tables import RECORDS, REFUSED, interval_lines, record_line, wave_lines, write_tables
from beatssl.analysis.result import Analysis
from beatssl.analysis.stores.similar import Searched
from beatssl.analysis.waves import check_store, store_record
from beatssl.files import package_sha256, read_json, write_bytes, write_json
from beatssl.inference.device_name import Device
from beatssl.records.files import FilesReader, located
from beatssl.records.formats.options import FileOptions
from beatssl.records.places import sources_at
from beatssl.records.reader import Source
from beatssl.records.record import Record, RecordError
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.layout import MANIFEST, PLAN
from beatssl.store.shards.reading import Reject, read_record
from beatssl.store.store import Store

Item = TypeVar("Item")
Found = TypeVar("Found")

PART_RECORDS = 50
PARTS = ".parts"
"""Folder of finished parts within `out`, until all are there."""
WAVE_COUNTS = "counts.json"
_LEAD_SECONDS_AT_ONCE = 16 * 12 * 10.0
"""Of records that go through the networks together: sixteen of ten seconds with twelve leads."""


@dataclass(frozen=True, slots=True)
class Job:
    """Some records of one path, which is absolute: a process may have another working folder."""

    number: int
    place: Path
    sources: tuple[Source, ...] = ()
    record_ids: tuple[str, ...] = ()
    """Of a store, whose folder `place` then is."""

    @property
    def records(self) -> int:
        return len(self.sources) or len(self.record_ids)


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a process hands back: small."""

    records: int
    lines: list[dict[str, object]]
    """Of records.parquet."""
    texts: list[str]
    """Without `out`: of each record its JSON or its report."""
    rejects: list[Reject]
    waves: dict[str, int]
    """Waves in all leads, by P, QRS and T."""


def jobs_of(paths: Sequence[Path], options: FileOptions) -> list[Job]:
    """All records of the files, whose ids differ (see `sources_at`), then of the stores, 50 at most to a job."""
    jobs: list[Job] = []
    if files := [located(path) for path in paths if not is_store(path)]:
        sources = tuple(sources_at(reader_of(options), files))
        jobs += [Job(number, files[0].absolute(), sources=some) for number, some in enumerate(_groups(sources))]
    for path in filter(is_store, paths):
        ids = tuple(dict.fromkeys(Store(path).records["record_id"].astype(str)))
        jobs += [Job(len(jobs) + k, path.absolute(), record_ids=some) for k, some in enumerate(_groups(ids))]
    return jobs


def plan_of(jobs: Sequence[Job], searched: str = "") -> dict[str, str | list[list[str]]]:
    """The package, the hash of what look-alikes are searched in, and what the jobs are to read, files with their sizes
    and times: where one of them changed, finished parts are of no use."""
    return {
        "package": package_sha256(),
        "searched": searched,
        "jobs": [
            [str(job.place), *(_state(job.place, source) for source in job.sources), *job.record_ids] for job in jobs
        ],
    }


def _state(place: Path, source: Source) -> str:
    try:
        stat = (source.folder(place) / source.path).stat()
    except OSError:
        return source.path
    return f"{source.path} {stat.st_size} {stat.st_mtime_ns}"


def is_store(path: Path) -> bool:
    """Whether a path is a prepared store, or one that is not finished."""
    return any((path / name).is_file() for name in (MANIFEST, PLAN))


def reader_of(options: FileOptions) -> FilesReader:
    """The reader of files that say no more than these options."""
    return FilesReader(
        options.csv_fs_hz, options.unit, options.lead_names, options.units, options.fs_hz_override,
        options.correct_electrodes,
    )  # fmt: skip


def make_part(
    job: Job, config: AnalyzeConfig, alone: bool, threads: int | None, searched: Path | None = None
) -> PartResult:
    """Analyse a job's records. With `out` its tables are then in the part's folder, and the files of records in `out`.

    `alone`: without `out` the texts are reports. `threads`: for PyTorch; None leaves its own number.
    `searched`: the file of what look-alikes are searched in.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    stamp = searched.stat().st_mtime_ns if searched else 0
    model = _model(config.segmenter, config.classifier, config.device, searched, stamp)
    lines: list[dict[str, object]] = []
    texts: list[str] = []
    rejects: list[Reject] = []
    waves: list[pd.DataFrame] = []
    intervals: list[pd.DataFrame] = []
    counts: dict[str, int] = dict.fromkeys(WAVE_CLASSES[1:], 0)
    for one in _analyses(model, job, config):
        if isinstance(one, Reject):
            rejects.append(one)
            continue
        lines.append(record_line(one))
        for number, name in enumerate(counts, start=1):
            counts[name] += int(np.sum(one.waves.wave == number))
        if config.out is None:
            texts.append(_json(one).decode().strip() if config.json else str(one) if alone else "")
        else:
            waves.append(wave_lines(one))
            intervals.append(interval_lines(one))
            _write_record(one, config, config.out)
    result = PartResult(len(lines), lines, texts, rejects, counts)
    if config.out is None:
        return result
    _write_part(config.out, job, result, waves, intervals)
    return replace(result, lines=[])


def part_folder(out: Path, number: int) -> Path:
    """Where a finished part lies."""
    return out / PARTS / f"part-{number:05d}"


def read_part(out: Path | None, number: int) -> PartResult | None:
    """What a part that an earlier run finished holds; None where there is none."""
    if out is None or not (folder := part_folder(out, number)).is_dir():
        return None
    refused = pd.read_parquet(folder / REFUSED).to_dict("records")
    rejects = [Reject(**{str(name): value for name, value in line.items()}) for line in refused]
    return PartResult(len(pd.read_parquet(folder / RECORDS)), [], [], rejects, read_json(folder / WAVE_COUNTS))


def _groups(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(items), PART_RECORDS):
        yield items[start : start + PART_RECORDS]


@lru_cache(maxsize=2)
def _model(segmenter: str, classifier: str, device: Device, searched: Path | None, stamp: int) -> EcgModel:
    """`stamp` tells one content of the file from another."""
    return load(segmenter, classifier, device=device, similar_to=searched and Searched.load(searched))


def _analyses(model: EcgModel, job: Job, config: AnalyzeConfig) -> Iterator[Analysis | Reject]:
    """The results of a job's records in their order, some records at once; where these fail together, each alone."""
    read, stored = _reading(job, config), bool(job.record_ids)
    if stored:
        check_store(model.segmenter, Store(job.place))
    options: dict[str, Any] = {
        "embeddings": False, "already_filtered": stored, "without_leads": config.html or config.pdf,
    }  # fmt: skip
    items, lead_seconds = job.sources or job.record_ids, 0.0
    some: list[tuple[Source | str, Record | Reject]] = []
    for number, item in enumerate(items, start=1):
        one = read(item, checked)
        some.append((item, one))
        lead_seconds += 0 if isinstance(one, Reject) else one.duration_s * len(one.leads)
        if lead_seconds < _LEAD_SECONDS_AT_ONCE and number < len(items):
            continue
        records = [one for _, one in some if isinstance(one, Record)]
        try:
            found = iter(model.analyze_records(records, **options))
        except Exception:  # whatever is wrong with one record never stops the others
            found = (
                read(item, lambda record: model.analyze(record, **options))
                for item, one in some
                if isinstance(one, Record)
            )
        yield from (next(found) if isinstance(one, Record) else one for _, one in some)
        some, lead_seconds = [], 0.0


def _reading(job: Job, config: AnalyzeConfig) -> Callable[[Any, Callable[[Record], Found]], Found | Reject]:
    """Reads a record of a job and goes on with it. Where all goes to the terminal, files have their own names there."""
    if job.sources and config.out is None and not config.json:
        reader = replace(reader_of(config.files), paths_shown=True)
        return lambda source, then: read_record(
            reader, job.place, replace(source, alias=""), lambda record: then(record.replace(id=source.id))
        )
    if job.sources:
        return partial(read_record, reader_of(config.files), job.place)
    store = Store(job.place)

    def of_store(record_id: str, then: Callable[[Record], Found]) -> Found | Reject:
        try:
            return then(store_record(store, record_id))
        except RecordError as error:
            return Reject(record_id, record_id, error.reason, str(error))

    return of_store


def _write_record(a: Analysis, config: AnalyzeConfig, out: Path) -> None:
    if config.json:
        write_bytes(out / "json" / f"{file_name(a.record.id)}.json", _json(a))
    if config.csv:
        text = a.to_frame().to_csv(index=False, float_format="%.4f")
        write_bytes(out / "csv" / f"{file_name(a.record.id)}.csv", text.encode())
    if config.html:
        a.to_html(out / "html" / f"{file_name(a.record.id)}.html")
    if config.pdf:
        a.to_pdf(out / "pdf" / f"{file_name(a.record.id)}.pdf")
    if config.annotations:
        a.save_annotations(out / "annotations" / wfdb_name(a.record.id))


def _json(a: Analysis) -> bytes:
    return (json.dumps(a.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def wfdb_name(record_id: str) -> str:
    """A name of a WFDB record for an id: itself where it is one, else cleaned, with six digits of its SHA-256."""
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", record_id)
    return clean if clean == record_id else f"{clean}-{hashlib.sha256(record_id.encode()).hexdigest()[:6]}"


def _write_part(
    out: Path, job: Job, result: PartResult, waves: "list[pd.DataFrame]", intervals: "list[pd.DataFrame]"
) -> None:
    final = part_folder(out, job.number)
    scratch = final.with_name(f"{final.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    write_tables(scratch, result.lines, waves, intervals, result.rejects)
    write_json(scratch / WAVE_COUNTS, result.waves)
    os.replace(scratch, final)
