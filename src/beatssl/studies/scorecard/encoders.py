"""Every encoder on every task: the scorecard."""

from collections.abc import Callable

from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.scores import Measured, Scorecard, scorecard_of
from beatssl.studies.scorecard.sources import encoder_names, pretraining_of
from beatssl.studies.scorecard.tasks import TASKS, measure


def tasks_of(config: ScorecardConfig) -> tuple[str, ...]:
    """The tasks asked for, or all whose store is there but those that have to be named; those of further databases with
    the test folds alone.

    Raises ValueError for a task that is none, and where no store is there.
    """
    if unknown := [task for task in config.tasks if task not in TASKS]:
        raise ValueError(f"there is no task {unknown[0]!r}; choose tasks= from {', '.join(TASKS)}")
    tasks = config.tasks or tuple(
        task
        for task, about in TASKS.items()
        if (config.stores / about.store).is_dir() and (config.test or not about.reported) and not about.named_only
    )
    if not tasks:
        wanted = ", ".join(dict.fromkeys(about.store for about in TASKS.values()))
        raise ValueError(
            f"none of the stores {wanted} is in {config.stores}; prepare one there, or pass another stores="
        )
    return tasks


def score_encoders(config: ScorecardConfig, finished: Callable[[Scorecard], None] = lambda card: None) -> Scorecard:
    """Scores of all encoders, task after task, in the order given.

    `finished` gets the scorecard so far after each task, from the first on that gave a score. Raises ValueError as
    `tasks_of`, for names as `names_of` does, and where not one score came of it, with the first reason.
    """
    names = encoder_names(config)
    tasks = tasks_of(config)
    scores: list[Measured] = []
    pretraining = {name: found for source, name in names.items() if (found := pretraining_of(source)) is not None}

    def card() -> Scorecard:
        return scorecard_of(
            scores, tuple(names.values()), config.test, config.seed, config.bootstrap_draws, pretraining
        )

    for task in tasks:
        for source in names:
            scores += measure(source, task, config)
        if any(one.value is not None for one in scores):
            finished(card())
    if all(one.value is None for one in scores):
        raise ValueError(f"no score came of it; {scores[0].encoder}, {scores[0].task}: {scores[0].reason}")
    return card()
