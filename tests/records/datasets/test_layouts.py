"""Each database in PhysioNet's own layout, with headers as it writes them: what a reader lists and says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from beatssl.records.record import Record, RecordError
from beatssl.records.registry import READERS
from beatssl.signals.leads import LEADS

Write = Callable[..., None]
FRANK = ("vx", "vy", "vz")
LIMB = tuple(lead.lower() for lead in LEADS)


def records(kind: str, root: Path) -> dict[str, Record]:
    """All by id, as the reader of a kind reads them."""
    reader = READERS[kind]()
    return {source.id: reader.read(root, source) for source in reader.sources(root)}


def labels(record: Record) -> list[str]:
    """Names of those of its own set."""
    return [label.name for label in record.labels if label.label_set == record.source.partition("-")[0]]


def beats_of(*marks: tuple[int, int]) -> bytes:
    """An annotation file of pairs of code and samples since the mark before."""
    return np.array([code << 10 | interval for code, interval in (*marks, (0, 0))], "<u2").tobytes()


def test_brugada(write: Write, tmp_path: Path) -> None:
    for name in ("188981", "1254171", "99"):
        write(f"files/{name}/{name}")
    (tmp_path / "metadata.csv").write_text(
        "patient_id,basal_pattern,sudden_death,brugada\n188981,1,0,1\n1254171,0,0,0\n99,0,1,2\n"
    )
    found = records("brugada", tmp_path)
    assert {name: labels(record) for name, record in found.items()} == {
        "99": ["other", "sudden death"], "188981": ["brugada", "basal pattern"], "1254171": ["healthy"]
    }  # fmt: skip
    assert [record.patient_id for record in found.values()] == list(found)


def test_ptbdb_takes_the_reason_and_no_other_words(write: Write, tmp_path: Path) -> None:
    said = "# age: 81\n# sex: female\n# Diagnose:\n# Reason for admission: {}\n# Therapy: Dr. Nobody\n"
    reasons = {
        "patient001/s0010_re": "Myocardial infarction", "patient001/s0014lre": "Heart failure (NYHA 2)",
        "patient002/s0012_re": "n/a", "patient003_s0020_re": "Healthy control", "patient004/s0099_re": "Dr. Nobody",
    }  # fmt: skip
    for path, reason in reasons.items():
        write(path, (*LIMB, *FRANK), 1000, "2000", said.format(reason))
    (tmp_path / "RECORDS").write_text("\n".join(reasons))
    found = records("ptbdb", tmp_path)
    assert {name: labels(record) for name, record in found.items()} == {
        "patient003_s0020_re": ["healthy control"], "s0010_re": ["myocardial infarction"], "s0012_re": [],
        "s0014lre": ["heart failure"], "s0099_re": [],
    }  # fmt: skip
    assert [record.patient_id for record in found.values()] == ["003", "001", "002", "001", "004"]
    one = found["s0010_re"]
    assert (one.leads[:12], one.age_years, one.sex, one.fs_hz) == (LEADS, 81.0, "female", 1000.0)
    assert [label.name for label in one.labels if label.label_set == "snomed"] == ["164865005"]
    assert [len(record.labels) for record in found.values()] == [2, 2, 0, 1, 0]
    assert "Nobody" not in repr(found)


def test_cinc2011(write: Write, tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        write(f"set-a/{name}", gain="0")
    for file, names in {"RECORDS": "1\n2\n3\n", "RECORDS-acceptable": "2\n", "RECORDS-unacceptable": "1\n"}.items():
        (tmp_path / "set-a" / file).write_text(names)
    found = records("cinc2011", tmp_path)
    assert {name: labels(record) for name, record in found.items()} == {
        "1": ["unacceptable"], "2": ["acceptable"], "3": []
    }  # fmt: skip
    assert found["1"].metadata["unit_assumed"]
    assert records("cinc2011", tmp_path / "set-a").keys() == found.keys()
    (tmp_path / "set-a" / "RECORDS-unacceptable").unlink()
    with pytest.raises(FileNotFoundError, match="RECORDS-unacceptable"):
        READERS["cinc2011"]().sources(tmp_path)


def test_cinc2017_takes_the_last_table_and_no_record_twice(write: Write, tmp_path: Path) -> None:
    for path in ("training/A00/A00001", "training/A00/A00002", "training/A01/A01000", "validation/A00001"):
        write(path, ("ECG",), 300)
    (tmp_path / "training" / "REFERENCE.csv").write_text("A00001,N\nA00002,N\nA01000,~\n")
    assert [labels(one) for one in records("cinc2017", tmp_path).values()] == [["normal"], ["normal"], ["noise"]]
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,A\nA00002,O\n")
    found = records("cinc2017", tmp_path)
    assert {name: labels(one) for name, one in found.items()} == {"A00001": ["af"], "A00002": ["other"], "A01000": []}
    assert found["A00001"].leads == ("I",)


def test_incartdb(write: Write, tmp_path: Path) -> None:
    said = "#<age>: 65 <sex>: F <diagnoses> Coronary artery disease\n# patient 1\n# PVCs, noise\n"
    for name, comments in {"I01": said, "I02": said, "I03": ""}.items():
        write(name, fs_hz=257, gain="306", comments=comments)
        (tmp_path / f"{name}.atr").write_bytes(beats_of((1, 100), (28, 20), (5, 140)))
    (tmp_path / "RECORDS").write_text("I01\nI02\nI03\n")
    found = records("incartdb", tmp_path)
    assert [record.patient_id for record in found.values()] == ["1", "1", None]
    one = found["I01"]
    assert (one.leads, one.age_years, one.sex) == (LEADS, 65.0, "female")
    assert one.beats is not None
    assert one.beats.symbol == ("N", "V")
    np.testing.assert_allclose(one.beats.time_s, [100 / 257, 260 / 257])
    assert "disease" not in repr(found)


@pytest.mark.parametrize("folder", ["", "train/"])
def test_cpsc2019(tmp_path: Path, folder: str) -> None:
    for part in ("data", "ref"):
        (tmp_path / folder / part).mkdir(parents=True)
    ecg_mv = np.random.default_rng(0).normal(size=(5000, 1))
    scipy.io.savemat(tmp_path / folder / "data" / "data_00007.mat", {"ecg": ecg_mv})
    marks = tmp_path / folder / "ref" / "R_00007.mat"
    scipy.io.savemat(marks, {"R_peak": np.array([[50], [450]], np.uint16)})
    one = records("cpsc2019", tmp_path)["data_00007"]
    assert one.beats is not None
    np.testing.assert_allclose(one.beats.time_s, [0.1, 0.9])
    np.testing.assert_allclose(one.ecg_mv[0], ecg_mv[:, 0], rtol=1e-6)
    for beyond in ({"R_peak": np.array([[50], [5001]], np.uint16)}, {"other": np.zeros(3)}):
        scipy.io.savemat(marks, beyond)
        with pytest.raises(RecordError, match=r"R peak lies outside|holds no numbers 'R_peak'"):
            records("cpsc2019", tmp_path)


def test_cinc2021_says_the_collection_and_refuses_ptbxl(write: Write, tmp_path: Path) -> None:
    paths = {
        "training/chapman_shaoxing/g1/JS10646": "chapman-shaoxing", "training/ningbo/g1/JS10647": "ningbo",
        "training/cpsc_2018/g1/A0001": "cpsc2018", "training/cpsc_2018_extra/g1/Q0001": "cpsc2018-extra",
        "training/georgia/g1/E00001": "georgia", "training/ptb/g1/S0001": "ptb",
        "training/st_petersburg_incart/g1/I0001": "incart", "training/more/mine": "cinc",
    }  # fmt: skip
    for path in (*paths, "training/ptb-xl/g1/HR00017"):
        write(path, comments="# Age: 74\n# Sex: Male\n# Dx: 59118001,426783006\n")
    reader = READERS["cinc"]()
    sources = {source.id: source for source in reader.sources(tmp_path)}
    refused = sources.pop("HR00017")
    with pytest.raises(RecordError, match="is record 17 of PTB-XL; prepare PTB-XL itself") as error:
        reader.read(tmp_path, refused)
    assert error.value.reason == "duplicate"
    found = {source.path: reader.read(tmp_path, source) for source in sources.values()}
    assert {path: record.source for path, record in found.items()} == paths
    assert [label.name for label in found["training/more/mine"].labels] == ["59118001", "426783006"]
    assert found["training/more/mine"].sex == "male"
