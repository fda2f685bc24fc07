from collections.abc import Mapping

import pandas as pd

from beatssl.reports.study.lines import study_lines
from beatssl.studies.study.result import StudyResult
from beatssl.studies.study.table import COLUMNS, costs, group_ranks, means


def table_of(values: Mapping[tuple[str, int, str], float], sources: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Figures by variant, seed and task."""
    lines = [
        ("g", variant, seed, "small", task, "AUROC", value, True, True, 1.0, "abc", (sources or {}).get(variant, ""))
        for (variant, seed, task), value in values.items()
    ]
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


def test_ranks_are_of_the_seeds_that_all_ranked_variants_have() -> None:
    values = {("a", 0, "x"): 0.7, ("a", 1, "x"): 0.9, ("a", 2, "x"): 0.9, ("b", 0, "x"): 0.8, ("b", 2, "y"): 0.1}
    (found,) = group_ranks(table_of(values))
    assert (found.seeds, list(found.ranks.mean_rank)) == (1, ["b", "a"])


def test_a_variant_without_the_seed_of_most_is_left_out() -> None:
    (found,) = group_ranks(table_of({("a", 0, "x"): 0.7, ("b", 0, "x"): 0.8, ("c", 1, "x"): 0.9}))
    assert list(found.ranks.mean_rank) == ["b", "a"]
    assert found.left_out == ("c (without seed 0)",)
