"""Thousands of damaged files through the readers: none may crash, hang, need much memory, or change samples unseen."""

import io
import os
import re
import resource
import signal
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from beatssl.progress import track
from beatssl.records.files import FilesReader
from beatssl.records.record import Record, RecordError
from beatssl.records.synthetic.clinical_files import CLINICAL_FILES, ecg_uv
from beatssl.results import write_result
from beatssl.signals.leads import LEADS
from beatssl.store.parallel import in_parallel

FS_HZ = 500.0
_FLAGS = frozenset(
    [
        "implausible_amplitude", "unit_assumed", "damaged_sections", "trailing", "calibration_cut_s", "left_out",
    ]
)  # fmt: skip
"""Metadata that says a file was not as it should be."""
_HANG_S, _SLOW_S = 10, 1.0
_MEMORY = 500 * 2**20  # bytes above what the process had
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_NUMBERS = ("0", "-1", "1", "7", "99999999", "1e30", "nan", "", "2147483648", "0.5", "x")


@dataclass(frozen=True, slots=True)
class Seed:
    """One whole file (or a WFDB header with its signals), and where its samples stand."""

    name: str
    files: dict[str, bytes]
    samples: dict[str, tuple[int, int]]
    """Bytes of each file that are samples, which only a checksum protects; none for a file without any."""
    checked: bool  # whether a checksum protects them


@dataclass(frozen=True, slots=True)
class Case:
    """One damage to one seed; equal numbers make equal cases."""

    seed: str
    damage: str
    number: int


@dataclass(frozen=True)
class FuzzResult:
    """What came of the damaged files."""

    files: int
    seconds: float
    slowest_s: float
    seed: int
    outcomes: dict[str, int]  # whole, refused, flagged, explained, and the failures: crash, slow, memory, changed
    by_format: dict[str, dict[str, int]]
    failures: list[str] = field(default_factory=list[str])  # a sentence each, at most 50

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items()))
        lines = [f"{self.files:,} damaged files in {self.seconds:.0f} s (slowest {self.slowest_s:.2f} s): {counts}"]
        return "\n".join(lines + self.failures)


