"""The table of encoders' costs: what stands in the file, or a word that it is missing."""

from pathlib import Path

import pytest

from beatssl.bench.times import EncoderCost, EncoderCosts, ModelCost, PassCost
from beatssl.models.encoder import ENCODERS
from beatssl.reports.costs.encoder_costs import MISSING, encoder_costs_table
from beatssl.results import read_result, write_result

REPO = Path(__file__).resolve().parents[3]
COSTS = EncoderCosts(
    64, 1000, 1, 2.5,
    {
        "vit": EncoderCost(
            3.15, 0.82, PassCost(40.0, 30.25, 20.0), PassCost(15.0, 12.5, 1250.0),
            {"float32": 30.0, "bfloat16": 50.4}, {"float32": 40.0, "bfloat16": 60.0},
        )
    },
    {"segmenter": ModelCost(3.6, 5.25, PassCost(60.0, 50.0, 99.6))},
    {"ecg-fm": ModelCost(90.9, 61.254, PassCost(2000.0, 1500.0, 450.0))},
)  # fmt: skip


def test_a_line_an_encoder_and_a_line_a_bundled_model(tmp_path: Path) -> None:
    write_result(tmp_path / "bench-encoders.json", COSTS)
    table = encoder_costs_table(tmp_path)
    assert "Twelve leads, 1000 samples, width 1, float32, CPU, threads: 1; load before: 2.5." in table
    assert "| vit | 3.1 | 0.82 | 30.2 (40.0) | 12.5 (15.0) | 20 / 1,250 | 40 (30) / 60 (50) |" in table
    assert "| ecg-fm: embedding, published network, random weights | 90.9 | 61.25 | 1500.0 (2000.0) | 450 |" in table
    assert "| bundled segmenter: waves of twelve leads | 3.6 | 5.25 | 50.0 (60.0) | 100 |" in table


def test_where_the_file_is_missing_a_word_stands_for_the_table(tmp_path: Path) -> None:
    assert encoder_costs_table(tmp_path) == MISSING


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bench-encoders.json").write_text('{"batch_size": 3}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"bench-encoders.json holds no EncoderCosts"):
        encoder_costs_table(tmp_path)


def test_every_encoder_was_measured_and_the_page_holds_what_the_results_say() -> None:
    assert list(read_result(REPO / "results" / "bench-encoders.json", EncoderCosts).encoders) == list(ENCODERS)
    page = (REPO / "docs" / "results.md").read_text(encoding="utf-8")
    assert (
        f"<!-- encoder costs: begin -->\n{encoder_costs_table(REPO / 'results')}\n<!-- encoder costs: end -->" in page
    )
