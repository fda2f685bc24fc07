"""Folders and files that commands write: what another command left there is refused, or replaced on request."""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from beatssl.files import read_json, write_json
from beatssl.store.layout import MANIFEST, PLAN
from beatssl.store.manifest import differences

CONFIG, ASKED = "config.json", "asked.json"
"""What was asked for, in a folder of results; in one that is a model too, whose own config.json it has, the second."""

_VERBS = ("pretrain", "probe", "finetune", "segment", "compare", "scorecard", "transfer", "recalibrate", "analyze",
          "demo", "study", "shift")  # fmt: skip

_RESULTS = (
    CONFIG, ASKED, "metrics.json", "metrics.jsonl", "state.safetensors", "checkpoint", "head", "predictions.parquet",
    "split.csv", "compare.json", "recalibration.json", "records.parquet", "waves.parquet", "intervals.parquet",
    "refused.parquet", "json", "csv", "annotations", ".parts", "segmenter", "pseudo-labels", "final",
    "record_scale.safetensors", "beat_scale.safetensors", "scorecard.json", "scorecard.csv", "scorecard.html", "scores",
    "shift.json",
)  # fmt: skip
_MODEL = ("model.safetensors", "README.md")
_TAKERS = {
    ("a prepared store",): "pretrain, probe, finetune, segment and analyze take it",
    ("a folder that pretrain wrote", "a saved encoder"): "probe, finetune, segment and compare take it as an encoder",
    ("a folder that probe wrote", "a folder that finetune wrote"): (
        "draw makes its pictures, transfer and recalibrate take it as a classifier"
    ),
    ("a folder that segment wrote",): "draw makes its pictures, analyze takes it as a segmenter",
    ("a folder that study wrote",): "draw makes its pictures",
    ("a folder that recalibrate wrote", "a saved classifier"): "transfer and recalibrate take it as a classifier",
    ("a saved segmenter",): "analyze takes it as a segmenter",
}
_NUMBERED = ("draw-[0-9]*", "fold-[0-9]*")


def asked_of(verb: str, config: Any, free: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a command that its results depend on, as JSON keeps them; paths are made absolute.

    Where it writes and where it runs does not count, nor do the fields `free`.
    """
    left_out = {"out", "overwrite", "device", "cache", "run", *free}
    values = {name: _absolute(value) for name, value in asdict(config).items() if name not in left_out}
    return json.loads(json.dumps({verb: values}, default=str))


def check_folder(folder: Path, asked: dict[str, Any], overwrite: bool = False, name: str = CONFIG) -> None:
    """Raises ValueError where `folder` holds anything but what the same command left there, naming each difference.

    With `overwrite` only a file in the folder's place is refused.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; pass a folder as out=")
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    entries = [one.name for one in found if not one.name.startswith(".") and not _is_empty(one)]  # "." is half written
    if overwrite or not entries or entries == [name]:  # asked for alone: nothing came of it
        return
    remedy = "pass another out= folder, or overwrite=True to replace the results there"
    there = _object(folder / name)
    if not asked.keys() & there.keys():
        raise ValueError(f"{folder} is {what_is(folder)}; {_verb(folder, asked)} writes to an empty one: {remedy}")
    if lines := differences(there, asked):
        raise ValueError(
            f"{folder} holds results of another config (there against asked): {'; '.join(lines)}; {remedy}, or ask "
            "for the same"
        )


def open_folder(folder: Path, asked: dict[str, Any], overwrite: bool = False, name: str = CONFIG) -> None:
    """Make `folder` this command's: new, or as the same command left it. Raises as `check_folder` does.

    With `overwrite` results of another command are removed from it; files that no command wrote stay. Where the same
    command left it, nothing is removed: it goes on there.
    """
    check_folder(folder, asked, overwrite, name)
    if _object(folder / name) != asked:
        _remove_results(folder)
        write_json(folder / name, asked)


def check_file(path: Path, overwrite: bool, same: Mapping[str, Any] | None = None) -> None:
    """Raises ValueError where there is such a file already and it is not to be replaced.

    One that is JSON with the entries `same` is of the same command, and may be replaced.
    """
    there = _object(path) if same else {}
    if same and all(there.get(name) == value for name, value in same.items()):
        return
    if path.exists() and not overwrite:
        raise ValueError(f"{path} is there already; pass another out=, or overwrite=True to replace it")


def what_is(folder: Path) -> str:
    """What a folder holds, in a few words: "a prepared store", "a folder that pretrain wrote", …"""
    if not folder.is_dir():
        return "a file" if folder.exists() else "a path where nothing is"
    if (folder / MANIFEST).is_file() or (folder / PLAN).is_file():
        return "a prepared store"
    config = _object(folder / CONFIG)
    if "preprocessing" in config:
        return f"a saved {config.get('kind', 'encoder')}"
    if verb := _verb(folder, config):
        return f"a folder that {verb} wrote"
    names = sorted(entry.name for entry in folder.iterdir())
    return f"a folder with {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names else "an empty folder"


def known_as(folder: Path) -> str:
    """What a folder is, and which verbs take it, where it is of a known kind; else ""."""
    what = what_is(folder)
    takers = next((takers for names, takers in _TAKERS.items() if what in names), "")
    if takers:
        return f"{what} ({takers})"
    return what if what.startswith(("a folder that", "a saved")) else ""


def check_ecgs(path: Path) -> None:
    """Raises ValueError where a path is no ECG file nor a folder of them but what a verb wrote, saying which."""
    if known := known_as(path):
        raise ValueError(f"{path} is {known}; pass ECG files, or folders of them")


def _verb(folder: Path, config: dict[str, Any]) -> str:
    """The verb that wrote a folder, or "" where none did."""
    if {"store", "fold_count", "fit"} <= config.keys():
        return "segment"
    if found := [verb for verb in _VERBS if verb in config]:
        return found[0]
    for name, verb in (("compare.json", "compare"), ("intervals.parquet", "analyze"), ("predictions.parquet", "probe")):
        if (folder / name).is_file():  # of a version that did not write down what was asked for
            return verb
    return ""


def _remove_results(folder: Path) -> None:
    """Take away what a command left; of a folder that no command wrote, nothing."""
    config = _object(folder / CONFIG)
    is_model = "preprocessing" in config
    if not is_model and not _verb(folder, config):
        return
    found = [folder / name for name in (*_RESULTS, *(_MODEL if is_model else ()))]
    for path in found + [path for glob in _NUMBERED for path in folder.glob(glob)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _object(path: Path) -> dict[str, Any]:
    """The object of a JSON file; an empty one where there is none or it is damaged."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}  # of any file


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, (tuple, list)):
        return [_absolute(one) for one in value]
    return value
