"""A run evaluated: figures of the scorecard's tasks on validation folds, kept in the run's folder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beatssl.results import Number, read_result, write_result
from beatssl.store.layout import MANIFEST
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.sources import FEATURES
from beatssl.studies.scorecard.tasks import TASKS, measure
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.plan import Run
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.finetune import finetune

PRETRAINED, SUPERVISED, SCORES = "pretrain", "supervised", "scores"
"""Folders of a run."""

_DRAWS = 200
"""Of patients: the same for all runs, so that figures can be compared draw by draw."""

_SHARES = {"superclass": 1.0, "superclass-10-percent": 0.1, "superclass-1-percent": 0.01}
"""Share of the labels that a task learns from, of the tasks that a classifier trained from scratch can be scored on."""

_OF_ENCODERS = ("all-statements-attention", "waves-sixteenth")
"""Tasks that ask for a feature map, which measured features have not."""


@dataclass(frozen=True)
class Figure:
    """One figure of one task."""

    name: str
    value: Number
    records: int = 0
    higher_is_better: bool = True
    chooses: bool = True
    """Whether it counts where variants are ranked."""
    reason: str = ""
    """Why there is no value."""
    draws: tuple[Number, ...] = ()
    """In every bootstrap draw of patients, as the scorecard's; none where they are others than those of other runs."""


@dataclass(frozen=True)
class Scored:
    """A run's figures of one task."""

    figures: tuple[Figure, ...] = ()


def scores_of(folder: Path, task: str) -> Scored | None:
    """What a run was scored on a task; None where it was not yet."""
    path = folder / SCORES / f"{task}.json"
    return read_result(path, Scored) if path.is_file() else None


def kept(run: Run, folder: Path, task: str) -> Scored | None:
    """As `scores_of`, and None too where an error left no value: that is to be tried again."""
    found = scores_of(folder, task)
    return None if found is None or _failed(run, task, found) else found


def score(run: Run, task: str, folder: Path, study: StudyConfig) -> Scored:
    """Score a run on a task and keep it in the run's folder.

    Raises ValueError with the reason where it has no value, though what is evaluated could do the task.
    """
    figures = _supervised(run, task, folder, study) if run.kind == "scratch" else _frozen(run, task, folder, study)
    found = Scored(tuple(figures))
    if _failed(run, task, found):
        reasons = dict.fromkeys(one.reason for one in figures if one.reason)
        raise ValueError("; ".join(reasons) or "no figure came of it")
    write_result(folder / SCORES / f"{task}.json", found)
    return found


def _failed(run: Run, task: str, found: Scored) -> bool:
    """Whether there is no value, and not by design."""
    return has_figures(run, task) and not any(math.isfinite(one.value) for one in found.figures)


def has_figures(run: Run, task: str) -> bool:
    """Whether a run must have figures of a task: some tasks only report, and not every source can do all."""
    if run.kind == "scratch":
        return task in _SHARES
    return not (TASKS[task].reported or (run.source == FEATURES and task in _OF_ENCODERS))


def check_tasks(tasks: Sequence[str]) -> None:
    """Raises ValueError for a task that the scorecard does not have."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise ValueError(f"the scorecard has no task {unknown[0]!r}; choose out of {', '.join(TASKS)}")


def _frozen(run: Run, task: str, folder: Path, study: StudyConfig) -> list[Figure]:
    """By the scorecard. Raises FileNotFoundError where the task's store is missing."""
    store = run.stores / TASKS[task].store
    if not (store / MANIFEST).is_file():
        raise FileNotFoundError(f"there is no store {store}; prepare it, and try again with retry=True")
    source = run.source or str(folder / PRETRAINED)
    config = ScorecardConfig(
        encoders=(source,),
        out=folder / "scorecard",
        stores=run.stores,
        tasks=(task,),
        network=run.settings.network,
        seed=run.seed if run.source == "random" else 0,
        device=study.device,
        bootstrap_draws=_DRAWS,
    )
    return [
        Figure(
            one.figure,
            float("nan") if one.value is None else one.value,
            one.records,
            one.higher_is_better,
            one.chooses,
            one.reason,
            one.draws if config.seed == 0 else (),  # of another seed, patients are drawn otherwise
        )
        for one in measure(source, task, config)
    ]


def _supervised(run: Run, task: str, folder: Path, study: StudyConfig) -> list[Figure]:
    if task not in _SHARES:
        return [Figure(TASKS[task].figure, float("nan"), reason="trained on the labels of superclass alone")]
    found = finetune(run.supervised(folder / SUPERVISED / task, study, _SHARES[task]))
    assert isinstance(found, DiagnosisFigures)
    return _figures(found, task)


def _figures(found: DiagnosisFigures, task: str) -> list[Figure]:
    records = found.records.valid
    return [
        Figure("AUROC", found.macro_auroc, records, chooses=TASKS[task].chooses),
        Figure("F1", found.macro_f1, records, chooses=False),
    ]
