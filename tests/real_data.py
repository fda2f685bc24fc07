"""Real ECG data for the tests, restored from ../shared/data, where that is there, into `data`. Needs NumPy alone."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
RESTORE = REPO.parent / "shared" / "data" / "restore"
DATA = Path(os.environ.get("BEATSSL_DATA", REPO / "data"))
SETS = ("ludb", "qtdb", "mitdb", "cinc2020", "ptb-xl")
"""What has to be there; tests of other sets skip without them."""


def complete() -> bool:
    """Whether `DATA` holds `SETS`."""
    return all((DATA / name / ".restored").exists() for name in SETS)


def restore() -> None:
    """Restores every set that is not there yet."""
    DATA.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(RESTORE), str(DATA)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__" and RESTORE.exists() and not complete():
    restore()
