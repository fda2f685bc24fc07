"""The verb `analyze`: files, folders of files and stores, as a report, as tables, JSON and annotations."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.output.summary import COLUMNS, LEGEND, cells
from beatssl.analysis.output.tables import INTERVALS, RECORDS, REFUSED, WAVES, join_tables
from beatssl.analysis.parts import (
    PARTS,
    Job,
    PartResult,
    is_store,
    jobs_of,
    make_part,
    part_folder,
    plan_of,
    read_part,
)
from beatssl.analysis.result import USE
from beatssl.analysis.stores.similar import Searched
from beatssl.files import make_folder, read_json, write_json
from beatssl.inference.device import torch_device
from beatssl.inference.encoder import BeatEncoder
from beatssl.progress import progress
from beatssl.records.files import located
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.outputs import asked_of, check_ecgs, check_folder, open_folder
from beatssl.store.parallel import in_parallel
from beatssl.store.shards.reading import Reject

__all__ = ["INTERVALS", "RECORDS", "REFUSED", "WAVES", "AnalyzeResult", "analyze"]

_FREE = ("dask", "keep_going", "workers")


@dataclass(frozen=True)
class AnalyzeResult:
    """What was found, counted; the tables are in the folder."""

    out: Path | None
    records: int
    """Records that were analysed."""
    refused: int
    """Records that could not be used."""
    waves: dict[str, int]
    """Waves found in all leads, by P, QRS and T."""
    refusals: tuple[Reject, ...] = ()
    """The records that could not be used, each with its reason."""
    complete: bool = True
    """Whether the command ends with status 0: nothing was refused, or `keep_going`."""
    text: str = ""
    """Without `out`: the report of one record, the table of several, or their JSON, a line each."""

    def __str__(self) -> str:
        if self.out is None:
            return self.text
        found = ", ".join(f"{count:,} {name}" for name, count in self.waves.items())
        refused = f"; {self.refused:,} could not be used, see {REFUSED}" if self.refused else ""
        return f"{self.out}: {self.records:,} records, waves in all leads: {found}{refused}. {USE}"


def analyze(config: AnalyzeConfig) -> AnalyzeResult:
    """Analyse every record at `paths`; `EcgModel.analyze` says what is found.

    With `out`: records.parquet (a line a record), waves.parquet (a line a wave), intervals.parquet (a line a measure),
    refused.parquet (what could not be used, and why), and in folders of their names the JSON, the tables of beats, the
    annotations, pages and PDFs of each record; index.html lists the pages. Stopped, even by a kill,
    the same command goes on after the last 50 records.

    Raises FileNotFoundError for a path that is not there and for a folder without any ECG, CheckpointError where there
    is no such model, or a store was prepared otherwise than it expects.
    """
    for path in config.paths:
        if not is_store(located(path)):
            check_ecgs(path)
    asked = asked_of("analyze", config, _FREE)
    if config.out is not None:
        check_folder(config.out, asked, config.overwrite)
    jobs = jobs_of(config.paths, config.files)
    alone = sum(job.records for job in jobs) == 1
    searched = _searched(config)
    if config.out is None:
        with TemporaryDirectory() as scratch:
            parts = list(_made(jobs, config, alone, _saved(searched, Path(scratch))))
        return _result(config, parts, _shown(parts, config.json, alone))
    open_folder(config.out, asked, config.overwrite)
    make_folder(config.out / PARTS)
    _drop_parts_of_others(config.out, plan_of(jobs, searched.sha256 if searched else ""))
    parts = list(_made(jobs, config, alone, _saved(searched, config.out.absolute() / PARTS)))
    join_tables([part_folder(config.out, job.number) for job in jobs], config.out)
    shutil.rmtree(config.out / PARTS)
    if kinds := tuple(name for name in ("html", "pdf") if getattr(config, name)):
        from beatssl.analysis.page.index import write_index

        write_index(config.out, kinds)
    return _result(config, parts, "")


def _searched(config: AnalyzeConfig) -> Searched | None:
    """What look-alikes are searched in."""
    if config.similar_to is None:
        return None
    place = located(config.similar_to)
    return Searched.of(BeatEncoder.from_pretrained("default"), place, config.files, config.device)


def _saved(searched: Searched | None, folder: Path) -> Path | None:
    """The same as a file, which all processes read."""
    if searched is None:
        return None
    searched.save(folder / "searched.npz")
    return folder / "searched.npz"


def _made(jobs: Sequence[Job], config: AnalyzeConfig, alone: bool, searched: Path | None) -> Iterator[PartResult]:
    """The results of all jobs in order: those that an earlier run finished, and the others, made now."""
    done = {job.number: found for job in jobs if (found := read_part(config.out, job.number)) is not None}
    missing = [job for job in jobs if job.number not in done]
    processes = 1 if torch_device(config.device).type == "cuda" else config.workers
    together = config.dask is not None or (processes != 1 and len(missing) > 1)
    there = replace(config, out=config.out and config.out.absolute())
    work = partial(make_part, config=there, alone=alone, threads=1 if together else None, searched=searched)
    with progress("Analyzing", total=sum(job.records for job in jobs)) as advance:
        advance(sum(job.records for job in jobs if job.number in done))
        made = in_parallel(work, missing, processes, config.dask)
        for job in jobs:
            if job.number in done:
                yield done[job.number]
                continue
            yield next(made)
            advance(job.records)


def _drop_parts_of_others(out: Path, plan: Mapping[str, Any]) -> None:
    """Remove finished parts where files, or what look-alikes are searched in, have changed, come or gone since."""
    path = out / PARTS / "plan.json"
    if not path.is_file() or read_json(path) != plan:
        shutil.rmtree(out / PARTS)
        write_json(path, plan)


def _result(config: AnalyzeConfig, parts: Sequence[PartResult], text: str) -> AnalyzeResult:
    refusals = tuple(one for part in parts for one in part.rejects)
    return AnalyzeResult(
        out=config.out,
        records=sum(part.records for part in parts),
        refused=len(refusals),
        waves={name: sum(part.waves[name] for part in parts) for name in WAVE_CLASSES[1:]},
        refusals=refusals,
        complete=config.keep_going or not refusals,
        text=text,
    )


def _shown(parts: Sequence[PartResult], as_json: bool, alone: bool) -> str:
    """What the terminal shows without `out`."""
    if as_json or alone:
        return "\n".join(text for part in parts for text in part.texts)
    rows = [tuple(COLUMNS.values()), *(cells(line) for part in parts for line in part.lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, f"{LEGEND} {USE}"])
