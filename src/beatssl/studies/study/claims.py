"""Who works on what: a file in a run's folder that only one process can make."""

import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLAIM = "claim.json"
_LOCK = ".claims.lock"
_WRITTEN_IN_S = 60.0


def claimed(folder: Path) -> bool:
    """Claim a run's folder for this process; False where another one has it.

    The claim names host and process. That of a process of this host that is no longer there is taken over, and so is
    one without content that is older than a minute; that of another host, which may share the storage, is left alone:
    where it died, remove the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CLAIM
    # One process of this host at a time: of two that find a dead claim, the second must see what the first made of it.
    with _locked(folder.parent / _LOCK):
        if _dead(path):
            path.unlink(missing_ok=True)
        return _made(path)


def released(folder: Path) -> None:
    """Give a claim back, where it is this process's."""
    path = folder / CLAIM
    if _content(path) == _own():
        path.unlink(missing_ok=True)


def _made(path: Path) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(_own()))
    except FileExistsError:
        return False
    return True


def _dead(path: Path) -> bool:
    """Whether there is a claim whose process is known to be gone. One that is being written has no content yet, for a
    moment; where that lasts, its process was killed before it wrote."""
    there = _content(path)
    if there is None:
        try:
            return time.time() - path.stat().st_mtime > _WRITTEN_IN_S
        except FileNotFoundError:
            return False
    if there.get("host") != socket.gethostname():
        return False
    return there.get("began") != _began(int(there.get("pid", 0)))


def _content(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _own() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid())}


def _began(pid: int) -> str:
    """When a process of this host began, since its number may be given to another one later; "" where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "alive"


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    try:
        import fcntl
    except ImportError:  # Windows: two that find one dead claim at once may both take it
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
