"""How long `analyze` takes, each figure in a process of its own, beside other tools on the same record."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beatssl.bench.rivals import ToolTime, tool_times
from beatssl.bench.use import watched
from beatssl.progress import track
from beatssl.records.synthetic import synthetic_record
from beatssl.results import write_result

REPEATS = 3
"""How often what takes seconds is measured; the least counts, for others that use the machine only ever add to it."""

_DIFFERENT = 20  # records of the folder; the others are copies
_LOAD = """
import json, time
began = time.perf_counter(); import beatssl; package = time.perf_counter() - began
began = time.perf_counter(); import torch; torch_s = time.perf_counter() - began
began = time.perf_counter(); beatssl.load(device="cpu")
print(json.dumps([package, torch_s, time.perf_counter() - began]))
"""
_ONE = """
import json, sys, time, torch, beatssl
torch.set_num_threads(1)
model = beatssl.load(device="cpu")
records = [beatssl.read(path) for path in sys.argv[1:]]
out = []
for embeddings in (False, True):
    model.analyze(records[0], embeddings=embeddings)
    times = []
    for record in records:
        began = time.perf_counter(); model.analyze(record, embeddings=embeddings)
        times.append(time.perf_counter() - began)
    out.append(1000 * sorted(times)[len(times) // 2])
print(json.dumps(out))
"""
_LONG = """
import json, sys, time, numpy as np, torch, beatssl
from beatssl.records.synthetic import synthetic_record
torch.set_num_threads(1)
hours = float(sys.argv[1])
hour = synthetic_record(0, duration_s=3600.0 * min(hours, 1.0), fs_hz=250.0).ecg_mv[1:2]
ecg_mv = np.tile(hour, (1, int(np.ceil(hours))))[:, : round(hours * 3600 * 250)]
model = beatssl.load(device="cpu")
began = time.perf_counter(); found = model.analyze(ecg_mv, leads=("II",), fs_hz=250.0)
print(json.dumps([time.perf_counter() - began, len(found.beats)]))
"""


@dataclass(frozen=True)
class AnalyzeTimes:
    """Times and memory of `analyze`; seconds and 10⁹ bytes."""

    cores: int | None
    load_before: float
    """Mean number of processes that wanted to run in the minute before: above 0 other work slowed this down."""
    import_s: float
    """`import beatssl`."""
    torch_import_s: float
    load_s: float
    """`beatssl.load()` after torch is imported, with the imports it needs."""
    command_s: float
    """`beatssl analyze FILE --json`, the whole command, one 10-s record of twelve leads."""
    command_memory_gb: float
    record_ms: float
    """One 10-s record of twelve leads at 500 Hz on one core, median."""
    record_with_embeddings_ms: float
    folder_files: int
    folder_workers: int
    folder_s: float
    folder_files_per_s: float
    """`beatssl analyze FOLDER --json --out …`, the whole command."""
    folder_memory_gb: float
    long_hours: float
    long_beats: int
    long_s: float
    """One lead of that many hours at 250 Hz on one core."""
    long_memory_gb: float
    tools: tuple[ToolTime, ...]
    """Each on one core, of one and the same record."""


def bench_analyze(
    source: Path | None, out: Path | None = None, files: int = 1000, workers: int = 2, hours: float = 24.0
) -> AnalyzeTimes:
    """Times of `analyze` on the first WFDB records of a folder, or on synthetic ones (10 s, twelve leads, 500 Hz).

    Every figure is of a process of its own that may use one core; the folder of `files` records is done by `workers`.
    Returns the figures, and writes them to `out` as JSON where one is given.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="beatssl-bench-") as scratch:
        folder = Path(scratch) / "records"
        paths = _records(source, folder, files)
        loads = [_run(_LOAD)[0] for _ in track(range(REPEATS), "Loading")]
        commands = [_command([str(paths[0]), "--json"]) for _ in track(range(REPEATS), "The command")]
        record_ms, with_embeddings_ms = _run(_ONE, *map(str, paths[:_DIFFERENT]))[0]
        folder_s, folder_gb = _command(
            [str(folder), "--json", "--out", str(Path(scratch) / "found"), "--workers", str(workers)]
        )
        (long_s, long_beats), long_gb = _run(_LONG, str(hours))
        figures = AnalyzeTimes(
            cores=os.cpu_count(),
            load_before=load,
            import_s=min(one[0] for one in loads),
            torch_import_s=min(one[1] for one in loads),
            load_s=min(one[2] for one in loads),
            command_s=min(seconds for seconds, _ in commands),
            command_memory_gb=max(gb for _, gb in commands),
            record_ms=record_ms,
            record_with_embeddings_ms=with_embeddings_ms,
            folder_files=len(paths),
            folder_workers=workers,
            folder_s=folder_s,
            folder_files_per_s=len(paths) / folder_s,
            folder_memory_gb=folder_gb,
            long_hours=hours,
            long_beats=int(long_beats),
            long_s=long_s,
            long_memory_gb=long_gb,
            tools=(
                ToolTime("beatssl", "waves of twelve leads, beats and their classes, rhythm, intervals, diagnoses, "
                         "quality", record_ms),
                *tool_times(paths[:_DIFFERENT]),
            ),
        )  # fmt: skip
    if out is not None:
        write_result(out, figures)
    return figures


def _records(source: Path | None, folder: Path, files: int) -> list[Path]:
    """`files` WFDB records below `folder`: copies of the first ones of `source`, or of synthetic ones, under names of
    their own. Raises ValueError where `source` holds none."""
    folder.mkdir(parents=True)
    if source is None:
        first = [
            synthetic_record(number).save(folder / f"{number:04d}.hea") for number in range(min(_DIFFERENT, files))
        ]
        pairs = [(path, path.with_suffix(".dat")) for path in first]
        made = list(first)
    else:
        headers = [path for path in sorted(source.rglob("*.hea")) if path.with_suffix(".dat").is_file()]
        if not headers:
            raise ValueError(f"{source} holds no WFDB record (.hea and .dat); pass another folder, or none")
        pairs, made = [(path, path.with_suffix(".dat")) for path in headers[:_DIFFERENT]], []
    for number in range(len(made), files):
        header, signal = pairs[number % len(pairs)]
        name = f"{number:04d}"
        text = header.read_text(encoding="utf-8").replace(header.stem, name)
        (folder / f"{name}.hea").write_text(text, encoding="utf-8")
        (folder / f"{name}.dat").write_bytes(signal.read_bytes())
        made.append(folder / f"{name}.hea")
    return made


def _run(code: str, *arguments: str) -> tuple[Any, float]:
    """What a Python process prints as JSON, and the most memory it took."""
    with watched(own=False) as use:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, env=_one_core()
        )
    return json.loads(done.stdout.splitlines()[-1]), use.peak_bytes / 1e9


def _command(arguments: list[str]) -> tuple[float, float]:
    """Wall time and most memory of `beatssl analyze`."""
    with watched(own=False) as use:
        subprocess.run(
            [sys.executable, "-m", "beatssl", "analyze", *arguments], check=True, capture_output=True, env=_one_core()
        )
    return use.wall_s, use.peak_bytes / 1e9


def _one_core() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
