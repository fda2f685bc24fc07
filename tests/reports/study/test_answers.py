from collections.abc import Callable
from pathlib import Path

import pytest

from beatssl.reports.study.answers import length_lines, rate_lines
from beatssl.results import read_result
from beatssl.studies.study.result import JSON, Cost, Mean, StudyResult


def of(group: str, variant: str, value: float, task: str = "superclass") -> Mean:
    return Mean(group, "small", variant, task, "AUROC", value, float("nan"), 1, True, True)


def result(*means: Mean) -> StudyResult:
    costs = tuple(Cost(one.group, one.budget, one.variant, 10 * at, 1) for at, one in enumerate(means, 1))
    return StudyResult("default", means, costs, (), (), ())


def test_a_rival_stands_at_the_rate_that_is_best_for_the_superclasses() -> None:
    lines = rate_lines(
        result(
            of("rival-rates", "a, 1e-3", 0.8), of("rival-rates", "a, 1e-3", 0.9, "lead-II"),
            of("rival-rates", "a, 1e-2", 0.85), of("rival-rates", "a, 1e-2", 0.7, "lead-II"),
            of("rival-rates", "b, with a comma, 1e-3", 0.95),
            of("untrained", "features", 0.9),
        )
    )  # fmt: skip
    assert lines[2:] == [
        "| preset | rate | superclass, AUROC | lead-II, AUROC |",
        "| --- | --- | --- | --- |",
        "| b, with a comma | 1e-3 | 0.950 | – |",
        "| a | 1e-2 | 0.850 | 0.700 |",
        "| features | – | 0.900 | – |",
    ]


def test_a_probe_is_reached_by_the_shortest_length_that_has_it() -> None:
    lines = length_lines(
        result(
            of("epochs", "a, 8", 0.925), of("epochs", "a, 1", 0.86), of("epochs", "a, 2", 0.9),
            of("network-epochs", "b, 1", 0.849), of("network-epochs", "long", 0.99),
        )
    )  # fmt: skip
    assert lines[2:] == [
        "| group | variant | epochs run | 0.85 | 0.90 | 0.92 | 0.93 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| epochs | a | 1, 2, 8 | 1 (20 s) | 2 (30 s) | 8 (10 s) | not reached |",
        "| network-epochs | b | 1 | not reached | not reached | not reached | not reached |",
    ]


@pytest.mark.parametrize("lines", [rate_lines, length_lines])
def test_a_study_without_the_groups_has_no_such_table(studied: Path, lines: Callable[[StudyResult], list[str]]) -> None:
    assert lines(read_result(studied / JSON, StudyResult)) == []
