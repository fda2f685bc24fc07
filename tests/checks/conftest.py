"""Stores that several checks measure."""

from pathlib import Path

import pytest

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


def _prepared(kind: str, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp(kind) / "store"
    prepare(PrepareConfig(kind, data_root / kind, folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def ludb(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All of LUDB."""
    return _prepared("ludb", data_root, tmp_path_factory)


@pytest.fixture(scope="session")
def mitdb(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All of MIT-BIH."""
    return _prepared("mitdb", data_root, tmp_path_factory)
