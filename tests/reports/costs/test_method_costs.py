"""The table of methods' costs: what stands in the file, or a word that it is missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from beatssl.bench.times import MethodCosts, StepCost
from beatssl.reports.costs.method_costs import MISSING, method_costs_table
from beatssl.results import write_result

REPO = Path(__file__).resolve().parents[3]
SIMCLR = StepCost(
    {"loading": 0.002, "views": 0.02, "encoder": 0.9, "losses": 0.07, "optimizer": 0.01, "step": 1.002},
    1.0, 1500.0, 1.0, 180.4, 1.0, None,
)  # fmt: skip
HALF = replace(SIMCLR, seconds={"step": 0.501}, memory_mb=900.0, gflops=90.2, ratio=0.5)
COSTS = MethodCosts(
    128, 4, 12, 10, "xresnet1d", 3_131_264, "float32", "cpu", 2, 0.4, "not known: no counter",
    {"simclr": SIMCLR, "cmsc": replace(SIMCLR, ratio=0.51, energy_j=31.25)},
    {"batch_size": {"64": {"simclr": HALF}}, "leads": {"1": {"simclr": SIMCLR, "cmsc": SIMCLR}}},
)  # fmt: skip


def test_a_line_a_method_and_how_each_grows(tmp_path: Path) -> None:
    write_result(tmp_path / "bench-methods.json", COSTS)
    table = method_costs_table(tmp_path)
    assert "Batches of 128 records of 12 leads, 4 beats a record, xresnet1d of 3.1 million weights" in table
    assert "| simclr | 2 / 20 / 900 / 70 / 10 / 1002 | 1.00 | 1,500 (1.00) | 180.4 (1.00) | – |" in table
    assert "| cmsc | 2 / 20 / 900 / 70 / 10 / 1002 | 0.51 | 1,500 (1.00) | 180.4 (1.00) | 31.2 |" in table
    assert "| records a batch: 64 | leads: 1 |" in table
    assert "| simclr | 0.50 / 0.60 / 0.50 | 1.00 / 1.00 / 1.00 |" in table
    assert "| cmsc | – | 1.00 / 1.00 / 1.00 |" in table


def test_where_the_file_is_missing_a_word_stands_for_the_table(tmp_path: Path) -> None:
    assert method_costs_table(tmp_path) == MISSING


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bench-methods.json").write_text('{"batch_size": 3}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"bench-methods.json holds no MethodCosts"):
        method_costs_table(tmp_path)


def test_the_page_holds_what_the_results_say() -> None:
    page = (REPO / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"<!-- method costs: begin -->\n{method_costs_table(REPO / 'results')}\n<!-- method costs: end -->" in page
