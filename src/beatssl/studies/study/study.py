"""The verb `study`: runs that a file names, done by any number of processes, and one table of what came of them."""

import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from beatssl.files import make_folder, write_bytes
from beatssl.results import write_result
from beatssl.store.outputs import open_folder
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.earlier import Earlier, read_earlier
from beatssl.studies.study.evaluation import check_tasks
from beatssl.studies.study.plan import Run, plan
from beatssl.studies.study.plan_file import StudyFile, read_study_file
from beatssl.studies.study.result import CSV, JSON, StudyResult
from beatssl.studies.study.table import COLUMNS, contrast_figures, costs, group_ranks, means, table_of
from beatssl.studies.study.work import failure, finished, lacks_stores, work

_STUDY = {"study": {}}
"""What config.json of the folder holds: any file and budget may go on in it, runs are told apart by their hashes."""


def study(config: StudyConfig) -> StudyResult:
    """Run what a study's file names and is not finished, and write `out`/study.json and `out`/study.csv.

    Each run's folder is `out`/runs/HASH: pretrain/ with the encoder, scores/ with a file a task, failed.json where it
    was set aside. Stopped, it goes on when the same command is given again; several may work on one folder.

    Raises ValueError where the file states something that cannot be run, before anything is.
    """
    stated = read_study_file(config.file)
    tasks = config.tasks or stated.base.tasks
    check_tasks(tasks)
    runs = plan(stated, config)
    earlier = read_earlier(config.earlier, COLUMNS)
    make_folder(config.out)
    open_folder(config.out, _STUDY)
    left = [run for run in runs if not earlier.finished(run, tasks)]
    if config.earlier is not None:
        _say(f"{config.earlier}: has the figures of {len(runs) - len(left)} of {len(runs)} runs")
    if not config.only_table:
        _work(config, left, tasks)
    result = _result(stated, config, runs, tasks, earlier)
    write_result(config.out / JSON, result)
    return result


def _work(config: StudyConfig, runs: Sequence[Run], tasks: Sequence[str]) -> None:
    """In this process, and in others where there are to be more."""
    until = float("inf") if config.minutes is None else 60 * config.minutes
    one = replace(config, workers=1, only_table=False)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_process, args=(one, config.workers)) for _ in range(config.workers - 1)]
    threads = torch.get_num_threads()
    for process in others:
        process.start()
    try:
        torch.set_num_threads(max(1, threads // config.workers))
        work(runs, tasks, config, _say, time.monotonic() + until)
    finally:
        torch.set_num_threads(threads)
        for process in others:
            process.join()


def _process(config: StudyConfig, workers: int) -> None:
    """What another process does: the same, from the file on."""
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    stated = read_study_file(config.file)
    tasks, earlier = config.tasks or stated.base.tasks, read_earlier(config.earlier, COLUMNS)
    _work(config, [run for run in plan(stated, config) if not earlier.finished(run, tasks)], tasks)


def _result(
    stated: StudyFile, config: StudyConfig, runs: Sequence[Run], tasks: Sequence[str], earlier: Earlier
) -> StudyResult:
    table, figures, aside = table_of(stated, config, earlier)
    left = [run for run in runs if not earlier.finished(run, tasks) and not finished(config.out, run, tasks)]
    write_bytes(config.out / CSV, table.to_csv(index=False).encode())
    return StudyResult(
        file=config.file if config.file == "default" else Path(config.file).name,
        means=means(table),
        costs=costs(table),
        contrasts=tuple(map(earlier.with_patients, contrast_figures(table, stated.contrasts, figures))),
        ranks=group_ranks(table),
        set_aside=tuple(aside),
        out=config.out.name,
        planned=len(runs),
        finished=sum(
            earlier.finished(run, tasks) or (finished(config.out, run, tasks) and failure(config.out, run) is None)
            for run in runs
        ),
        lacking=tuple(dict.fromkeys(name for run in left for name in lacks_stores(run, tasks))),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
