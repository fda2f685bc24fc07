"""Benchmarks of the stages, one entry for all."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device

if TYPE_CHECKING:
    from beatssl.bench.analyze import AnalyzeTimes
    from beatssl.bench.fuzz import FuzzResult
    from beatssl.bench.prepare import PrepareTimes
    from beatssl.bench.times import EncoderCosts, MethodCosts, StepTimes


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BenchConfig:
    """Measure how long a stage takes, and how much memory.

    prepare: a whole data set into a scratch store that is removed afterwards: wall time, records a second, memory.
    NeuroKit2 measures some of the same records lead by lead in the same run, for comparison (extra: bench).
    step: a training step on a prepared store: loading, views, encoder and losses apart, against a plain SimCLR step.
    methods: a step of every pretraining preset against SimCLR's: times by part, memory, arithmetic, energy where the
    machine counts it, and how they grow with the batch, the beats of a record and the leads.
    encoders: what a record costs each encoder and each bundled model, and how fast the encoders train, on a CPU.
    analyze: importing, loading, the command on one file, a record, a folder, 24 hours, and other tools beside it.
    fuzz: damaged files of every format through the readers: none may crash, hang, need 500 MB or change samples unseen.
    """

    what: tyro.conf.Positional[Literal["prepare", "step", "methods", "encoders", "analyze", "fuzz"]]
    """The stage to measure."""
    source: tyro.conf.Positional[Path | None] = None
    """Folder of the data set; for step and methods, of a prepared store; for analyze, of WFDB
    records, none: synthetic ones; for fuzz, of further files to damage, or none; encoders needs none."""
    out: Path | None = None
    """JSON file to write the figures to as well."""
    kind: str = "ptbxl"
    """What the source holds, as for prepare."""
    workers: Annotated[int, Field(ge=1)] = 2
    """Processes."""
    neurokit_records: Annotated[int, Field(ge=0)] = 10
    """Records that NeuroKit2 measures; 0 leaves it out."""
    presets: tuple[str, ...] = ()
    """methods: which are measured with simclr; none named: all but those of the pooled feature map."""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """step, methods: records of a batch."""
    beats_per_record: Annotated[int, Field(ge=0)] = 4
    """step, methods: beats of a record that are contrasted; 0: all."""
    steps: Annotated[int, Field(ge=1)] = 10
    """step, methods: how many are measured."""
    encoder: str = "xresnet1d"
    """step, methods: which network."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """step, methods: of the network's arithmetic."""
    files: Annotated[int, Field(ge=1)] | None = None
    """fuzz: how many are damaged and read, 5,000 by default; analyze: of the folder, 1,000 by default."""
    hours: Annotated[float, Field(gt=0, le=48)] = 24.0
    """analyze: length of the long record."""
    seed: Annotated[int, Field(ge=0)] = 0
    """fuzz: of the damages."""
    device: Device = "auto"
    """step, methods: where the network runs; auto: on a GPU where there is one."""
    overwrite: bool = False
    """Replace a file of figures that is there already."""


def bench(
    config: BenchConfig,
) -> "PrepareTimes | StepTimes | MethodCosts | EncoderCosts | AnalyzeTimes | FuzzResult":
    """The figures of one stage, also written to `config.out` where it is given.

    Raises ValueError where prepare, step or methods have no source, RuntimeError where a damaged file was read wrongly.
    """
    if config.out is not None:
        from beatssl.store.outputs import check_file

        check_file(config.out, config.overwrite)
    if config.what == "fuzz":
        from beatssl.bench.fuzz import bench_fuzz

        return bench_fuzz(config.source, config.out, config.files or 5000, config.seed, config.workers)
    if config.what == "analyze":
        from beatssl.bench.analyze import bench_analyze

        return bench_analyze(config.source, config.out, config.files or 1000, config.workers, config.hours)
    if config.what == "encoders":
        from beatssl.bench.encoders import bench_encoders

        return bench_encoders(config.out)
    if config.source is None:
        raise ValueError(f"bench {config.what} needs a folder: beatssl bench {config.what} FOLDER")
    if config.what == "step":
        # PyTorch takes seconds to import, and preparation needs none of it.
        from beatssl.bench.step import bench_step

        return bench_step(
            config.source, config.out, config.batch_size, config.steps, config.beats_per_record, config.encoder,
            config.precision, config.device,
        )  # fmt: skip
    if config.what == "methods":
        from beatssl.bench.methods import bench_methods
        from beatssl.models.config import EncoderConfig

        return bench_methods(
            config.source, config.out, config.presets, config.batch_size, config.steps, config.beats_per_record,
            EncoderConfig(name=config.encoder), config.precision, config.device,
        )  # fmt: skip
    from beatssl.bench.prepare import bench_prepare

    return bench_prepare(config.source, config.out, config.kind, config.workers, config.neurokit_records)
