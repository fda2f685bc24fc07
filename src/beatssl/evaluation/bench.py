"""Benchmarks of the stages, one entry for all."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.evaluation.bench_prepare import bench_prepare


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BenchConfig:
    """Measure how long a stage takes, and how much memory.

    prepare: a whole data set into a scratch store that is removed afterwards: wall time, records a second, memory.
    NeuroKit2 measures some of the same records lead by lead in the same run, for comparison (extra: bench).
    """

    what: tyro.conf.Positional[Literal["prepare"]]
    """The stage to measure."""
    source: tyro.conf.Positional[Path]
    """Folder of the data set."""
    out: Path | None = None
    """JSON file to write the figures to as well."""
    kind: str = "ptbxl"
    """What the source holds, as for prepare."""
    workers: Annotated[int, Field(ge=1)] = 2
    """Processes."""
    neurokit_records: Annotated[int, Field(ge=0)] = 10
    """Records that NeuroKit2 measures; 0 leaves it out."""


def bench(config: BenchConfig) -> dict[str, Any]:
    """The figures of one stage, also written to `config.out` where it is given."""
    return bench_prepare(config.source, config.out, config.kind, config.workers, config.neurokit_records)
