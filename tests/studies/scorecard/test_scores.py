import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.results import read_result, to_json, write_result
from beatssl.studies.scorecard.scores import Measured, Pretraining, Scorecard, differences, ranks_of, scorecard_of


def score(encoder, task, value, chooses=True, higher=True, figure="AUROC"):
    return Measured(encoder, task, figure, value, None if value is None else (value, value), 9, higher, chooses,
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
    del before["pretraining"], before["first_less_other"]
    write_result(tmp_path / "before.json", before)
    read = read_result(tmp_path / "before.json", Scorecard)
    assert (read.pretrained_on, read.first_less_other) == ("", ())


def drawn(encoder, value, draws, records=9):
    return Measured(encoder, "x", "AUROC", value, None, records, True, True, draws=tuple(map(float, draws)))


def test_the_first_encoder_less_each_other_one_in_the_same_draws():
    a, b = drawn("a", 0.9, [0.7, 0.8, math.nan, 0.9]), drawn("b", 0.8, [0.6, 0.6, 0.1, 0.9])
    scores = [a, b, drawn("c", 0.5, [0.5]), drawn("d", None, []), drawn("e", 0.5, b.draws, 8), drawn("f", 0.5, [])]
    found = differences(scores, [*"abcdef"])
    assert [(one.first, one.other) for one in found] == [("a", other) for other in "bcef"]
    assert found[0].difference == pytest.approx(0.1)
    assert found[0].ci95 == pytest.approx(tuple(np.quantile([0.1, 0.2, 0], (0.025, 0.975))))
    assert [one.ci95 for one in found[1:]] == [None] * 3
    assert differences([a], ["a"]) == ()
    card = scorecard_of(scores, [*"abcdef"], False, 0, 4)
    assert card.first_less_other == found
    assert "draws" not in to_json(card)["scores"][0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0, 1))
def test_an_encoder_less_itself_is_0(draws, value):
    (found,) = differences([drawn("a", value, draws), drawn("b", value, draws)], ["a", "b"])
    assert (found.difference, found.ci95) == (0, (0, 0))


def test_the_paired_interval_of_encoders_that_find_the_same_patients_hard_is_the_narrower():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.02, 500)
    a, b, apart = (shared + rng.normal(0.8, 0.004, 500) for shared in (hard, hard, rng.permutation(hard)))
    paired, unpaired = (
        differences([drawn("a", 0.8, a), drawn("b", 0.8, other)], ["a", "b"])[0].ci95 for other in (b, apart)
    )
    assert 3 * (paired[1] - paired[0]) < unpaired[1] - unpaired[0]
