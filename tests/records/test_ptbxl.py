"""PTB-XL: the rebuilt table here, and the full one as PhysioNet publishes it."""

import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from beatssl.records.ptbxl import PtbXlReader
from beatssl.records.reader import Source
from beatssl.records.record import RecordError


@pytest.fixture(scope="session")
def root(data_root: Path) -> Path:
    return data_root / "ptb-xl"


@pytest.fixture(scope="session")
def sources(root: Path) -> list[Source]:
    return PtbXlReader().sources(root)


def _names(record: object, label_set: str) -> set[str]:
    return {label.name for label in record.labels if label.label_set == label_set}  # type: ignore[attr-defined]


def test_first_record(root: Path, sources: list[Source]) -> None:
    record = PtbXlReader().read(root, sources[0])
    assert (record.id, record.patient_id, record.age_years, record.sex, record.fold) == (
        "00001",
        "15709",
        56.0,
        "female",
        3,
    )
    assert (record.ecg_mv.shape, record.fs_hz, record.leads[3], record.source) == ((12, 1000), 100.0, "aVR", "ptb-xl")
    assert record.ecg_mv[0, 0] == pytest.approx(-0.119)  # the header's initial value
    assert _names(record, "scp") == {"SR", "NORM", "LVOLT"}
    assert _names(record, "superclass") == _names(record, "subclass") == {"NORM"}
    assert _names(record, "rhythm") == {"SR"}
    assert _names(record, "form") == {"LVOLT"}


def test_whole_table(sources: list[Source]) -> None:
    assert len(sources) == 19_601
    assert [s.id for s in sources] == sorted(s.id for s in sources)
    superclass = [{x.name for x in s.info["labels"] if x.label_set == "superclass"} for s in sources]
    assert sum(not names for names in superclass) == 371
    assert Counter(name for names in superclass for name in names).keys() == {"NORM", "MI", "STTC", "CD", "HYP"}
    old = [s for s in sources if s.info["metadata"].get("age_over_89")]
    assert len(old) == 259
    assert {(s.info["age_years"], s.info["metadata"]["age_as_published"]) for s in old} == {(90.0, 300.0)}
    assert len({x.name for s in sources for x in s.info["labels"] if x.label_set == "scp"}) == 71
    assert len({x.name for s in sources for x in s.info["labels"] if x.label_set == "subclass"}) == 23


def test_500_hz_lists_the_files_that_are_there_and_says_so(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader = PtbXlReader(sampling="500")
    sources = reader.sources(root)
    assert 0 < len(sources) < 100
    assert f"{19_601 - len(sources)} of 19601 records" in caplog.text
    assert reader.read(root, sources[0]).ecg_mv.shape == (12, 5000)


@pytest.fixture
def full(root: Path, tmp_path: Path) -> Path:
    """One record under a table with columns, likelihoods and gaps as in the full ptbxl_database.csv."""
    (tmp_path / "records100/00000").mkdir(parents=True)
    for end in ("hea", "dat"):
        shutil.copy(root / f"records100/00000/00001_lr.{end}", tmp_path / "records100/00000")
    shutil.copy(root / "scp_statements.csv", tmp_path)
    row = {
        "ecg_id": 1, "patient_id": 15709.0, "age": 56.0, "sex": 1, "height": None, "weight": 63.0, "nurse": 2.0,
        "site": 0.0, "device": "CS-12   E", "recording_date": "1984-11-09 09:17:34", "report": "sinusrhythmus Frau Xyz",
        "scp_codes": "{'IMI': 15.0, 'ASMI': 35.0, 'SR': 0.0}", "heart_axis": None, "validated_by": 1.0,
        "baseline_drift": None, "static_noise": ", I-V1,", "strat_fold": 3,
        "filename_lr": "records100/00000/00001_lr", "filename_hr": "records500/00000/00001_hr",
    }  # fmt: skip
    pd.DataFrame([row]).to_csv(tmp_path / "ptbxl_database.csv", index=False)
    return tmp_path


def test_full_table(full: Path) -> None:
    reader = PtbXlReader()
    record = reader.read(full, reader.sources(full)[0])
    assert record.metadata == {"weight": 63.0, "site": 0.0, "device": "CS-12   E", "static_noise": ", I-V1,"}
    assert {(x.label_set, x.name, x.likelihood) for x in record.labels if x.label_set != "scp"} == {
        ("superclass", "MI", 35.0), ("subclass", "IMI", 15.0), ("subclass", "AMI", 35.0), ("rhythm", "SR", 0.0)
    }  # fmt: skip
    assert "Xyz" not in repr(record)


def test_missing_tables_files_and_columns_are_named(full: Path) -> None:
    with pytest.raises(FileNotFoundError, match="download records500"):
        PtbXlReader(sampling="500").sources(full)
    (full / "scp_statements.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"scp_statements\.csv"):
        PtbXlReader().sources(full)
    pd.read_csv(full / "ptbxl_database.csv").drop(columns="sex").to_csv(full / "ptbxl_database.csv")
    with pytest.raises(RecordError, match="lacks the columns"):
        PtbXlReader().sources(full)
    (full / "ptbxl_database.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"ptbxl_database\.csv"):
        PtbXlReader().sources(full)
