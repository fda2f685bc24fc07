"""A folder of another kind than a verb takes: every verb says what it is, and who takes it."""

import json
import shutil
from pathlib import Path

import pytest

from beatssl import cli
from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare

FOLDERS = {
    "store": "a prepared store",
    "pretrained": "a folder that pretrain wrote",
    "probed": "a folder that probe wrote",
    "finetuned": "a folder that finetune wrote",
    "segmented": "a folder that segment wrote",
    "compared": "a folder that compare wrote",
    "analyzed": "a folder that analyze wrote",
    "model": "a saved segmenter",
    "ecgs": "a folder with ecg.csv",
    "empty": "an empty folder",
}
"""Each kind of folder, and what it is called."""

TAKEN = {
    "store": "pretrain, probe, finetune, segment and analyze take it",
    "pretrained": "probe, finetune, segment and compare take it as an encoder",
    "probed": "transfer and recalibrate take it as a classifier",
    "finetuned": "transfer and recalibrate take it as a classifier",
    "segmented": "analyze takes it as a segmenter",
    "model": "analyze takes it as a segmenter",
}

OTHERS = tuple(FOLDERS)
STORES = {
    "probe": ("--encoder", "random"), "finetune": ("--encoder", "random"), "segment": ("--encoder", "random"),
    "pretrain": (), "check": ("--what", "peaks"),
}  # fmt: skip
"""Verbs that take a store first."""

MODELS = {
    "segment --encoder": ("segment", "store", "--encoder"),
    "probe --encoder": ("probe", "store", "--split", "random", "--keep-unlabelled", "--encoder"),
    "finetune --encoder": ("finetune", "store", "--split", "random", "--keep-unlabelled", "--encoder"),
    "pretrain --init": ("pretrain", "store", "--batch-size", "2", "--init"),
    "analyze --segmenter": ("analyze", "ecgs", "--segmenter"),
    "transfer --classifier": ("transfer", "store", "--classifier"),
}
"""Options that take a model, and the word for what they take."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of every kind, as small as it can be told."""
    root = tmp_path_factory.mktemp("folders")
    configs = {
        "pretrained": {"pretrain": {}}, "probed": {"probe": {}}, "finetuned": {"finetune": {}},
        "segmented": {"store": "", "fold_count": 5, "fit": {}}, "compared": {"compare": {}},
        "analyzed": {"analyze": {}}, "model": {"format": 1, "kind": "segmenter", "preprocessing": {}},
    }  # fmt: skip
    for name, content in configs.items():
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(content), encoding="utf-8")
    (root / "probed" / "split.csv").write_text("record_id,split\na,train\n", encoding="utf-8")  # no ECG
    (root / "empty").mkdir()
    (root / "file.txt").write_text("nothing", encoding="utf-8")
    synthetic_record(0).save(root / "ecgs" / "ecg.csv")
    prepare(PrepareConfig("synthetic", Path("24"), out=root / "store", workers=1, clusters=0))
    return root


def _said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folders: Path, *args: str) -> str:
    """The error of a command that is run there, nothing of another left behind."""
    monkeypatch.chdir(folders)
    shutil.rmtree("new", ignore_errors=True)
    with pytest.raises(SystemExit) as stopped:
        cli.main(args)
    assert stopped.value.code == cli.USER_ERROR
    return capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ("probed", "finetuned", "segmented")])
def test_draw(folders: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(monkeypatch, capsys, folders, "draw", name)
    assert f"{name} is {FOLDERS[name]}" in said
    assert TAKEN.get(name, "") in said
    assert "; draw takes a folder that probe, finetune, segment or study wrote" in said


@pytest.mark.parametrize("verb", STORES)
@pytest.mark.parametrize("name", [name for name in OTHERS if name != "store"])
def test_verbs_that_take_a_store(
    folders: Path, verb: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = () if verb == "check" else ("--out", "new")
    said = _said(monkeypatch, capsys, folders, verb, name, *STORES[verb], *out)
    if name in ("ecgs", "empty"):
        assert f"{name} is no store (it has no manifest.json); make one with prepare" in said
    else:
        assert f"{name} is no store but {FOLDERS[name]}" in said
        assert TAKEN.get(name, "") in said


@pytest.mark.parametrize("option", MODELS)
@pytest.mark.parametrize("name", ["store", "analyzed", "compared", "ecgs", "empty"])
def test_options_that_take_a_model(
    folders: Path, option: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(monkeypatch, capsys, folders, *MODELS[option], name, "--out", "new")
    assert FOLDERS[name] in said
    kind = {"--segmenter": "segmenter", "--classifier": "classifier"}.get(option.split()[1], "encoder")
    assert f"pass the folder of a saved {kind}, which" in said


def test_a_model_of_another_kind(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(monkeypatch, capsys, folders, *MODELS["probe --encoder"], "model", "--out", "new")
    assert "model holds a saved segmenter, not the encoder asked for" in said


@pytest.mark.parametrize("verb", [("analyze",), ("inspect",), ("prepare", "files")])
@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ("ecgs", "empty")])
def test_verbs_that_take_ecg_files(
    folders: Path, verb: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if (verb, name) == (("analyze",), "store"):
        return
    said = _said(monkeypatch, capsys, folders, *verb, name, "--out", "new")
    assert f"{name} is {FOLDERS[name]}" in said
    assert TAKEN.get(name, "") in said
    assert "; pass ECG files, or folders of them" in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("draw", "file.txt"), "file.txt is a file; draw takes a folder"),
        (("draw", "nowhere"), "nowhere is a path where nothing is; draw takes a folder"),
        (
            ("probe", "file.txt", "--out", "new"),
            "file.txt is no store (it has no manifest.json); make one with prepare",
        ),
        (("probe", "nowhere", "--out", "new"), "nowhere is no store: there is no such folder; pass that of a store"),
        (("analyze", "nowhere", "--out", "new"), "there is no file or folder nowhere; pass an ECG file, or a folder"),
        (("prepare", "files", "nowhere", "--out", "new"), "there is no file or folder nowhere; pass an ECG file"),
        (("analyze", "empty", "--out", "new"), "no ECG below empty; looked for"),
        (("analyze", "ecgs", "--segmenter", "file.txt", "--out", "new"), "file.txt is a file; pass the"),
    ],
)
def test_files_and_what_is_not_there(
    folders: Path, args: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in _said(monkeypatch, capsys, folders, *args)
