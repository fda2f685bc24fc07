"""Files are read and analysed in a process of its own, which can be stopped: what is sent may be anything."""

import hashlib
import multiprocessing
import shutil
import signal
import tempfile
import traceback
import zipfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.parts import reader_of
from beatssl.analysis.result import Analysis
from beatssl.inference.device_name import Device
from beatssl.messages import as_flags, flags_of
from beatssl.records.formats.options import FileOptions
from beatssl.records.reader import Source
from beatssl.records.record import Record, RecordError
from beatssl.viewer.config import ServeConfig
from beatssl.viewer.pyramid import Pyramid, pyramid
from beatssl.viewer.refusal import Refused

UNPACKED = 4
"""What a zip holds may be this many times as large as a file."""
MEMBERS = 1000
"""Most files in a zip."""
MEMORY_BYTES = 12 * 2**30
"""Most that the process may take, without a GPU."""
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class Models:
    """What to load, and the limits."""

    segmenter: str = "default"
    classifier: str = "default"
    device: Device = "auto"
    max_bytes: int = 256 * 2**20
    max_samples: int = 100_000_000
    time_limit_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """One record to read: a file that was dropped, or a source of the folder."""

    place: Path
    source: Source | None
    scratch: Path
    """Folder for temporary files, the dropped one among them; removed as soon as the record was read."""
    options: FileOptions


@dataclass(frozen=True, slots=True)
class Opened:
    """A record as the viewer keeps it."""

    analysis: Analysis
    pyramid: Pyramid
    sha256: str
    """Of its samples, leads and rate: the same record has the same, whatever its file is called."""


class Worker:
    """One process that works on one record at a time; a new one takes its place where it is stopped or dies."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(self, job: Job) -> Opened:
        """Raises Refused for a file that cannot be used, and where time or memory do not suffice."""
        pipe = self._started()
        try:
            pipe.send(job)
            if not pipe.poll(self.models.time_limit_s):
                self.close()
                raise Refused(422, "time", f"not ready within {self.models.time_limit_s:g} s; try a shorter record")
            found = pipe.recv()
        except (EOFError, OSError):
            self.close()
            why = "the file stopped the process that read it; it needs too much memory, or is damaged"
            raise Refused(422, "crashed", why) from None
        if isinstance(found, Refused):
            raise found
        return found

    def start(self) -> None:
        """Load the models now rather than with the first record. Raises the error that loading them raises."""
        self._started()

    def close(self) -> None:
        """Stop the process."""
        pipe, process = self._pipe, self._process
        self._pipe = self._process = None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            pipe.close()

    def _started(self) -> Connection:
        if self._pipe is not None and self._process.is_alive():
            return self._pipe
        self.close()
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_work, args=(theirs, self.models), daemon=True)
        with _without_interrupts():
            self._process.start()
        theirs.close()
        if not self._pipe.poll(_START_S):
            self.close()
            raise RuntimeError(f"the models were not loaded within {_START_S:g} s")
        try:
            error = self._pipe.recv()
        except EOFError:
            error = RuntimeError("the process that analyses died while it loaded its models")
        if error is not None:
            self.close()
            raise error
        return self._pipe


@contextmanager
def _without_interrupts() -> Generator[None]:
    """A process that is started here does not see Ctrl-C, which its parent answers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, models: Models) -> None:
    """The process: sends None (or an error) once the models are loaded, then an answer to each job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model = load(models.segmenter, models.classifier, device=models.device)
        _limit(models, model)
    except Exception as error:
        pipe.send(error)
        return
    pipe.send(None)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_answer(model, models, pipe.recv()))


def _answer(model: EcgModel, models: Models, job: Job) -> Opened | Refused:
    tempfile.tempdir = str(job.scratch)
    try:
        record = _read(job, models)
        if (samples := record.ecg_mv.size) > models.max_samples:
            raise Refused(
                422, "too-large", f"{samples:,} samples; at most {models.max_samples:,} are shown (max_samples=)"
            )
        analysis = model.analyze(record, embeddings=False, without_leads=True)
        return Opened(analysis, pyramid(record), sha256_of(record))
    except Refused as refused:
        return Refused(refused.status, refused.reason, said(refused.message, job))
    except RecordError as error:
        return Refused(422, error.reason, said(str(error), job))
    except MemoryError:
        return Refused(422, "too-large", "the record needs more memory than it may take; try a shorter one")
    except Exception as error:
        traceback.print_exc()  # for whoever started the server; the page gets no more than its kind
        return Refused(422, "unreadable", f"the file cannot be read or analysed ({type(error).__name__})")
    finally:
        tempfile.tempdir = None


def _read(job: Job, models: Models) -> Record:
    reader = reader_of(job.options)
    source = job.source
    path = job.place if source is None else source.folder(job.place) / source.path
    if source is None or source.info.get("member") is not None:
        _check_zip(path, models.max_bytes * UNPACKED)
    if source is None:
        found = reader.sources(job.place)
        if len(found) > 1:
            raise Refused(
                422, "several", f"it holds {len(found):,} records; unpack it, and pass its folder with folder="
            )
        if not found:
            raise RecordError("no-ecg", "it holds no ECG")
        source = found[0]
    root = job.place if job.place.is_dir() else job.place.parent
    return reader.read(root, source)


def _check_zip(path: Path, most_bytes: int) -> None:
    """Raises Refused for a zip whose members are too many or unpack to too much; other files pass."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\3\4":
                return
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception:  # whatever is wrong with it, its reader says so
        return
    if len(members) > MEMBERS or sum(one.file_size for one in members) > most_bytes:
        raise Refused(
            422, "too-large",
            f"a zip of {len(members):,} files that unpack to {sum(one.file_size for one in members):,} bytes; at most "
            f"{MEMBERS:,} and {most_bytes:,} are taken",
        )  # fmt: skip


def said(message: str, job: Job) -> str:
    """A message in the words of the command line, in one line, without folders of this machine."""
    folders = {str(one) for path in (job.place, job.scratch) for one in (path, path.resolve(), path.parent)}
    for folder in sorted(folders - {"/", "."}, key=len, reverse=True):
        message = message.replace(f"{folder}/", "").replace(folder, "the folder")
    return " ".join(as_flags(message, flags_of(ServeConfig)).split())


def sha256_of(record: Record) -> str:
    """SHA-256 of a record's samples, leads and rate."""
    about = f"{record.fs_hz!r} {list(record.leads)!r} {record.ecg_mv.shape}".encode()
    return hashlib.sha256(about + record.ecg_mv.tobytes()).hexdigest()


def _limit(models: Models, model: EcgModel) -> None:
    """Memory and file sizes that nothing read here may exceed, where the system can hold them."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (models.max_bytes * UNPACKED, models.max_bytes * UNPACKED))
        if model.device.type == "cpu":
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def remove(folder: Path) -> None:
    """Remove a folder of temporary files."""
    shutil.rmtree(folder, ignore_errors=True)
