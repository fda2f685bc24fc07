"""The records that are open: one worker reads and analyses them in turn, the newest ones are kept."""

import queue
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from beatssl.analysis.result import Analysis
from beatssl.viewer.refusal import Refused
from beatssl.viewer.worker import Job, Opened, remove

WAITING = 128
"""Most records that wait."""
LISTED = 400
"""Most records that are known, refused ones among them."""

State = Literal["waiting", "working", "ready", "refused"]


@dataclass
class Entry:
    """A record by its random id. Whoever changes it holds `lock`."""

    id: str
    title: str
    state: State = "waiting"
    refused: Refused | None = None
    opened: Opened | None = None
    analysis: Analysis | None = None
    """As corrected."""
    labels: Mapping[str, bool] = field(default_factory=dict[str, bool])
    revision: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Shelf:
    """Takes jobs, runs them one after the other in a thread of its own, and keeps the last `kept` results."""

    def __init__(
        self, run: Callable[[Job], Opened], corrected: Callable[[Opened], tuple[Analysis, dict[str, bool]]], kept: int
    ) -> None:
        self._run, self._corrected, self._kept = run, corrected, kept
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._jobs: queue.Queue[tuple[Entry, Job] | None] = queue.Queue(WAITING)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="beatssl viewer", daemon=True)
        self._thread.start()

    def add(self, title: str, job: Job) -> Entry:
        """Put a record in the queue; its folder of temporary files is removed as soon as it has been read.

        Raises Refused where too many wait.
        """
        entry = Entry(secrets.token_urlsafe(12), title)
        with self._lock:
            self._entries[entry.id] = entry
            while len(self._entries) > LISTED:
                self._entries.popitem(last=False)
        try:
            self._jobs.put_nowait((entry, job))
        except queue.Full:
            with self._lock:
                self._entries.pop(entry.id, None)
            raise Refused(503, "busy", f"{WAITING} records wait already; try again when some are ready") from None
        return entry

    def get(self, record_id: str) -> Entry:
        """Raises Refused where there is no such record, or it is closed by now."""
        with self._lock:
            if record_id not in self._entries:
                raise Refused(404, "closed", "this record is not open (any more); open it again")
            entry = self._entries[record_id]
            if entry.state == "ready":
                self._entries.move_to_end(record_id)
            return entry

    def ready(self, record_id: str) -> tuple[Entry, Opened, Analysis]:
        """A record that can be shown. Raises Refused with the reason where it cannot."""
        entry = self.get(record_id)
        if entry.refused is not None:
            raise entry.refused
        if entry.opened is None or entry.analysis is None:
            raise Refused(409, "not-ready", "this record is still being analysed")
        return entry, entry.opened, entry.analysis

    def close(self) -> None:
        """Take no more, and remove the temporary files of what waits."""
        self._closed = True
        while True:
            try:
                waiting = self._jobs.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                remove(waiting[1].scratch)
        self._jobs.put(None)

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while (waiting := self._jobs.get()) is not None:
            entry, job = waiting
            entry.state = "working"
            try:
                self._open(entry, job)
            except Refused as refused:
                entry.refused, entry.state = refused, "refused"
            except Exception as error:
                entry.refused = Refused(500, "internal", f"the record could not be opened ({type(error).__name__})")
                entry.state = "refused"
            finally:
                remove(job.scratch)
            self._drop_old()

    def _open(self, entry: Entry, job: Job) -> None:
        if self._closed:
            raise Refused(503, "closed", "the viewer was closed")
        opened = self._run(job)
        entry.analysis, entry.labels = self._corrected(opened)
        entry.opened, entry.state = opened, "ready"

    def _drop_old(self) -> None:
        with self._lock:
            ready = [one for one in self._entries.values() if one.state == "ready"]
            for entry in ready[: max(0, len(ready) - self._kept)]:
                del self._entries[entry.id]
