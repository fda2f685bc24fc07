"""Folders and files of results: another command's are refused, its own gone on with, and replaced on request."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from beatssl.store.outputs import CONFIG, asked_of, check_file, check_folder, open_folder, what_is


def asked(rate: float = 0.1, verb: str = "probe") -> dict[str, object]:
    return {verb: {"rate": rate, "sizes": [1, 2]}}


def written(folder: Path, settings: dict[str, object]) -> Path:
    open_folder(folder, settings)
    (folder / "metrics.json").write_text("{}")
    return folder


def test_the_same_command_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    out = written(tmp_path / "out", asked())
    open_folder(out, asked())
    assert (out / "metrics.json").exists()
    with pytest.raises(ValueError, match=r"another config.*probe.rate: 0.1 against 0.2.*overwrite=True"):
        open_folder(out, asked(0.2))
    with pytest.raises(ValueError, match=r"is a folder that probe wrote.*another out= folder, or overwrite=True"):
        open_folder(out, asked(verb="transfer"))
    assert json.loads((out / CONFIG).read_text()) == asked()


def test_overwrite_replaces_results_and_nothing_else(tmp_path: Path) -> None:
    out = written(tmp_path / "out", asked())
    (out / "head").mkdir()
    (out / "fold-3").mkdir()
    (out / "README.md").write_text("mine")
    (out / "thesis.tex").write_text("mine")
    open_folder(out, asked(), overwrite=True)
    assert (out / "metrics.json").exists()  # the same command goes on
    open_folder(out, asked(0.2), overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", CONFIG, "thesis.tex"]
    assert json.loads((out / CONFIG).read_text()) == asked(0.2)


def test_a_folder_that_no_command_wrote_is_refused_and_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"is a folder with final, thesis\.tex"):
        check_folder(tmp_path, asked())
    open_folder(tmp_path, asked(), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"final", "thesis.tex", CONFIG}
    with pytest.raises(ValueError, match=r"thesis\.tex is a file; pass a folder"):
        check_folder(tmp_path / "thesis.tex", asked(), overwrite=True)


def test_what_failed_before_it_began_blocks_nothing(tmp_path: Path) -> None:
    open_folder(tmp_path, asked())
    (tmp_path / f".{CONFIG}.17").write_text("{")
    open_folder(tmp_path, asked(0.2))
    assert json.loads((tmp_path / CONFIG).read_text()) == asked(0.2)


def test_an_empty_folder_of_a_later_command_blocks_nothing(tmp_path: Path) -> None:
    open_folder(tmp_path, asked())
    (tmp_path / "probe").mkdir()
    open_folder(tmp_path, asked(0.2))
    assert json.loads((tmp_path / CONFIG).read_text()) == asked(0.2)


def test_a_file_is_replaced_on_request_or_by_the_same_command(tmp_path: Path) -> None:
    file = tmp_path / "check-peaks.json"
    check_file(file, overwrite=False)
    file.write_text(json.dumps({"f1": 1, "store": {"inputs": "a"}}))
    with pytest.raises(ValueError, match="is there already; pass another out=, or overwrite=True"):
        check_file(file, overwrite=False)
    check_file(file, overwrite=True)
    check_file(file, overwrite=False, same={"store": {"inputs": "a"}})
    with pytest.raises(ValueError, match="is there already"):
        check_file(file, overwrite=False, same={"store": {"inputs": "b"}})


@dataclass(frozen=True)
class Config:
    store: Path
    out: Path
    names: tuple[str, ...] = ("a",)
    seed: int = 0
    device: str = "cpu"
    overwrite: bool = False


def test_where_it_writes_and_runs_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = asked_of("probe", Config(Path("store"), Path("out")))
    assert one == asked_of("probe", Config(tmp_path / "store", Path("other"), device="cuda", overwrite=True))
    assert one == {"probe": {"store": str(tmp_path / "store"), "names": ["a"], "seed": 0}}


def test_folders_are_called_what_they_are(tmp_path: Path) -> None:
    def folder(name: str, content: str = "") -> Path:
        made = tmp_path / name.replace(".", "-") / content[:6].strip('{"')
        made.mkdir(parents=True)
        (made / name).write_text(content)
        return made

    assert what_is(folder("manifest.json")) == "a prepared store"
    assert what_is(folder("config.json", json.dumps({"pretrain": {}}))) == "a folder that pretrain wrote"
    segmented = folder("config.json", json.dumps({"fit": {}, "store": "", "fold_count": 5}))
    assert what_is(segmented) == "a folder that segment wrote"
    assert what_is(folder("config.json", json.dumps({"kind": "segmenter", "preprocessing": {}}))) == "a saved segmenter"
    assert what_is(folder("compare.json")) == "a folder that compare wrote"
    assert what_is(folder("ecg.csv")) == "a folder with ecg.csv"
    assert what_is(tmp_path / "ecg-csv" / "ecg.csv") == "a file"
    assert what_is(tmp_path / "nowhere") == "a path where nothing is"
    (tmp_path / "empty").mkdir()
    assert what_is(tmp_path / "empty") == "an empty folder"
