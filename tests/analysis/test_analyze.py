"""The verb `analyze`: what it writes of files and stores, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl import cli
from beatssl.analysis.analyze import analyze
from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.waves import of_store
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.formats.options import FileOptions
from beatssl.store.layout import StoreError
from beatssl.store.store import Store

TABLES = ("waves", "intervals", "refused")
OPTIONS = FileOptions(csv_fs_hz=100.0, unit="mV", lead_names=("II", "belly"))


def tables(folder: Path) -> list[pd.DataFrame]:
    return [pd.read_parquet(folder / f"{name}.parquet") for name in TABLES]


@pytest.fixture
def files(store: Store, tmp_path: Path) -> Path:
    """A good record, one without a beat, and one that cannot be read."""
    folder = tmp_path / "files"
    folder.mkdir()
    np.save(folder / "good.npy", store.ecg_mv([20])[0, [1, 7]])
    np.save(folder / "silence.npy", np.linspace((0, 0), 0.05, 1000, dtype=np.float32).T)
    (folder / "broken.npy").write_bytes(b"no array")
    return folder


def test_files_and_a_store_give_one_set_of_tables(store: Store, files: Path, tmp_path: Path) -> None:
    result = analyze(AnalyzeConfig((files, store.path), tmp_path / "out", files=OPTIONS, device="cpu"))
    waves, intervals, refused = tables(tmp_path / "out")
    assert (result.records, result.refused) == (2 + len(store), 1)
    assert result.waves == {name: (waves["wave"] == name).sum() for name in ("P", "QRS", "T")}
    assert set(waves["record_id"]) == {"good.npy", *store.records["record_id"]}
    assert set(intervals["record_id"]) == {"good.npy", "silence.npy", *store.records["record_id"]}
    assert refused[["record_id", "reason"]].to_numpy().tolist() == [["broken.npy", "unreadable"]]
    whole = pd.concat([one.waves for one in of_store(EcgSegmenter.from_pretrained("default"), store)])
    own = waves[waves["record_id"] != "good.npy"]
    pd.testing.assert_frame_equal(own.reset_index(drop=True), whole.reset_index(drop=True))
    assert str(result).startswith(f"{tmp_path / 'out'}: 26 records, waves in all leads: ")
    assert str(result).endswith("; 1 could not be used, see refused.parquet")


def test_files_of_one_name_are_told_apart(store: Store, tmp_path: Path) -> None:
    for ward, row in (("ward7", 20), ("ward8", 21)):
        (tmp_path / ward).mkdir()
        np.save(tmp_path / ward / "ecg.npy", store.ecg_mv([row])[0, [1, 7]])
    given = (tmp_path / "ward7", tmp_path / "ward8" / "ecg.npy")
    assert analyze(AnalyzeConfig(given, tmp_path / "out", files=OPTIONS, device="cpu")).records == 2
    waves, intervals, _ = tables(tmp_path / "out")
    assert set(waves["record_id"]) == set(intervals["record_id"]) == {"ward7/ecg.npy", "ward8/ecg.npy"}


def test_tables_have_their_columns_where_nothing_was_found(files: Path, tmp_path: Path) -> None:
    result = analyze(AnalyzeConfig((files / "broken.npy",), tmp_path / "out", files=OPTIONS, device="cpu"))
    waves, intervals, refused = tables(tmp_path / "out")
    assert (result.records, result.waves) == (0, {"P": 0, "QRS": 0, "T": 0})
    assert (len(waves), len(intervals), len(refused)) == (0, 0, 1)
    assert {"record_id", "lead", "wave", "onset_s", "onset_confidence"} <= set(waves.columns)
    assert {"record_id", "measure", "value"} <= set(intervals.columns)


def test_nothing_is_written_for_a_path_that_is_not_there(files: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*typo"):
        analyze(AnalyzeConfig((files, tmp_path / "typo"), tmp_path / "out", files=OPTIONS))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no ECG below"):
        analyze(AnalyzeConfig((tmp_path / "empty",), tmp_path / "out", device="cpu"))
    with pytest.raises(ValueError, match="no paths given"):
        AnalyzeConfig((), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unfinished_store_is_no_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(StoreError, match="not finished"):
        analyze(AnalyzeConfig((tmp_path,), tmp_path / "out", device="cpu"))


def test_another_kind_of_model_is_refused(store: Store, files: Path, tmp_path: Path) -> None:
    EcgSegmenter.from_pretrained("default").save_pretrained(tmp_path / "kept")
    with pytest.raises(CheckpointError, match="there is no folder"):
        analyze(AnalyzeConfig((files,), tmp_path / "out", segmenter=str(tmp_path / "none")))
    again = AnalyzeConfig((files,), tmp_path / "out", segmenter=str(tmp_path / "kept"), files=OPTIONS, device="cpu")
    assert analyze(again).records == 2


def test_the_command_line_says_what_was_found(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--files.csv-fs-hz", "100", "--files.unit", "mV", "--files.lead-names", "II", "belly")
    command = ("analyze", str(files), "--out", str(tmp_path / "out"), "--device", "cpu", *options)
    with pytest.raises(SystemExit) as end:
        cli.main(command)
    assert end.value.code == 1
    said = capsys.readouterr()
    assert "2 records, waves in all leads" in said.out
    assert "refused: broken.npy: unreadable: " in said.err
    cli.main((*command, "--keep-going"))
    said = capsys.readouterr()
    assert "refused: broken.npy: unreadable: " in said.err
    assert "status" not in said.err
    with pytest.raises(SystemExit) as end:
        cli.main((*command, "--files.fs-hz-override", "200"))
    assert end.value.code == 2
    assert "holds results of another config" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(("analyze", str(tmp_path / "typo"), "--out", str(tmp_path / "out")))
    assert end.value.code == 2
    assert "there is no file or folder" in capsys.readouterr().err
