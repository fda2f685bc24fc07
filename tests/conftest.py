"""Shared fixtures. Real data is restored from ../shared/data where it is there; else the tests that need it skip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

REPO = Path(__file__).resolve().parents[1]
SETS = ("ludb", "qtdb", "mitdb", "cinc2020", "ptb-xl")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with ptb-xl, ludb, qtdb, mitdb and cinc2020 in PhysioNet's layout.

    `BEATSSL_DATA` names it, else it is `data` in the repository, restored once for all test processes.
    """
    restored = Path(os.environ.get("BEATSSL_DATA", REPO / "data"))
    if _complete(restored):
        return restored
    restore = REPO.parent / "shared" / "data" / "restore"
    if not restore.exists():
        pytest.skip(f"no real ECG data: {restore} is not there and BEATSSL_DATA names no folder that holds {SETS}")
    restored.mkdir(parents=True, exist_ok=True)
    with FileLock(restored / ".restoring.lock"):
        if not _complete(restored):
            subprocess.run([sys.executable, str(restore), str(restored)], check=True, capture_output=True)
    return restored


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """24 records of ten seconds; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "store"
    prepare(PrepareConfig("synthetic", Path("24"), folder, workers=1, clusters=3, shard_records=10))
    return Store(folder)


@pytest.fixture(scope="session")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The records of `store`, and ten more; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "larger"
    prepare(PrepareConfig("synthetic", Path("34"), folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def with_records(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Store]:
    """`with_records(store, fold=…)`: a copy of a store whose records have other values in some columns."""

    def make(store: Store, **columns: Sequence[object]) -> Store:
        folder = tmp_path_factory.mktemp("with-records") / "store"
        shutil.copytree(store.path, folder)
        first = 0
        for path in sorted(folder.glob("shard-*/records.parquet")):
            table = pq.read_table(path)
            for name, values in columns.items():
                own = pa.array(values[first : first + len(table)]).cast(table.schema.field(name).type)
                table = table.set_column(table.schema.get_field_index(name), name, own)
            pq.write_table(table, path)
            first += len(table)
        return Store(folder)

    return make


@pytest.fixture(scope="session")
def folded(store: Store, with_records: Callable[..., Store]) -> Store:
    """The records of `store`, three of its patients in each fold from 1 to 6; not to be changed."""
    return with_records(store, fold=np.asarray(pd.factorize(store.records["patient_id"])[0] % 6 + 1))


def _complete(folder: Path) -> bool:
    return all((folder / name / ".restored").exists() for name in SETS)
