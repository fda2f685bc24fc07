"""Run by test_killed.py: prepares a small synthetic cohort once, then again and again, killed at every step that moves
a file."""

import os
import signal
import sys
from pathlib import Path

from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare


def config(out: Path) -> PrepareConfig:
    return PrepareConfig(kind="synthetic", source=Path("4"), out=out, shard_records=1, workers=1, clusters=3)


def killed_at(out: Path, step: int) -> bool:
    """Prepare in a child that kills itself before (even steps) or after (odd) a move; whether it came that far."""
    child = os.fork()
    if child == 0:
        moves, move = 0, os.replace

        def replace(source: Path, target: Path) -> None:
            nonlocal moves
            if moves == step // 2 and step % 2 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            move(source, target)
            if moves == step // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            moves += 1

        os.replace = replace
        prepare(config(out))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main(folder: Path) -> None:
    prepare(config(folder / "whole"))  # first: what it imports, the forks have
    kills = 0
    # Each round starts where the kill before has left the store, so later steps of a whole run come up again and again.
    for step in (0, 1, 1, 0, 3, 2, 1, 0, 3, 5, 6, 7, 8, 9):
        kills += killed_at(folder / "killed", step)
    prepare(config(folder / "killed"))
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
