"""One process at work on a study: the next run that nobody has taken, pretrained and evaluated, until none is left."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from beatssl._version import __version__
from beatssl.results import read_result, write_result
from beatssl.store.layout import MANIFEST, canonical_hash, read_manifest
from beatssl.studies.scorecard.tasks import TASKS
from beatssl.studies.study.claims import claimed, released
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.evaluation import (
    PRETRAINED,
    SCORES,
    SUPERVISED,
    Scored,
    has_figures,
    kept,
    score,
    scores_of,
)
from beatssl.studies.study.plan import Run
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import read_log
from beatssl.training.state import STATE

RUNS, DONE, FAILED = "runs", "done.json", "failed.json"


@dataclass(frozen=True)
class Done:
    """What a run's training came to."""

    seconds: float
    """Of the updates, whatever was done again after a stop left out; 0 where nothing was trained."""
    updates: int
    figures: dict[str, float] = field(default_factory=dict[str, float])
    """The last line of the log: losses and diagnostics."""
    version: str = ""
    """Of the package."""
    stores: dict[str, str] = field(default_factory=dict[str, str])
    """Hash of each store that it was trained on, by its name."""


@dataclass(frozen=True)
class Failed:
    """Why a run was set aside."""

    reason: str
    names: tuple[tuple[str, str], ...]


def folder_of(out: Path, run: Run) -> Path:
    """A run's folder."""
    return out / RUNS / run.hash


def finished(out: Path, run: Run, tasks: Sequence[str]) -> bool:
    """Whether a run is trained and scored on all tasks."""
    folder = folder_of(out, run)
    return trained(out, run) and all(kept(run, folder, task) is not None for task in tasks)


def trained(out: Path, run: Run) -> bool:
    """Whether a run's training is done, by this version of the package and on stores that hold what is there now.

    What done.json does not say (an older version left it), or of a store that is not there, is taken as it is.
    """
    path = folder_of(out, run) / DONE
    if not path.is_file():
        return False
    done, now = read_result(path, Done), _stores_of(run)
    return done.version in ("", __version__) and all(
        done.stores.get(name, hash_now) == hash_now for name, hash_now in now.items()
    )


def _stores_of(run: Run) -> dict[str, str]:
    """Hash of each store that a run is trained on, by its name: of all files, as the manifest has them."""
    if run.kind == "source":
        return {}
    paths = {name: run.stores / name / MANIFEST for name in run.settings.stores}
    return {name: _hash_of_files(path, path.stat().st_mtime_ns) for name, path in paths.items() if path.is_file()}


@lru_cache
def _hash_of_files(path: Path, changed_ns: int) -> str:
    """`changed_ns` tells one content of the file from another."""
    manifest = read_manifest(path)
    return canonical_hash(manifest.get("files", manifest))[:16]


def failure(out: Path, run: Run) -> Failed | None:
    """Why a run failed; None where it did not."""
    path = folder_of(out, run) / FAILED
    return read_result(path, Failed) if path.is_file() else None


def lacks_stores(run: Run, tasks: Sequence[str]) -> list[str]:
    """Stores that a run or its tasks need and that are not there."""
    names = (*run.settings.stores, *(TASKS[task].store for task in tasks if has_figures(run, task)))
    return [str(run.stores / name) for name in dict.fromkeys(names) if not (run.stores / name / MANIFEST).is_file()]


def work(
    runs: Sequence[Run], tasks: Sequence[str], config: StudyConfig, say: Callable[[str], None], until: float
) -> None:
    """Do what is left of the runs and nobody has taken, beginning none after the time `until` (of `time.monotonic`).

    A run that fails is set aside with its reason. Afterwards those that other processes had taken are visited once
    more: a process that was killed has left them.
    """
    for _ in range(2):
        for number, run in enumerate(runs, 1):
            if time.monotonic() > until:
                return
            if finished(config.out, run, tasks) or lacks_stores(run, tasks):
                continue
            if failure(config.out, run) is not None and not config.retry:
                continue
            folder = folder_of(config.out, run)
            if not claimed(folder):
                continue
            try:
                if finished(config.out, run, tasks):  # by another process since this one looked
                    continue
                _attempt(run, tasks, folder, config, lambda text, at=number: say(f"{at} of {len(runs)}: {text}"))
            finally:
                released(folder)


def _attempt(run: Run, tasks: Sequence[str], folder: Path, config: StudyConfig, say: Callable[[str], None]) -> None:
    """Train and score; what fails is written down, and the tasks after one that failed are scored all the same."""
    name = f"{', '.join('/'.join(one) for one in run.names)}, seed {run.seed} ({run.hash})"
    began = time.monotonic()
    (folder / FAILED).unlink(missing_ok=True)
    steps = [("training", lambda: _train(run, folder, config))]
    steps += [(task, lambda task=task: _score(run, task, folder, config)) for task in tasks]
    reasons: list[str] = []
    for step, do in steps:
        try:
            do()
        except Exception as error:
            reasons.append(f"{step}: {type(error).__name__}: {' '.join(str(error).split())}")
            if step == "training":
                break
    if reasons:
        write_result(folder / FAILED, Failed("; ".join(reasons), run.names))
        say(f"{name} failed: {'; '.join(reasons)}")
        return
    found = [one for task in tasks[:1] for one in (scores_of(folder, task) or Scored()).figures[:1]]
    say(f"{name} in {time.monotonic() - began:.0f} s" + "".join(f", {one.name} {one.value:.4f}" for one in found))


def _score(run: Run, task: str, folder: Path, config: StudyConfig) -> None:
    if kept(run, folder, task) is None:
        score(run, task, folder, config)


def _train(run: Run, folder: Path, config: StudyConfig) -> None:
    if trained(config.out, run):
        return
    for old in (PRETRAINED, SUPERVISED, SCORES) if (folder / DONE).is_file() else ():
        shutil.rmtree(folder / old, ignore_errors=True)  # of another version or other stores
    (folder / DONE).unlink(missing_ok=True)
    write_result(folder / "run.json", run)
    stores = _stores_of(run)
    if run.kind != "pretrain":
        write_result(folder / DONE, Done(0.0, 0, version=__version__, stores=stores))
        return
    out = folder / PRETRAINED
    made = pretrain(run.pretraining(out, config))
    write_result(folder / DONE, Done(_seconds(out), made.updates, made.figures, __version__, stores))
    (out / STATE).unlink(missing_ok=True)  # three times as large as the weights, and nothing is left to resume


def _seconds(out: Path) -> float:
    """Time of the updates, from the log: a line has the mean over those since the line before."""
    total, before = 0.0, 0
    for line in read_log(out):
        if "update_s" in line:
            total += line["update_s"] * (line["update"] - before)
            before = line["update"]
    return round(total, 2)
