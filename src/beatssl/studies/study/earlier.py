"""Figures of an earlier study of the same file, from the study.csv and study.json that it left."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from beatssl.results import read_result
from beatssl.studies.study.evaluation import has_figures
from beatssl.studies.study.plan import Run
from beatssl.studies.study.result import CSV, JSON, ContrastFigure, StudyResult

_KEY = ["hash", "task", "figure"]


@dataclass(frozen=True)
class Earlier:
    """What an earlier study found, by the hashes of its runs: no encoders, no draws of patients."""

    table: pd.DataFrame
    """A line for each run, task and figure, with the columns of study.csv."""
    contrasts: tuple[ContrastFigure, ...] = ()

    def finished(self, run: Run, tasks: Sequence[str]) -> bool:
        """Whether a run has figures of all tasks that it can have any of."""
        found = set(self.table.loc[self.table["hash"] == run.hash, "task"])
        return bool(found) and {task for task in tasks if has_figures(run, task)} <= found

    def lines(self, run: Run) -> Iterator[dict[str, object]]:
        """The lines of a run."""
        for line in self.table[self.table["hash"] == run.hash].to_dict("records"):
            yield {str(column): value for column, value in line.items()}

    def with_patients(self, one: ContrastFigure) -> ContrastFigure:
        """A contrast with its interval over patients, where the earlier study had the same difference."""
        if math.isfinite(one.patients[0]):
            return one
        for was in self.contrasts:
            same = (was.name, was.a, was.b, was.budget, was.task, was.figure, was.difference.seeds) == (
                one.name, one.a, one.b, one.budget, one.task, one.figure, one.difference.seeds,
            )  # fmt: skip
            if same and math.isclose(was.difference.mean, one.difference.mean, abs_tol=1e-9):
                return replace(one, patients=was.patients)
        return one


def read_earlier(folder: Path | None, columns: Sequence[str]) -> Earlier:
    """The earlier study in a folder; nothing for None.

    Raises ValueError where the folder lacks one of the two files, or its table has other columns.
    """
    if folder is None:
        return Earlier(pd.DataFrame(columns=list(columns)))
    if missing := [name for name in (CSV, JSON) if not (folder / name).is_file()]:
        raise ValueError(f"{folder} has no {missing[0]}; --earlier takes the folder that a study wrote both files to")
    table = pd.read_csv(folder / CSV, dtype={"hash": str, "source": str}, keep_default_na=False)
    if list(table.columns) != list(columns):
        raise ValueError(f"{folder / CSV} has columns {', '.join(table.columns)}, not those of a study")
    return Earlier(table.drop_duplicates(_KEY), read_result(folder / JSON, StudyResult).contrasts)