def bench_fuzz(source: Path | None, out: Path | None, files: int, seed: int, workers: int) -> FuzzResult:
    """Damage files of every format that is read, `files` times, and read them.

    A file that is read must hold the samples of the undamaged one, or what the damaged header makes of them: each lead
    a multiple of a true one plus a constant, whole. Anything else must be refused or flagged. `source` is a folder of
    further files to damage, for crashes, hangs and memory alone.

    Raises RuntimeError that names the failures, after `out` is written.
    """
    seeds = {one.name: one for one in [*made_seeds(), *_seeds_of(source)]}
    names = list(seeds)
    cases = [
        Case(names[i % len(names)], _DAMAGES[i // len(names) % len(_DAMAGES)], seed * 1_000_003 + i)
        for i in range(files)
    ]
    began = time.perf_counter()
    chunks = [cases[i : i + 100] for i in range(0, len(cases), 100)]
    runs = in_parallel(partial(_run, source=source), chunks, workers)
    parts = track(runs, "Reading damaged files", total=len(chunks), unit="hundreds")
    found: list[Found] = [one for part in parts for one in part]
    by_format: dict[str, Counter[str]] = {}
    for case, outcome, _, _ in found:
        by_format.setdefault(case.seed.rpartition(".")[2] or "wfdb", Counter())[outcome] += 1
    failures = [
        f"{case.seed}, {case.damage}, {case.number}: {outcome}: {said}"
        for case, outcome, said, _ in found
        if outcome in _FAILED
    ]
    result = FuzzResult(
        files=len(found),
        seconds=time.perf_counter() - began,
        slowest_s=max(seconds for _, _, _, seconds in found),
        seed=seed,
        outcomes=dict(sorted(Counter(outcome for _, outcome, _, _ in found).items())),
        by_format={kind: dict(sorted(counts.items())) for kind, counts in sorted(by_format.items())},
        failures=failures[:50],
    )
    if out is not None:
        write_result(out, result)
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(found):,} damaged files failed: " + "; ".join(failures[:10]))
    return result


_FAILED = ("crash", "slow", "memory", "changed")


# ------------------------------------------------------------------------------------------------ whole files


def made_seeds() -> list[Seed]:
    """A small file of every format, all of one ECG of twelve leads."""
    uv = ecg_uv()
    seeds = [_clinical(name, write(uv)) for name, write in CLINICAL_FILES.items()]
    record = Record((uv / 1000).astype(np.float32), LEADS, FS_HZ, "r", "made")
    with tempfile.TemporaryDirectory() as folder:
        for bits in (16, 24):
            record.save(Path(folder, f"w{bits}.hea"), bits=bits)
            files = {f"w{bits}.{end}": Path(folder, f"w{bits}.{end}").read_bytes() for end in ("hea", "dat")}
            seeds.append(Seed(f"w{bits}.hea", files, {f"w{bits}.dat": (0, len(files[f"w{bits}.dat"]))}, True))
        table = record.save(Path(folder, "table.csv")).read_bytes()
    seeds.append(Seed("table.csv", {"table.csv": table}, {"table.csv": (table.index(b"\n"), len(table))}, False))
    seeds += [_container(name, write(uv)) for name, write in _CONTAINERS.items()]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in seeds[len(CLINICAL_FILES)].files.items():
            file.writestr(name, content)
    return [
        *seeds,
        Seed("pack.zip", {"pack.zip": archive.getvalue()}, {"pack.zip": (0, len(archive.getvalue()) - 300)}, True),
    ]


def _clinical(name: str, content: bytes) -> Seed:
    marks = {
        "hl7.xml": b"<digits>", "muse.xml": b"<WaveFormData>", "philips.xml": b"leadlabels", "mortara.xml": b" DATA=",
        "kardia.json": b'"samples"', "soft.xml": b"<WaveformData", "cart.dcm": b"\x00\x54\x10\x10", "holter.ecg": None,
    }  # fmt: skip
    start = {
        "holter.edf": 256 * 13,
        "holter.ecg": 522,
        "hand.atc": 120,
        "nihon.mwf": content.find(b"\x1e\x84"),
        "cart.scp": 200,
    }
    mark = marks.get(name)
    at = content.index(mark) if mark else start[name]
    return Seed(name, {name: content}, {name: (at, len(content))}, name in ("cart.scp", "hand.atc", "muse.xml"))


def _container(name: str, content: bytes) -> Seed:
    return Seed(name, {name: content}, {name: (128, len(content))}, False)


def _npy(uv: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, uv / 1000)
    return buffer.getvalue()


def _npz(uv: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, ecg=uv / 1000, fs=FS_HZ, leads=np.array(LEADS), unit="mV")
    return buffer.getvalue()


def _mat(uv: Any) -> bytes:
    from scipy import io as scipy_io

    buffer = io.BytesIO()
    save: Any = scipy_io.savemat
    save(buffer, {"val": uv / 1000, "fs": FS_HZ, "unit": "mV", "leads": np.array(LEADS, object)})
    return buffer.getvalue()


def _hdf5(uv: Any) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["ecg"] = uv / 1000
        file["ecg"].attrs["fs"], file["ecg"].attrs["unit"] = FS_HZ, "mV"
        file["ecg"].attrs["leads"] = list(LEADS)
    return buffer.getvalue()


_CONTAINERS: dict[str, Callable[[Any], bytes]] = {"a.npy": _npy, "a.npz": _npz, "a.mat": _mat, "a.h5": _hdf5}


def _seeds_of(source: Path | None) -> list[Seed]:
    """Every file below a folder that is small enough, with what belongs to it."""
    if source is None:
        return []
    reader = FilesReader()
    seeds: list[Seed] = []
    for one in reader.sources(source):
        path = source / one.path
        beside = [path, *(p for p in path.parent.glob(f"{path.stem}.*") if p != path and one.info["format"] == "wfdb")]
        if sum(p.stat().st_size for p in beside) < 2**20:
            files = {p.name: p.read_bytes() for p in beside}
            seeds.append(Seed(f"real/{one.path}", files, {name: (0, len(data)) for name, data in files.items()}, False))
    return seeds


# ---------------------------------------------------------------------------------------------------- damages


def _cut(rng: np.random.Generator, content: bytes, span: tuple[int, int], checked: bool) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def _block(rng: np.random.Generator, content: bytes, span: tuple[int, int], checked: bool) -> bytes:
    """Up to 32 bytes of garbage, in the samples only where a checksum protects them."""
    end = len(content) if checked else max(span[0], 1)
    at = int(rng.integers(0, end))
    garbage = rng.bytes(int(rng.integers(1, 33)))[: end - at]
    return content[:at] + garbage + content[at + len(garbage) :]


def _number(rng: np.random.Generator, content: bytes, span: tuple[int, int], checked: bool) -> bytes:
    """A number of the header, as text or as two or four bytes, made another."""
    head = content[: span[0]] if span[0] else content[: min(len(content), 2048)]
    found = list(re.finditer(rb"\d+(?:\.\d+)?", head))
    if found and rng.random() < 0.7:
        match = found[int(rng.integers(len(found)))]
        new = str(rng.choice(_NUMBERS)).encode()
        if rng.random() < 0.5:
            new = new[: len(match[0])].ljust(len(match[0]), b" ")
        return content[: match.start()] + new + content[match.end() :]
    size = int(rng.choice((2, 4)))
    if len(head) <= size:
        return content
    at = int(rng.integers(0, len(head) - size))
    value = int(rng.choice(_EXTREMES)) & (256**size - 1)
    return content[:at] + value.to_bytes(size, str(rng.choice(("little", "big")))) + content[at + size :]


def _removed(rng: np.random.Generator, content: bytes, span: tuple[int, int], checked: bool) -> bytes:
    at = int(rng.integers(0, len(content) if checked else max(span[0], 1)))
    return content[:at] + content[at + int(rng.integers(1, 65)) :]


def _longer(rng: np.random.Generator, content: bytes, span: tuple[int, int], checked: bool) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 4097)))


