"""The tasks of a scorecard, and one encoder on one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from beatssl._version import __version__
from beatssl.inference.adapters.published_weights import WeightsNotAtHand
from beatssl.results import read_result, write_result
from beatssl.store.layout import canonical_hash
from beatssl.store.store import Store
from beatssl.studies.scorecard.attention import statements_by_attention
from beatssl.studies.scorecard.beats import beats_by_both
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.further import further_records
from beatssl.studies.scorecard.further_beats import TRAINED_ON, incart_beats
from beatssl.studies.scorecard.further_finetuned import finetuned_records
from beatssl.studies.scorecard.records import probe_labels, probe_numbers
from beatssl.studies.scorecard.retrieval import retrieve_superclasses
from beatssl.studies.scorecard.scores import Measured
from beatssl.studies.scorecard.sources import Source, encoder_names, open_source
from beatssl.studies.scorecard.waves import waves_of_few

Measure = Callable[[Source, Store, ScorecardConfig], Mapping[str, list[Figure]]]
"""Figures by task: one pass over a store may serve several tasks."""

SCORES = "scores"

_FORM = 2
"""Of the files below it; 2 since figures have their values in every bootstrap draw."""

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")


@dataclass(frozen=True)
class Task:
    """What a frozen encoder is asked."""

    name: str
    about: str
    """A few words for readers."""
    store: str
    """Folder below `stores`."""
    figure: str
    """The one of its figures that stands for it."""
    chooses: bool
    """Whether that figure counts in the mean rank."""
    measure: Measure
    decimated: bool = False
    """Whether the store has a multiple of the encoder's rate."""
    reported: bool = False
    """Of a further database: measured beside the test folds alone, so that nobody chooses by it."""
    named_only: bool = False
    """It takes many minutes: measured where `tasks` names it."""
    beside: tuple[str, ...] = ()
    """Further folders below `stores` that it reads."""
    version: int = 1
    """Of how it is measured: raise it where other code gives other figures, so that scores kept before are not read;
    those of other tasks still are."""


def measure(source: str, task: str, config: ScorecardConfig) -> list[Measured]:
    """All figures of one encoder on one task, kept below `out`/scores and taken from there.

    Where a store or weights are missing, or the encoder cannot do the task, there is one score without a value, with
    the reason. Raises ValueError for a task that is none.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}; choose from {', '.join(TASKS)}")
    about = TASKS[task]
    encoder = encoder_names(config).get(source, source)
    if not (config.stores / about.store).is_dir():
        return [_without(encoder, about, f"no store {about.store}")]
    if about.reported and not config.test:
        return [_without(encoder, about, "reported once, beside the test folds; pass test=True")]
    try:
        figures = _figures(source, about, config)
    except WeightsNotAtHand:
        return [_without(encoder, about, "weights not at hand")]
    except ValueError as error:
        return [_without(encoder, about, " ".join(str(error).split()))]
    return [
        Measured(
            encoder=encoder,
            task=task,
            figure=one.name,
            value=one.value,
            ci95=one.ci95,
            records=one.records,
            higher_is_better=one.higher_is_better,
            chooses=about.chooses and one.name == about.figure,
            reason="" if one.value is not None else "not measurable on these records",
            draws=one.draws,
        )
        for one in figures
    ]


@dataclass(frozen=True)
class _Kept:
    """A file below `out`/scores."""

    figures: tuple[Figure, ...]


def _figures(source: str, task: Task, config: ScorecardConfig) -> list[Figure]:
    prepared = Store(config.stores / task.store)
    store = prepared.twelve_leads()
    opened = open_source(source, config, store, task.decimated)
    asked = [
        __version__,
        _FORM,
        task.version,
        prepared.fingerprint(),
        opened.fingerprint,
        config.test,
        config.seed,
        config.bootstrap_draws,
        *(Store(there).fingerprint() for name in task.beside if (there := config.stores / name).is_dir()),
    ]
    path = _path(config.out, asked, task.name)
    if not path.is_file():
        for name, figures in task.measure(opened, store, config).items():
            write_result(_path(config.out, asked, name), _Kept(tuple(figures)))
    return list(read_result(path, _Kept).figures)


def _path(out: Path, asked: Sequence[object], task: str) -> Path:
    return out / SCORES / f"{task}-{canonical_hash(list(asked))[:16]}.json"


def _without(encoder: str, task: Task, reason: str) -> Measured:
    return Measured(encoder, task.name, task.figure, None, None, 0, True, task.chooses, reason)


def _labels(name: str, source: Source, store: Store, config: ScorecardConfig, **asked: Any) -> dict[str, list[Figure]]:
    return {name: probe_labels(source, store, config, **asked)}


def _age(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    return {"age": probe_numbers(source, store, config, "column:age_years")}


def _of_labels(name: str, about: str, chooses: bool = False, **asked: Any) -> Task:
    return Task(name, about, "ptb-xl", "AUROC", chooses, partial(_labels, name, **asked))


def _further(name: str, about: str, store: str, version: int = 1) -> tuple[Task, Task]:
    """By a linear probe, and fine-tuned."""
    frozen = Task(name, about, store, "AUROC", False, partial(further_records, name), reported=True, version=version)
    finetuned = partial(finetuned_records, name)
    return frozen, replace(
        frozen, name=f"{name}-finetuned", about=f"{about}, fine-tuned", measure=finetuned, named_only=True
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _of_labels("superclass", "five superclasses, linear probe", True, labels="superclass"),
        _of_labels("all-statements", "all 71 statements, linear probe", True, labels="all"),
        Task(
            "all-statements-attention", "all 71 statements, attention pooling", "ptb-xl", "AUROC", False,
            statements_by_attention,
        ),
        _of_labels(
            "superclass-1-percent", "superclasses, 1 % of the training patients", True, labels="superclass", share=0.01
        ),
        _of_labels(
            "superclass-10-percent", "superclasses, 10 % of the training patients", labels="superclass", share=0.1
        ),
        _of_labels("lead-II", "superclasses with lead II alone", True, labels="superclass", leads=("II",)),
        _of_labels("limb-leads", "superclasses with limb leads alone", labels="superclass", leads=LIMB_LEADS),
        Task("retrieval", "records of the same superclass", "ptb-xl", "mAP", True, retrieve_superclasses),
        Task("age", "age in years, ridge regression", "ptb-xl", "MAE (years)", False, _age),
        _of_labels("sex", "sex, linear probe", labels="column:sex"),
        Task("beats-linear", "classes of beats, linear probe", "mitdb", "macro F1", True, beats_by_both),
        Task("beats-nearest", "classes of beats, nearest neighbour", "mitdb", "macro F1", False, beats_by_both),
        Task("waves-sixteenth", "P, QRS and T from 1/16 of the subjects", "ludb200", "F1", True, waves_of_few, True),
        *_further("brugada", "Brugada syndrome against healthy, cross-validated", "brugada-huca"),
        *_further("ptbdb", "diagnoses of PTB Diagnostic, cross-validated", "ptbdb"),
        *_further("cinc2021", "diagnoses of CinC 2021's sources, cross-validated", "cinc2021", version=2),
        *_further("cinc2011", "acceptable or not, CinC 2011, cross-validated", "cinc2011"),
        *_further("cinc2017", "normal, AF, other, noise of one lead, CinC 2017, cross-validated", "cinc2017"),
        Task(
            "incart", "INCART's beats, by a probe of MIT-BIH's", "incartdb", "macro F1", False, incart_beats,
            reported=True, beside=(TRAINED_ON,),
        ),
    )
}  # fmt: skip
"""By name, in the order of tables."""
