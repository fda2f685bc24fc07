from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.reports.study.lines import study_lines
from beatssl.results import read_result, to_json, write_result
from beatssl.studies.study.earlier import Earlier
from beatssl.studies.study.evaluation import Figure
from beatssl.studies.study.plan_file import NamedContrast
from beatssl.studies.study.result import ContrastFigure, StudyResult
from beatssl.studies.study.table import COLUMNS, contrast_figures, costs, group_ranks, means


def table_of(values: Mapping[tuple[str, int, str], float], sources: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Figures by variant, seed and task."""
    lines = [
        (
            "g", variant, seed, "small", task, "AUROC", value, True, True, 1.0, f"{variant}{seed}",
            (sources or {}).get(variant, ""),
        )
        for (variant, seed, task), value in values.items()
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=list(COLUMNS))


def test_a_task_that_only_some_variants_have_is_left_out_of_the_ranks_and_named() -> None:
    values = {("a", 0, "x"): 0.9, ("b", 0, "x"): 0.8, ("a", 0, "y"): 0.1}
    (found,) = group_ranks(table_of(values))
    assert found.ranks.tasks == ("x",)
    assert dict(found.ranks.mean_rank) == {"a": 1, "b": 2}
    assert found.left_out == ("task y (not of all variants)",)


def test_tasks_are_those_of_pretrained_variants_and_others_without_them_are_left_out() -> None:
    values = {(name, 0, task): at / 10 for at, name in enumerate("abc") for task in "xy"} | {("scratch", 0, "x"): 0.9}
    (found,) = group_ranks(table_of(values, {"scratch": "scratch"}))
    assert found.ranks.tasks == ("x", "y")
    assert list(found.ranks.mean_rank) == ["c", "b", "a"]
    assert found.left_out == ("scratch (not of all tasks)",)
    table = table_of(values)
    result = StudyResult("f", means(table), costs(table), (), (found,), ())
    assert any("Not among the ranks: scratch (not of all tasks)." in line for line in study_lines(result))


def test_the_encoder_that_saw_the_validation_fold_is_not_ranked() -> None:
    values = {(name, 0, "x"): at / 10 for at, name in enumerate(("random", "features", "bundled"))}
    sources = {"random": "random", "features": "features", "bundled": "default"}
    (found,) = group_ranks(table_of(values, sources))
    assert list(found.ranks.mean_rank) == ["features", "random"]
    assert found.left_out == ("bundled (was pretrained on the validation fold)",)


def test_means_are_of_the_seeds_that_all_variants_of_the_group_have() -> None:
    values = {("a", 0, "x"): 0.7, ("a", 1, "x"): 0.9, ("b", 0, "x"): 0.8, ("a", 0, "y"): 0.1, ("a", 1, "y"): 0.3}
    found = {(one.variant, one.task): (round(one.mean, 6), one.seeds) for one in means(table_of(values))}
    assert found == {("a", "x"): (0.7, 1), ("b", "x"): (0.8, 1), ("a", "y"): (0.2, 2)}
    fewer = values | {("b", 1, "x"): 0.6, ("scratch", 0, "x"): 0.9}
    found = {(one.variant, one.task): one.seeds for one in means(table_of(fewer, {"scratch": "scratch"}))}
    assert found == {("a", "x"): 2, ("b", "x"): 2, ("a", "y"): 2, ("scratch", "x"): 1}
    apart = means(table_of({("a", 0, "x"): 0.7, ("b", 1, "x"): 0.8}))
    assert [(one.variant, one.mean) for one in apart] == [("a", 0.7), ("b", 0.8)]


def test_ranks_are_of_the_seeds_that_all_ranked_variants_have() -> None:
    values = {("a", 0, "x"): 0.7, ("a", 1, "x"): 0.9, ("a", 2, "x"): 0.9, ("b", 0, "x"): 0.8, ("b", 2, "y"): 0.1}
    (found,) = group_ranks(table_of(values))
    assert (found.seeds, list(found.ranks.mean_rank)) == (1, ["b", "a"])


def test_a_variant_without_the_seed_of_most_is_left_out() -> None:
    (found,) = group_ranks(table_of({("a", 0, "x"): 0.7, ("b", 0, "x"): 0.8, ("c", 1, "x"): 0.9}))
    assert list(found.ranks.mean_rank) == ["b", "a"]
    assert found.left_out == ("c (without seed 0)",)


CONTRAST = NamedContrast("a against b", "g", "a", "b", ())


def contrast_of(draws: Mapping[str, list[float]]) -> ContrastFigure:
    """Of two seeds of a and one of b besides, from the draws of each run."""
    values = {("a", 0, "x"): 0.8, ("a", 1, "x"): 0.9, ("a", 2, "x"): 0.1, ("b", 0, "x"): 0.7, ("b", 1, "x"): 0.7}
    figures = {(run, "x", "AUROC"): Figure("AUROC", 0.5, 9, draws=tuple(of)) for run, of in draws.items()}
    (found,) = contrast_figures(table_of(values), [CONTRAST], figures)
    return found


def test_the_interval_over_patients_is_of_the_mean_over_the_seeds_of_both() -> None:
    draws = {"a0": [0.8, 0.9, 0.7], "a1": [0.9, 0.9, 0.8], "a2": [0.0, 0.1, 0.0], "b0": [0.7, 0.7, 0.7],
             "b1": [0.6, 0.9, 0.8]}  # fmt: skip
    found = contrast_of(draws)
    assert (found.difference.mean, found.difference.seeds) == (pytest.approx(0.15), 2)
    assert found.patients == pytest.approx(tuple(np.quantile([0.2, 0.1, 0.0], (0.025, 0.975))))
    same = contrast_of(draws | {"b0": draws["a0"], "b1": draws["a1"]})
    assert same.patients == (0, 0)
    assert np.isnan(contrast_of(draws | {"b1": []}).patients).all()
    assert np.isnan(contrast_of({}).patients).all()


def test_an_interval_over_patients_is_kept_from_an_earlier_study_of_the_same_difference() -> None:
    now = contrast_of({})
    was = replace(now, patients=(0.1, 0.2))
    assert Earlier(table_of({}), (was,)).with_patients(now).patients == (0.1, 0.2)
    other = replace(was, difference=replace(was.difference, mean=was.difference.mean + 0.01))
    assert np.isnan(Earlier(table_of({}), (other,)).with_patients(now).patients).all()
    found = replace(now, patients=(0.3, 0.4))
    assert Earlier(table_of({}), (was,)).with_patients(found) == found


def test_a_study_kept_before_patients_had_an_interval_is_read(tmp_path: Path) -> None:
    before = to_json(StudyResult("f", (), (), (contrast_of({}),), (), ()))
    del before["contrasts"][0]["patients"]
    write_result(tmp_path / "study.json", before)
    assert np.isnan(read_result(tmp_path / "study.json", StudyResult).contrasts[0].patients).all()