_DAMAGE: dict[str, Callable[[np.random.Generator, bytes, tuple[int, int], bool], bytes]] = {
    "cut": _cut, "block": _block, "number": _number, "removed": _removed, "longer": _longer,
}  # fmt: skip
_DAMAGES = ("number", "cut", "block", "number", "removed", "number", "longer")


def damaged(seed: Seed, case: Case) -> dict[str, bytes]:
    """The seed's files, one of them damaged."""
    rng = np.random.default_rng(case.number)
    name = sorted(seed.files)[int(rng.integers(len(seed.files)))]
    if case.damage == "number" and len(seed.files) > 1:
        name = next((one for one in seed.files if one.endswith(".hea")), name)
    content = seed.files[name]
    span = seed.samples.get(name, (len(content), len(content)))
    return {**seed.files, name: _DAMAGE[case.damage](rng, content, span, seed.checked)}


# ----------------------------------------------------------------------------------------------------- reading

Found = tuple[Case, str, str, float]


def _run(cases: Sequence[Case], source: Path | None) -> list[Found]:
    """Outcome, what was said, and seconds of each case; in a process whose memory is limited."""
    seeds = {one.name: one for one in [*made_seeds(), *_seeds_of(source)]}
    true = (ecg_uv() / 1000).astype(np.float32)
    for one in seeds.values():  # what is imported at a first read does not count
        with suppress(RecordError):
            _read(one, one.files)
    signal.signal(signal.SIGALRM, _hang)
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        return [_tried_in_time(seeds[case.seed], case, true) for case in cases]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _hang(*_: Any) -> None:
    raise TimeoutError


