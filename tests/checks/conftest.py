"""Stores that several checks measure."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="session")
def four(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four synthetic records, whose waves are known in every lead."""
    folder = tmp_path_factory.mktemp("four") / "store"
    prepare(PrepareConfig("synthetic", Path("4"), folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Forty synthetic records with clusters of beats."""
    folder = tmp_path_factory.mktemp("forty") / "store"
    prepare(PrepareConfig("synthetic", Path("40"), folder, salt="test", workers=1, clusters=4))
    return Store(folder)


MITDB = ("104", "108", "203", "105", "200", "213", "222", "228", "232", "233")
"""Records of MIT-BIH: seven of DS2 with most of its ectopic beats, and three of the hardest others."""


def _prepared(kind: str, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a set, prepared once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"{kind}-of-checks"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            prepare(PrepareConfig(kind, source, folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def ludb(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All of LUDB."""
    return _prepared("ludb", data_root / "ludb", tmp_path_factory)


@pytest.fixture(scope="session")
def mitdb(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The records `MITDB`."""
    source = tmp_path_factory.mktemp("mitdb")
    for name in MITDB:
        for path in (data_root / "mitdb").glob(f"{name}.*"):
            shutil.copy(path, source)
    (source / "RECORDS").write_text("\n".join(MITDB) + "\n")
    return _prepared("mitdb", source, tmp_path_factory)
