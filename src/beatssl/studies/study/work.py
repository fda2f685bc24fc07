"""One process at work on a study: the next run that nobody has taken, pretrained and evaluated, until none is left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.results import read_result, write_result
from beatssl.store.layout import MANIFEST
from beatssl.studies.study.claims import claimed, released
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.evaluation import PRETRAINED, Scored, score, scores_of
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
    return (folder / DONE).is_file() and all(scores_of(folder, task) is not None for task in tasks)


def failure(out: Path, run: Run) -> Failed | None:
    """Why a run failed; None where it did not."""
    path = folder_of(out, run) / FAILED
    return read_result(path, Failed) if path.is_file() else None


def lacks_stores(run: Run) -> list[str]:
    """Stores that a run needs and that are not there."""
    return [
        str(run.stores / name) for name in run.settings.stores if not (run.stores / name / MANIFEST).is_file()
    ]  # fmt: skip


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
            if finished(config.out, run, tasks) or lacks_stores(run):
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
    if scores_of(folder, task) is None:
        score(run, task, folder, config)


def _train(run: Run, folder: Path, config: StudyConfig) -> None:
    if (folder / DONE).is_file():
        return
    write_result(folder / "run.json", run)
    if run.kind != "pretrain":
        write_result(folder / DONE, Done(0.0, 0))
        return
    out = folder / PRETRAINED
    made = pretrain(run.pretraining(out, config))
    write_result(folder / DONE, Done(_seconds(out), made.updates, made.figures))
    (out / STATE).unlink(missing_ok=True)  # three times as large as the weights, and nothing is left to resume


def _seconds(out: Path) -> float:
    """Time of the updates, from the log: a line has the mean over those since the line before."""
    total, before = 0.0, 0
    for line in read_log(out):
        if "update_s" in line:
            total += line["update_s"] * (line["update"] - before)
            before = line["update"]
    return round(total, 2)
