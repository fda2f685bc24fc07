"""The table of published costs: a source for every line, GPU hours only where GPUs and days are known."""

import json
from pathlib import Path

import pytest

from beatssl.reports.costs.published_costs import MISSING, PublishedCosts, published_costs_table
from beatssl.results import read_result

REPO = Path(__file__).resolve().parents[3]


def written(folder: Path, *models: dict[str, object]) -> Path:
    (folder / "published").mkdir()
    (folder / "published" / "costs.json").write_text(json.dumps({"models": models}), encoding="utf-8")
    return folder


def test_a_line_a_model_and_a_dash_for_what_is_not_said(tmp_path: Path) -> None:
    known: dict[str, object] = {"pretrained_on": "PTB-XL", "sources": {"paper": "https://x.org/1"}}
    table = published_costs_table(
        written(
            tmp_path,
            {"model": "A", **known, "million_weights": 3, "gflop": 1.5, "gpus": 4, "days": 16.5, "hardware": "A100"},
            {"model": "B", **known, "gpus": 2, "training": "9 epochs"},
            {"model": "C", **known, "hardware": "A100", "days": 3},
        )
    )
    assert "not measured here" in table
    source = "[paper](https://x.org/1)"
    assert f"| A | PTB-XL | 3.0; 1.50 GFLOP a record | 4 × A100 | – | 1,584 | {source} |" in table
    assert f"| B | PTB-XL | – | 2 GPUs | 9 epochs | – | {source} |" in table
    assert f"| C | PTB-XL | – | A100 | – | – | {source} |" in table


def test_where_the_file_is_missing_a_word_stands_for_the_table(tmp_path: Path) -> None:
    assert published_costs_table(tmp_path) == MISSING


def test_a_model_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no PublishedCosts: models\.0\.sources"):
        published_costs_table(written(tmp_path, {"model": "A", "pretrained_on": "PTB-XL"}))


def test_every_line_has_a_source_and_the_page_holds_what_the_results_say() -> None:
    for cost in read_result(REPO / "results" / "published" / "costs.json", PublishedCosts).models:
        assert cost.sources, cost.model
        assert all(address.startswith("https://") for address in cost.sources.values()), cost.model
    page, table = (REPO / "docs" / "results.md").read_text(encoding="utf-8"), published_costs_table(REPO / "results")
    assert f"<!-- published costs: begin -->\n{table}\n<!-- published costs: end -->" in page
