"""What came of a study: one tidy table of all figures, and what it says."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from beatssl.files import read_json
from beatssl.results import read_result
from beatssl.studies.scorecard.figures import interval_over_patients
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.earlier import Earlier
from beatssl.studies.study.evaluation import SCORES, Figure, Scored
from beatssl.studies.study.plan import BUNDLED, Run, plan
from beatssl.studies.study.plan_file import NamedContrast, StudyFile
from beatssl.studies.study.result import ContrastFigure, Cost, GroupRanks, Mean, SetAside
from beatssl.studies.study.statistics import paired_difference, ranks
from beatssl.studies.study.work import DONE, RUNS, Done, failure, folder_of, trained

COLUMNS = (
    "group", "variant", "seed", "budget", "task", "figure", "value", "higher_is_better", "chooses", "seconds", "hash",
    "source",
)  # fmt: skip


Figures = dict[tuple[str, str, str], Figure]
"""By run (its hash), task and name."""

_WITHOUT_DRAWS = Figure("", math.nan)


def table_of(study: StudyFile, config: StudyConfig, earlier: Earlier) -> tuple[pd.DataFrame, Figures, list[SetAside]]:
    """All figures that there are, a line each: of every group, budget and seed. A run of two groups has lines in both.

    And the figures themselves, with their draws of patients, which those of an earlier study lack; and the runs that
    failed.
    """
    lines: list[dict[str, object]] = []
    figures: Figures = {}
    aside: list[SetAside] = []
    for run in _every_run(study, config, earlier):
        folder = folder_of(config.out, run)
        if (why := failure(config.out, run)) is not None:
            aside.append(SetAside(run.hash, "/".join(run.names[0]), run.seed, why.reason))
        of_run: list[dict[str, object]] = []
        if trained(config.out, run):
            seconds = read_result(folder / DONE, Done).seconds
            for task, scored in _scored(folder):
                for one in scored.figures:
                    if math.isfinite(one.value):
                        figures[run.hash, task, one.name] = one
                        values = (
                            run.seed, run.budget, task, one.name, one.value, one.higher_is_better, one.chooses,
                            seconds, run.hash, run.source,
                        )  # fmt: skip
                        of_run.append(dict(zip(COLUMNS[2:], values, strict=True)))
        of_run += [one for one in earlier.lines(run) if (run.hash, one["task"], one["figure"]) not in figures]
        for group, variant in run.names:
            lines += [{**one, "group": group, "variant": variant} for one in of_run]
    return pd.DataFrame(lines, columns=list(COLUMNS)), figures, aside


def _every_run(study: StudyFile, config: StudyConfig, earlier: Earlier) -> Iterator[Run]:
    """The runs of every group at every budget, with as many seeds as any run that was begun has."""
    begun = [read_json(path) for path in sorted((config.out / RUNS).glob("*/run.json"))]
    begun += earlier.table[["seed", "budget"]].drop_duplicates().to_dict("records")
    seeds = 1 + max((one["seed"] for one in begun), default=0)
    for budget in study.budgets:
        if any(one["budget"] == budget for one in begun):
            yield from plan(study, replace(config, budget=budget, groups=tuple(study.groups), seeds=seeds))


def _scored(folder: Path) -> list[tuple[str, Scored]]:
    return [(path.stem, read_result(path, Scored)) for path in sorted((folder / SCORES).glob("*.json"))]


def means(table: pd.DataFrame) -> tuple[Mean, ...]:
    """Mean and standard deviation over seeds of every figure of every variant.

    Seeds are those that all pretrained variants of the group have the figure of, so that lines can be compared; the
    others have of these what there is. Where there are none, each variant's own.
    """
    keys = ["group", "budget", "variant", "task", "figure"]
    fair = [_of_shared_seeds(part) for _, part in _grouped(table, ["group", "budget", "task", "figure"])]
    table = table.loc[table.index.isin([line for part in fair for line in part.index])]
    return tuple(
        Mean(
            *key,
            mean=float(part["value"].mean()),
            sd=float(part["value"].std(ddof=1)) if len(part) > 1 else float("nan"),
            seeds=len(part),
            higher_is_better=bool(part["higher_is_better"].iloc[0]),
            chooses=bool(part["chooses"].iloc[0]),
        )
        for key, part in _grouped(table, keys)
    )


def costs(table: pd.DataFrame) -> tuple[Cost, ...]:
    """Time of every variant's training."""
    once = table.drop_duplicates(["group", "budget", "variant", "seed"])
    return tuple(
        Cost(*key, seconds=float(part["seconds"].median()), seeds=len(part))
        for key, part in _grouped(once, ["group", "budget", "variant"])
    )


