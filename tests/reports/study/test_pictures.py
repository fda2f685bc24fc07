import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.reports.draw import draw
from beatssl.reports.study.pictures import cliques, curve_places


def texts(path: Path) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8")))


def test_a_study_is_drawn(studied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(studied, folder)
    made = draw(folder)
    assert sorted(made) == [
        "contrasts-small", "data-small-curve", "data-small-figures", "data-small-ranks", "levels-small-figures",
        "levels-small-ranks",
    ]  # fmt: skip
    assert all(path.read_text(encoding="utf-8").startswith("<svg") for path in made.values())
    ranks = texts(made["levels-small-ranks"])
    assert all(text in ranks for text in ("both  1.00", "beat only  2.00", "3.00  rhythm only", "over 3 tasks"))
    figures = texts(made["levels-small-figures"])
    assert all(text in figures for text in ("superclass", "lead-II", "age", "AUROC", "error", "beat only"))
    assert "F1" not in figures
    assert "1/16" in texts(made["data-small-curve"])
    assert "both against rhythm: lead-II, AUROC" in texts(made["contrasts-small"])


def test_what_is_not_finished_is_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"study": {}}))
    with pytest.raises(ValueError, match=r"no study\.json and study\.csv; make them with beatssl study"):
        draw(tmp_path)


@given(st.lists(st.floats(1, 9), min_size=1, max_size=8).map(sorted), st.floats(0.1, 4))
def test_cliques_are_the_longest_runs_that_do_not_differ(ranks: list[float], reach: float) -> None:
    found = cliques(ranks, reach)
    slow = [
        (i, j) for i in range(len(ranks)) for j in range(i + 1, len(ranks))
        if ranks[j] - ranks[i] <= reach
        and (i == 0 or ranks[j] - ranks[i - 1] > reach)
        and (j == len(ranks) - 1 or ranks[j + 1] - ranks[i] > reach)
    ]  # fmt: skip
    assert found == slow


@pytest.mark.parametrize(
    ("variants", "places"),
    [
        (["1/16", "1/4", "1"], [0.0625, 0.25, 1]), (["λ 0.05", "λ 1", "λ 4"], [0.05, 1, 4]),
        (["0", "1", "2"], None), (["64", "128"], None), (["soft", "hard", "none"], None),
    ],
    ids=["shares", "symbol", "zero", "two", "words"],
)  # fmt: skip
def test_variants_that_are_numbers_have_a_curve(variants: list[str], places: list[float] | None) -> None:
    assert curve_places(variants) == (None if places is None else dict(zip(variants, places, strict=True)))


def test_a_variant_that_is_more_than_a_number_has_no_place_in_the_curve() -> None:
    variants = ["λ 0.5", "λ 1", "λ 1, pooled map", "λ 2", "15, own weight 0.5", "time mask 0.25"]
    assert curve_places(variants) == {"λ 0.5": 0.5, "λ 1": 1, "λ 2": 2}
