"""What processes use while a benchmark runs: wall time, processor time and memory."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_SAMPLE_S = 0.1


@dataclass(slots=True)
class Use:
    """What all processes used together."""

    peak_bytes: int = 0  # largest sum of resident memory
    cpu_s: float = 0.0  # user and system time
    wall_s: float = 0.0


@contextmanager
def watched(own: bool = True) -> Generator[Use, None, None]:
    """What this process (unless `own` is False) and its children use while the block runs, measured ten times a
    second."""
    import psutil

    use, stop, me = Use(), threading.Event(), psutil.Process()
    started = {me.pid: _cpu_s(me)}
    spent: dict[int, float] = {}

    def measure() -> None:
        total = 0
        for process in [*([me] if own else []), *me.children(recursive=True)]:
            try:
                total += process.memory_info().rss
                spent[process.pid] = _cpu_s(process) - started.get(process.pid, 0.0)
            except psutil.NoSuchProcess:
                continue
        use.peak_bytes = max(use.peak_bytes, total)
        use.cpu_s = sum(spent.values())

    def watch() -> None:
        while not stop.wait(_SAMPLE_S):
            measure()

    watcher = threading.Thread(target=watch, daemon=True)
    began = time.perf_counter()
    watcher.start()
    try:
        yield use
    finally:
        use.wall_s = time.perf_counter() - began
        stop.set()
        watcher.join()
        measure()


def _cpu_s(process: Any) -> float:
    times = process.cpu_times()
    return times.user + times.system
