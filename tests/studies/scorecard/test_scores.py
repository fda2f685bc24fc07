import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.results import read_result, to_json, write_result
from beatssl.studies.scorecard.scores import Pretraining, Score, Scorecard, ranks_of, scorecard_of


def score(encoder, task, value, chooses=True, higher=True, figure="AUROC"):
    return Score(encoder, task, figure, value, None if value is None else (value, value), 9, higher, chooses,
                 "" if value is not None else "weights not at hand")  # fmt: skip


def test_mean_ranks_over_tasks_that_choose():
    scores = [
        score("a", "x", 0.9), score("b", "x", 0.8), score("c", "x", 0.9),
        score("a", "y", 3.0, higher=False), score("b", "y", 2.0, higher=False), score("c", "y", 4.0, higher=False),
        score("a", "z", 0.1, chooses=False), score("b", "z", 0.9, chooses=False), score("c", "z", 0.9, chooses=False),
    ]  # fmt: skip
    card = scorecard_of(scores, ("a", "b", "c"), False, 0, 10)
    assert card.ranks == {"x": {"a": 1.5, "b": 3.0, "c": 1.5}, "y": {"a": 2.0, "b": 1.0, "c": 3.0}}
    assert card.mean_rank == {"a": 1.75, "b": 2.0, "c": 2.25}


def test_an_encoder_that_lacks_a_value_is_not_ranked_and_moves_no_others_rank():
    scores = [score("a", "x", 0.8), score("b", "x", 0.9), score("b", "y", None), score("a", "y", 0.5)]
    card = scorecard_of(scores, ("a", "b"), True, 0, 10)
    assert card.ranks == {"x": {"a": 1.0}, "y": {"a": 1.0}}
    assert card.mean_rank == {"a": 1.0, "b": None}
    assert scorecard_of([score("b", "y", None)], ("b",), True, 0, 10).mean_rank == {"b": None}


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=4))
def test_ranks_of_a_task_sum_to_the_same_and_follow_its_values(values):
    scores = [score("abc"[k], str(task), float(of[k])) for task, of in enumerate(values) for k in range(3)]
    for task, ranks in ranks_of(scores).items():
        of = values[int(task)]
        assert sum(ranks.values()) == pytest.approx(6)
        better = [sum(other > own for other in of) + (1 + sum(other == own for other in of)) / 2 for own in of]
        np.testing.assert_allclose(list(ranks.values()), better)


def test_a_card_is_read_as_it_was_written_and_printed_as_a_table(tmp_path):
    scores = [score("a", "x", 0.875), score("b", "x", None), score("a", "x", 12.5, chooses=False, figure="MAE (years)")]
    made_of = {"b": Pretraining("simclr", "ptbxl and cinc", "1-7", 12345)}
    card = scorecard_of(scores, ("a", "b"), False, 0, 10, made_of)
    write_result(tmp_path / "card.json", card)
    assert read_result(tmp_path / "card.json", Scorecard) == card
    text = str(card)
    assert text.splitlines()[0] == "validation folds; * counts in the mean rank"
    assert "0.875 (0.875 to 0.875)*  –" in text
    assert "12.50 (12.50 to 12.50)" in text
    assert "b, x: weights not at hand" in text
    assert text.splitlines()[-3].split() == ["mean", "rank", "1", "tasks", "1.000", "–"]
    assert text.splitlines()[-2] == "Pretrained on: b: simclr, ptbxl and cinc, folds 1-7, 12,345 rows."
    before = to_json(card)
    del before["pretraining"]
    write_result(tmp_path / "before.json", before)
    assert read_result(tmp_path / "before.json", Scorecard).pretrained_on == ""
