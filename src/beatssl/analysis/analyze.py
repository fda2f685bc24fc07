"""The verb `analyze`: waves and intervals of files, folders of files and stores, as tables."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.waves import Found, nothing_found, of_files, of_store
from beatssl.inference.device import torch_device
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.files import located
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.layout import MANIFEST, PLAN
from beatssl.store.outputs import asked_of, check_ecgs, check_folder, open_folder
from beatssl.store.shards.reading import Reject
from beatssl.store.store import Store

WAVES, INTERVALS, REFUSED = "waves.parquet", "intervals.parquet", "refused.parquet"


@dataclass(frozen=True)
class AnalyzeResult:
    """What was found, counted; the tables are in the folder."""

    out: Path
    records: int
    """Records that were segmented."""
    refused: int
    """Records that could not be used."""
    waves: dict[str, int]
    """Waves found in all leads, by P, QRS and T."""
    refusals: tuple[Reject, ...] = ()
    """The records that could not be used, each with its reason."""
    complete: bool = True
    """Whether the command ends with status 0: nothing was refused, or `keep_going`."""

    def __str__(self) -> str:
        found = ", ".join(f"{count:,} {name}" for name, count in self.waves.items())
        refused = f"; {self.refused:,} could not be used, see {REFUSED}" if self.refused else ""
        return f"{self.out}: {self.records:,} records, waves in all leads: {found}{refused}"


def analyze(config: AnalyzeConfig) -> AnalyzeResult:
    """Find the waves of every record at `paths`, and write them to `out`/waves.parquet, a line a wave.

    `out`/intervals.parquet holds PR, QRS, QT, QTc, rate and axes measured from them (see `features.wave_intervals`),
    `out`/refused.parquet the records that could not be used, with their reasons.

    Raises FileNotFoundError for a path that is not there and for a folder without any ECG, CheckpointError where there
    is no such segmenter, or a store was prepared otherwise than it expects.
    """
    for path in config.paths:
        if not _is_store(located(path)):
            check_ecgs(path)
    asked = asked_of("analyze", config, ("keep_going",))
    check_folder(config.out, asked, config.overwrite)
    segmenter = EcgSegmenter.from_pretrained(config.segmenter).to(torch_device(config.device))
    found: list[Found] = []
    refused: list[Reject] = []
    for one in _found(segmenter, config):
        if isinstance(one, Reject):
            refused.append(one)
        else:
            found.append(one)
    tables = found or [nothing_found()]
    waves = pd.concat([one.waves for one in tables], ignore_index=True)
    intervals = pd.concat([one.intervals for one in tables], ignore_index=True)
    open_folder(config.out, asked, config.overwrite)
    _write(config.out, waves, intervals, refused)
    counts = waves["wave"].value_counts()
    return AnalyzeResult(
        out=config.out,
        records=sum(one.records for one in found),
        refused=len(refused),
        waves={name: int(counts.get(name, 0)) for name in WAVE_CLASSES[1:]},
        refusals=tuple(refused),
        complete=config.keep_going or not refused,
    )


def _found(segmenter: EcgSegmenter, config: AnalyzeConfig) -> Iterator[Found | Reject]:
    """What is found in the files, all of which have ids of their own, and then in the stores."""
    if files := [path for path in config.paths if not _is_store(path)]:
        yield from of_files(segmenter, files, config.files)
    for path in config.paths:
        if _is_store(path):
            yield from of_store(segmenter, Store(path))


def _is_store(path: Path) -> bool:
    return any((path / name).is_file() for name in (MANIFEST, PLAN))  # a plan alone: a store that is not finished


def _write(out: Path, waves: pd.DataFrame, intervals: pd.DataFrame, refused: list[Reject]) -> None:
    waves.to_parquet(out / WAVES, index=False)
    intervals.to_parquet(out / INTERVALS, index=False)
    columns = [one.name for one in fields(Reject)]
    pd.DataFrame([asdict(one) for one in refused], columns=columns).to_parquet(out / REFUSED, index=False)