def tried(seed: Seed, files: dict[str, bytes], true: Float32[np.ndarray, "lead time"]) -> tuple[str, str, float]:
    """Outcome, what was said, and seconds of processor time of reading some files in the place of a seed's own."""
    began = time.process_time()
    try:
        record = _read(seed, files)
        outcome, said = ("whole", "") if seed.name.startswith("real/") else judged(record, true)
    except (RecordError, FileNotFoundError) as error:
        outcome, said = "refused", str(error)
    except MemoryError:
        outcome, said = "memory", "more than 500 MB"
    except TimeoutError:
        outcome, said = "slow", f"more than {_HANG_S} s"
    except Exception as error:
        outcome, said = "crash", f"{type(error).__name__}: {str(error)[:80]}"
    seconds = time.process_time() - began
    if outcome not in _FAILED and seconds > _SLOW_S:
        outcome, said = "slow", f"{seconds:.1f} s"
    return outcome, said, seconds


def _tried_in_time(seed: Seed, case: Case, true: Float32[np.ndarray, "lead time"]) -> Found:
    signal.alarm(_HANG_S)
    try:
        return (case, *tried(seed, damaged(seed, case), true))
    finally:
        signal.alarm(0)


def _read(seed: Seed, files: dict[str, bytes]) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        reader = _READER_OF_ARRAYS if seed.name == "a.npy" else _READER
        path = Path(folder, seed.name.rpartition("/")[2])
        return reader.read(path, reader.sources(path)[0])


_READER = FilesReader(salt=b"fuzz")
_READER_OF_ARRAYS = FilesReader(csv_fs_hz=FS_HZ, unit="mV", leads=LEADS, salt=b"fuzz")


def judged(record: Record, true: Float32[np.ndarray, "lead time"]) -> tuple[str, str]:
    """whole: the true samples; flagged; explained: what the header makes of them; changed: anything else."""
    if record.metadata.keys() & _FLAGS or np.isnan(record.ecg_mv).any():
        return "flagged", ""
    step_mv = 0.0026  # DICOM's half a step, MUSE's 4.88 µV
    if record.metadata["format"] == "csv":  # a table states no length: what is cut off after a line is not to be seen
        true = true[:, : record.ecg_mv.shape[1] - 1]
        record = record.replace(ecg_mv=record.ecg_mv[:, : true.shape[1]])
    if record.ecg_mv.shape[1] != true.shape[1]:
        return (
            "changed",
            f"{record.ecg_mv.shape[1]} samples for {true.shape[1]}, leads {record.leads}, {record.fs_hz:g} Hz",
        )
    same = set(record.leads) <= set(LEADS) and record.fs_hz == FS_HZ
    if same and all(
        np.abs(row - true[LEADS.index(lead)]).max() <= step_mv
        for row, lead in zip(record.ecg_mv, record.leads, strict=True)
    ):
        return "whole", ""
    worst = [lead for row, lead in zip(record.ecg_mv, record.leads, strict=True) if not _explained(row, true)]
    return ("changed", f"leads {worst} are no multiple of the true ones") if worst else ("explained", "")


def _explained(row: Float32[np.ndarray, " time"], true: Float32[np.ndarray, "lead time"]) -> bool:
    """Whether a lead is a true one times a factor plus a constant."""
    mine = row.astype(np.float64) - row.mean()
    theirs = true.astype(np.float64) - true.mean(axis=1, keepdims=True)
    factors = (theirs @ mine) / (theirs**2).sum(axis=1)
    errors = np.abs(mine - factors[:, None] * theirs).max(axis=1)
    return bool((errors <= 0.01 * np.ptp(mine)).any())  # steps of 4.88 µV are a part in a hundred of the lowest lead
