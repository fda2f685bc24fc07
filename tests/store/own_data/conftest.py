"""A folder of CSV files as a user has them, small and quick to prepare."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import PrepareSummary, prepare


@pytest.fixture(scope="session")
def ecgs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files, two of each of three patients, in a folder a patient."""
    folder = tmp_path_factory.mktemp("own") / "ecgs"
    for index in range(6):
        (folder / f"p{index // 2}").mkdir(parents=True, exist_ok=True)
        synthetic_record(index).save(folder / f"p{index // 2}" / f"ecg{index % 2}.csv")
    return folder


@pytest.fixture
def prepared(ecgs: Path, tmp_path: Path) -> Callable[..., PrepareSummary]:
    """`prepared(table, **config)`: the folder prepared with a table of this text."""

    def run(table: str | None, **config: object) -> PrepareSummary:
        path = tmp_path / "meta.csv"
        if table is not None:
            path.write_text(table, encoding="utf-8")
        given = {"workers": 1, "clusters": 0, "salt": "a salt", "shard_records": 2, "out": tmp_path / "store"}
        return prepare(PrepareConfig("files", ecgs, table=None if table is None else path, **(given | config)))

    return run
