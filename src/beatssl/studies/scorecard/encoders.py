"""Every encoder on every task: the scorecard."""

from collections.abc import Callable

from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.scores import Score, Scorecard, scorecard_of
from beatssl.studies.scorecard.sources import encoder_names, pretraining_of
from beatssl.studies.scorecard.tasks import TASKS, measure


def score_encoders(config: ScorecardConfig, finished: Callable[[Scorecard], None] = lambda card: None) -> Scorecard:
    """Scores of all encoders, task after task, in the order given.

    `finished` gets the scorecard so far after each task. Tasks are those asked for, or all whose store is there. Raises
    ValueError for a task that is none, for names as `names_of` does, where no store is there, and where not one score
    came of it, with the first reason.
    """
    names = encoder_names(config)
    if unknown := [task for task in config.tasks if task not in TASKS]:
        raise ValueError(f"there is no task {unknown[0]!r}; choose tasks= from {', '.join(TASKS)}")
    tasks = config.tasks or tuple(
        task
        for task, about in TASKS.items()
        if (config.stores / about.store).is_dir() and (config.test or not about.reported)
    )
    if not tasks:
        wanted = ", ".join(dict.fromkeys(about.store for about in TASKS.values()))
        raise ValueError(
            f"none of the stores {wanted} is in {config.stores}; prepare one there, or pass another stores="
        )
    scores: list[Score] = []
    pretraining = {name: found for source, name in names.items() if (found := pretraining_of(source)) is not None}

    def card() -> Scorecard:
        return scorecard_of(
            scores, tuple(names.values()), config.test, config.seed, config.bootstrap_draws, pretraining
        )

    for task in tasks:
        for source in names:
            scores += measure(source, task, config)
        finished(card())
    if all(one.value is None for one in scores):
        raise ValueError(f"no score came of it; {scores[0].encoder}, {scores[0].task}: {scores[0].reason}")
    return card()
