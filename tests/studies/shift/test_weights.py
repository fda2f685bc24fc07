"""Weights that make one population as frequent as another."""

import numpy as np
import pandas as pd
import pytest

from beatssl.store.labels import Labels
from beatssl.studies.shift.figures import Areas, estimate
from beatssl.studies.shift.weights import by_age_and_sex, by_labels


def people(ages: list[float | None], sexes: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"age_years": pd.array(ages, dtype="Float64"), "sex": sexes})


def test_age_groups_and_sexes_become_as_frequent_as_there() -> None:
    own = people([20, 20, 20, 80], ["male", "male", "male", "female"])
    other = people([22, 81, 82, 83], ["male", "female", "female", "female"])
    weights = by_age_and_sex(own, other)
    assert weights is not None
    assert weights[:3].sum() == pytest.approx(1)  # a quarter of four
    assert weights[3] == pytest.approx(3)


def test_who_is_not_there_counts_for_nothing_and_unknown_ages_give_no_weights() -> None:
    own = people([20, 80], ["male", "female"])
    weights = by_age_and_sex(own, people([20, 21], ["male", "male"]))
    assert weights is not None
    assert weights.tolist() == [2, 0]
    assert by_age_and_sex(own, people([None, None, 30], ["male", "male", "male"])) is None
    assert by_age_and_sex(own, people([30, 40], [None, None])) is None


def test_labels_that_stand_together_become_as_frequent_as_there() -> None:
    own = Labels(np.array([[1, 0], [1, 1], [0, 1], [0, 0]], bool), np.ones((4, 2), bool), ("a", "b"))
    other = Labels(np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool), np.ones((4, 2), bool), ("a", "b"))
    other.known[3] = [False, True]
    assert by_labels(own, other, 0) == pytest.approx([4 * 2 / 3, 0, 4 / 3, 0])
    assert by_labels(own, other, 1) == pytest.approx([2, 0, 2, 0])  # of the last, b alone is known


def test_a_weight_of_two_is_the_record_twice() -> None:
    rng = np.random.default_rng(0)
    given, scores = rng.random((30, 2)) < 0.4, rng.normal(size=(30, 2))
    known = rng.random((30, 2)) < 0.8
    twice = np.where(np.arange(30) % 3 == 0, 2.0, 1.0)
    one = Areas.of(Labels(given, known, ("a", "b")), scores, np.ones((1, 30)), np.tile(twice, (2, 1)))
    rows = np.repeat(np.arange(30), twice.astype(int))
    other = Areas.of(Labels(given[rows], known[rows], ("a", "b")), scores[rows], np.ones((1, len(rows))))
    assert one.values() == pytest.approx(other.values())
    assert one.macro[0] == pytest.approx(np.mean(list(one.values().values())))


def test_an_estimate_is_the_first_with_the_quantiles_of_the_others() -> None:
    found = estimate(np.array([5.0, *np.linspace(0, 1, 101)]))
    assert (found.value, *found.ci95) == pytest.approx((5.0, 0.025, 0.975))