def contrast_figures(
    table: pd.DataFrame, contrasts: Sequence[NamedContrast], figures: Figures
) -> tuple[ContrastFigure, ...]:
    """Every named contrast on every figure, over the seeds that both variants have; `figures` as of `table_of`."""
    out: list[ContrastFigure] = []
    for one in contrasts:
        here = table[(table["group"] == one.group) & table["variant"].isin([one.a, one.b])]
        if one.tasks:
            here = here[here["task"].isin(one.tasks)]
        for (budget, task, figure), part in _grouped(here, ["budget", "task", "figure"]):
            wide = part.pivot(index="seed", columns="variant", values="value").reindex(columns=[one.a, one.b]).dropna()
            if len(wide):
                a, b = (wide[name].to_numpy(np.float64) for name in (one.a, one.b))
                chooses = bool(part["chooses"].iloc[0])
                found = paired_difference(a, b)
                hashes = part.pivot(index="seed", columns="variant", values="hash").loc[wide.index]
                of_a, of_b = (
                    [figures.get((run, task, figure), _WITHOUT_DRAWS) for run in hashes[name]]
                    for name in (one.a, one.b)
                )
                patients = interval_over_patients(list(zip(of_a, of_b, strict=True)))
                out.append(ContrastFigure(one.name, one.a, one.b, budget, task, figure, chooses, found, patients))
    return tuple(out)


def group_ranks(table: pd.DataFrame) -> tuple[GroupRanks, ...]:
    """Variants of each group ranked by their means over seeds, over the tasks that choose.

    Tasks are those that all pretrained variants have a figure of (all variants, where none is pretrained); ranked are
    the variants that have all of these; means are over the seeds that all ranked variants have. What is left out is
    named, and so is the bundled encoder, which has seen the validation fold.
    """
    found: list[GroupRanks] = []
    for (group, budget), part in _grouped(table[table["chooses"].astype(bool)], ["group", "budget"]):
        seen = part["source"] == BUNDLED
        left_out = [f"{name} (was pretrained on the validation fold)" for name in part[seen]["variant"].unique()]
        part = part[~seen]
        pretrained = part[part["source"] == ""]
        tasks, lacked = _shared_by_all(pretrained if len(pretrained) else part, "task")
        left_out += [f"task {task} (not of all variants)" for task in lacked]
        part = part[part["task"].isin(tasks)]
        sign = part["higher_is_better"].map({True: 1.0, False: -1.0})
        runs = (
            part.assign(value=part["value"] * sign)
            .pivot_table(index=["variant", "seed"], columns="task", values="value")
            .dropna()
            .reset_index()
        )
        left_out += [
            f"{name} (not of all tasks)" for name in part["variant"].unique() if name not in set(runs["variant"])
        ]
        seeds, _ = _shared_by_all(runs, "seed")
        if len(runs) and not seeds:
            seeds = [runs.groupby("seed")["variant"].nunique().idxmax()]
            some = set(runs[runs["seed"].isin(seeds)]["variant"])
            left_out += [f"{name} (without seed {seeds[0]})" for name in runs["variant"].unique() if name not in some]
        wide = runs[runs["seed"].isin(seeds)].drop(columns="seed").groupby("variant", sort=False).mean()
        if len(wide) > 1:
            values: Mapping[str, list[float]] = {str(name): list(map(float, row)) for name, row in wide.iterrows()}
            ranked = ranks(values, [str(name) for name in wide.columns])
            found.append(GroupRanks(group, budget, len(seeds), ranked, tuple(left_out)))
    return tuple(found)


def _of_shared_seeds(part: pd.DataFrame) -> pd.DataFrame:
    pretrained = part[part["source"] == ""]
    seeds, _ = _shared_by_all(pretrained if len(pretrained) else part, "seed")
    return part[part["seed"].isin(seeds)] if seeds else part


def _shared_by_all(part: pd.DataFrame, column: str) -> tuple[list[object], list[object]]:
    """Values of a column that every variant has, and those that only some have."""
    variants = part.groupby(column)["variant"].nunique()
    every = variants == part["variant"].nunique()
    return list(variants.index[every]), list(variants.index[~every])


def _grouped(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    for key, part in table.groupby(keys, sort=False):
        yield tuple(map(str, key)), part  # of several keys always a tuple
