"""What `inspect` says of files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from beatssl import InspectConfig, Record, inspect_files, read
from beatssl.cli import main
from beatssl.records.formats.options import FileOptions
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.electrodes import exchanged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good record, one at a rate that is stated wrongly, a table that says too little, and two files of no ECG."""
    record = synthetic_record(0)
    record.save(tmp_path / "ecg/good.hea")
    narrow = np.exp(-(((np.arange(6000) / 100 % 5) - 1) ** 2) / 0.0004)  # 60/min at 500 Hz
    Record(narrow[None].astype(np.float32), ("II",), 100.0, "r", "test").save(tmp_path / "ecg/slow.hea")
    (tmp_path / "ecg/table.csv").write_text("1,2\n3,4\n")
    for name in ("notes.txt", "more.txt"):
        (tmp_path / "ecg" / name).write_text("nothing")
    return tmp_path / "ecg"


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for index, ward in enumerate(("ward7", "ward8")):
        synthetic_record(index).save(tmp_path / ward / "ecg.csv")
    found = inspect_files(InspectConfig((tmp_path / "ward7/ecg.csv", tmp_path / "ward8")))
    assert [one.file for one in found.records] == ["ward7/ecg.csv", "ward8/ecg.csv"]


def test_every_file_has_a_line_or_a_count(folder: Path, tmp_path: Path) -> None:
    result = inspect_files(InspectConfig((folder,), tmp_path / "all.json"))
    found = {one.file: one for one in result.records}
    assert set(found) == {"good", "slow", "table.csv"}
    assert found["good"].leads == synthetic_record(0).leads
    assert found["good"].beats_per_min is not None
    assert any("is no person's" in note and "--files.fs-hz-override" in note for note in found["slow"].notes)
    assert found["table.csv"].reason == "unreadable"
    assert result.not_read == ("more.txt", "notes.txt")
    text = str(result)
    for said in ("file  ", "refused, unreadable: 1, such as table.csv", "not read: 2 .txt, such as more.txt", "2 read"):
        assert said in text
    assert json.loads((tmp_path / "all.json").read_text())["records"][0]["file"] == "good"


def test_a_rate_given_by_the_user_is_taken_and_said(folder: Path) -> None:
    (one,) = inspect_files(InspectConfig((folder / "slow",), files=FileOptions(fs_hz_override=500))).records
    assert (one.fs_hz, one.beats_per_min) == (500.0, pytest.approx(60, rel=0.02))
    assert any("given by the user" in note for note in one.notes)


def test_exchanged_electrodes_are_named_and_undone_on_request(tmp_path: Path) -> None:
    true = synthetic_record(0)
    swapped = true.replace(ecg_mv=exchanged(true.ecg_mv, true.leads, "RA-LA"))
    path = swapped.save(tmp_path / "a.hea")
    (one,) = inspect_files(InspectConfig((path,))).records
    assert "the electrodes RA-LA seem to be exchanged: --files.correct-electrodes undoes it" in one.notes
    record = read(path, correct_electrodes=True)
    np.testing.assert_allclose(record.ecg_mv, true.ecg_mv, atol=1e-3)
    assert record.metadata["electrodes_corrected"] == "RA-LA"
    (one,) = inspect_files(InspectConfig((path,), files=FileOptions(correct_electrodes=True))).records
    assert "undone: an exchange of the electrodes RA-LA" in one.notes
    assert read(true.save(tmp_path / "b.hea"), correct_electrodes=True).metadata == {"format": "wfdb"}


def test_leads_of_the_wrong_sign_are_named_and_turned_over_on_request(tmp_path: Path) -> None:
    true = synthetic_record(1, seed=3)
    path = true.replace(ecg_mv=-true.ecg_mv).save(tmp_path / "a.hea")
    (one,) = inspect_files(InspectConfig((path,))).records
    assert any("wrong sign" in note for note in one.notes)
    record = read(path, correct_electrodes=True)
    np.testing.assert_allclose(record.ecg_mv, true.ecg_mv, atol=1e-3)
    assert "undone: a wrong sign of all leads" in record.notes


def test_what_is_too_short_to_be_analysed_is_noted(tmp_path: Path) -> None:
    true = synthetic_record(1, seed=3)
    path = true.replace(ecg_mv=true.ecg_mv[:, : round(1.5 * true.fs_hz)]).save(tmp_path / "a.hea")
    (one,) = inspect_files(InspectConfig((path,))).records
    assert "too short to be analysed: 2 s are needed" in one.notes


def test_noise_has_no_rate(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(0, 0.02, (1, 2000)))
    options = FileOptions(csv_fs_hz=250.0, unit="mV")
    (one,) = inspect_files(InspectConfig((tmp_path / "a.npy",), files=options)).records
    assert one.beats_per_min is None or one.beats_per_min > 20
    assert one.leads == ("ECG",)


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(folder / "good")])
    assert capsys.readouterr().out.splitlines()[0].split() == ["file", "format", "leads", "Hz", "s", "/min"]
    with pytest.raises(SystemExit):
        main(["inspect", str(folder / "gone")])
    assert "there is no file or folder" in capsys.readouterr().err


NOTED = (
    r"the stated 250 Hz are doubted: they make QRS \d+ ms and QT \d+ ms at \d+/min, hardly a person's; 500 Hz would "
    r"fit: QRS \d+ ms and QT \d+ ms at \d+/min; --files.fs-hz-override 500 takes that rate"
)


def test_a_rate_that_the_widths_contradict_is_noted(tmp_path: Path) -> None:
    record = synthetic_record(0)
    halved = Record(record.ecg_mv, record.leads, record.fs_hz / 2, "halved", "test")
    halved.save(tmp_path / "halved.hea")
    (one,) = inspect_files(InspectConfig((tmp_path / "halved",))).records
    assert any(re.fullmatch(NOTED, note) for note in one.notes)
    record.save(tmp_path / "whole.hea")
    (one,) = inspect_files(InspectConfig((tmp_path / "whole",))).records
    assert not any("doubted" in note for note in one.notes)


def test_a_file_that_is_there_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    out.write_text("mine")
    with pytest.raises(ValueError, match=r"mine.json is there already; pass another out=, or overwrite=True"):
        inspect_files(InspectConfig((folder,), out))
    assert out.read_text() == "mine"
    inspect_files(InspectConfig((folder,), out, overwrite=True))
    assert len(json.loads(out.read_text())["records"]) == 3
