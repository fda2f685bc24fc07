"""How long preparation takes, how much memory it needs, and how NeuroKit2 compares on the same records."""

import os
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beatssl.bench.rivals import delineate
from beatssl.bench.use import watched
from beatssl.progress import track
from beatssl.results import write_result
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.readers import make_reader


@dataclass(frozen=True)
class PrepareTimes:
    """Time and memory of preparing a data set."""

    kind: str
    records: int
    rejects: int
    beats: int
    workers: int
    cores: int | None
    load_before: float
    wall_s: float
    records_per_s: float
    cpu_s: float
    core_ms_per_record: float
    """Wall time times workers over records."""
    memory_gb: float
    """Largest sum of resident memory over all processes, in 10⁹ bytes; pages that processes share count once in each,
    so it errs on the high side."""
    store_gb: float
    neurokit_ms_per_record: float | None
    """None: not measured."""
    times_faster_than_neurokit: float | None


def bench_prepare(
    source: Path, out: Path | None = None, kind: str = "ptbxl", workers: int = 2, neurokit_records: int = 10
) -> PrepareTimes:
    """Prepare a whole data set into a scratch store, and measure NeuroKit2 on some of its records in the same run.

    NeuroKit2 gets each record in memory and does, lead by lead, `ecg_clean`, `ecg_peaks` and `ecg_delineate` (dwt), the
    commonest way to waves of a 12-lead ECG; with `neurokit_records=0` it is left out.

    Returns the figures, and writes them to `out` as JSON where one is given.
    """
    with tempfile.TemporaryDirectory(prefix="beatssl-bench-") as scratch:
        config = PrepareConfig(kind=kind, source=source, out=Path(scratch) / "store", workers=workers)
        began = time.perf_counter()
        with watched() as use:
            summary = prepare(config)
        wall_s = time.perf_counter() - began
        store_bytes = sum(path.stat().st_size for path in config.out.rglob("*") if path.is_file())
    core_ms = 1000 * wall_s * workers / summary.sources
    load = os.getloadavg()[0]
    neurokit_ms = 1000 * _neurokit_s(config, neurokit_records) if neurokit_records else None
    figures = PrepareTimes(
        kind=kind,
        records=summary.sources,
        rejects=sum(summary.rejects.values()),
        beats=summary.beats,
        workers=workers,
        cores=os.cpu_count(),
        load_before=load,
        wall_s=wall_s,
        records_per_s=summary.sources / wall_s,
        cpu_s=use.cpu_s,
        core_ms_per_record=core_ms,
        memory_gb=use.peak_bytes / 1e9,
        store_gb=store_bytes / 1e9,
        neurokit_ms_per_record=neurokit_ms,
        times_faster_than_neurokit=None if neurokit_ms is None else neurokit_ms / core_ms,
    )
    if out is not None:
        write_result(out, figures)
    return figures


def _neurokit_s(config: PrepareConfig, count: int) -> float:
    """Mean seconds of NeuroKit2 for one record on one core, over `count` records spread over the data set."""
    try:
        import neurokit2
    except ImportError as error:
        raise ImportError(
            "the comparison needs the extra: pip install 'beatssl[bench]'; or neurokit_records=0"
        ) from error
    reader = make_reader(config)
    sources = reader.sources(config.root)
    chosen = [sources[index] for index in np.linspace(0, len(sources) - 1, count).astype(int)]
    records = [reader.read(config.root, source) for source in chosen]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        delineate(neurokit2, records[0].ecg_mv[:1], records[0].fs_hz)  # imports and caches are no work on a record
        began = time.perf_counter()
        for record in track(records, "NeuroKit2"):
            delineate(neurokit2, record.ecg_mv, record.fs_hz)
        return (time.perf_counter() - began) / len(records)
