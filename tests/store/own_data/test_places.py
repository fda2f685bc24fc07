"""Where a user's files lie: one of many, a WFDB record under its usual names, a folder a patient."""

from pathlib import Path

import pytest

from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.mark.parametrize("name", ["00001_hr", "00001_hr.hea", "00001_hr.dat"])
def test_a_record_under_its_usual_names(name: str, tmp_path: Path) -> None:
    for index in range(2):
        synthetic_record(index).save(tmp_path / f"0000{index + 1}_hr.hea")
    prepare(PrepareConfig("files", tmp_path / name, tmp_path / "store", workers=1, clusters=0))
    assert Store(tmp_path / "store").records["record_id"].tolist() == ["00001_hr"]


def test_a_folder_a_patient(prepared, tmp_path: Path) -> None:
    prepared(None)
    ids = Store(tmp_path / "store").records["record_id"].tolist()
    assert ids == [f"p{patient}/ecg{n}.csv" for patient in range(3) for n in range(2)]
