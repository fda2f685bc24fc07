"""`bench analyze`: every figure is there, of records that were analysed."""

import json
from pathlib import Path

import numpy as np
import pytest

from beatssl.bench import analyze as bench_module
from beatssl.bench.analyze import _records, bench_analyze
from beatssl.bench.rivals import _timed, tool_times
from beatssl.records.read import read
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record


def two_leads(number: int) -> Record:
    """A sixth of the work of twelve."""
    record = synthetic_record(number)
    return record.replace(ecg_mv=record.ecg_mv[:2], leads=record.leads[:2])


def test_every_figure_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "REPEATS", 1)
    monkeypatch.setattr(bench_module, "tool_times", lambda paths: tool_times(paths, most=1))
    monkeypatch.setattr(bench_module, "synthetic_record", two_leads)
    found = bench_analyze(None, tmp_path / "bench.json", files=3, workers=1, hours=0.01)
    assert found.import_s < found.load_s < found.command_s
    assert found.folder_files == 3
    assert found.folder_files_per_s == pytest.approx(3 / found.folder_s)
    assert 20 < found.long_beats < 100  # of 36 s
    assert 0.1 < found.long_memory_gb < 4
    assert 1 < found.record_ms < 60_000
    written = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert [tool["tool"].split()[0] for tool in written["tools"]] == [
        "beatssl", "NeuroKit2", "NeuroKit2", "sleepecg", "torch_ecg",
    ]  # fmt: skip
    assert all(tool["record_ms"] is not None or tool["note"] for tool in written["tools"])


def test_a_tool_that_is_missing_says_so() -> None:
    found = _timed("nothing", "nothing", "no_such_package", lambda *_: None, [synthetic_record(0)])
    assert found.record_ms is None
    assert found.note == "No module named 'no_such_package'"


def test_records_of_a_folder_are_copied_under_names_of_their_own(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    source.mkdir()
    for number in range(2):
        synthetic_record(number).save(source / f"one{number}.hea")
    paths = _records(source, tmp_path / "made", 5)
    assert [path.stem for path in paths] == ["0000", "0001", "0002", "0003", "0004"]
    signals = [read(path).ecg_mv for path in paths]
    assert np.array_equal(signals[0], signals[2])
    assert not np.array_equal(signals[0], signals[1])
    with pytest.raises(ValueError, match="holds no WFDB record"):
        _records(tmp_path / "made" / "0000.dat", tmp_path / "none", 5)
