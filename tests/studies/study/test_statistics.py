import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.studies.study.statistics import paired_difference, ranks

VALUES = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=9)


def test_a_paired_difference_with_its_interval() -> None:
    # Differences .1 .2 .3 .4: mean .25, s .129099, t(.975, 3) = 3.182446, so ± .205426
    found = paired_difference(np.array([1.1, 2.2, 3.3, 4.4]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.mean == pytest.approx(0.25)
    assert (found.low, found.high) == pytest.approx((0.25 - 0.205426, 0.25 + 0.205426), abs=1e-5)
    assert found.seeds == 4
    assert str(found) == "+0.2500 (+0.0446 to +0.4554 over 4 seeds)"


def test_one_seed_has_no_interval() -> None:
    found = paired_difference(np.array([0.9]), np.array([0.8]))
    assert found.mean == pytest.approx(0.1)
    assert np.isnan([found.low, found.high]).all()
    assert str(found) == "+0.1000, one seed"


def test_no_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="one of each variant for every seed"):
        paired_difference(np.zeros(0), np.zeros(0))


@given(VALUES, st.floats(-1, 1))
def test_the_other_way_round_the_interval_is_mirrored_and_a_shift_of_both_changes_nothing(
    values: list[float], shift: float
) -> None:
    a, b = np.array(values), np.array(values[::-1]) * 0.5
    one, other = paired_difference(a, b), paired_difference(b + shift, a + shift)
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low), abs=1e-9)
    assert one.low <= one.mean <= one.high


def test_ranks_are_those_of_a_loop_and_ties_share_one() -> None:
    found = ranks({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.8, 0.6], "c": [0.7, 0.1, 0.9]}, ["x", "y", "z"])
    assert found.mean_rank == pytest.approx({"a": (1 + 1.5 + 2) / 3, "c": (2 + 3 + 1) / 3, "b": (3 + 1.5 + 3) / 3})
    assert list(found.mean_rank) == ["a", "c", "b"]
    assert 0 < found.friedman_p <= 1


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_the_critical_difference_is_the_published_one(k: int, q: float) -> None:
    """Quantiles of Demšar (2006), table 5."""
    values = {str(i): list(np.random.default_rng(i).random(14)) for i in range(k)}
    found = ranks(values, [str(i) for i in range(14)])
    assert found.critical_difference == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 14)), rel=2e-3)


def test_one_task_has_ranks_and_no_test() -> None:
    found = ranks({"a": [0.1], "b": [0.2], "c": [0.3]}, ["x"])
    assert list(found.mean_rank) == ["c", "b", "a"]
    assert np.isnan([found.friedman_p, found.critical_difference]).all()


@pytest.mark.parametrize("values", [{"a": [1.0]}, {"a": [1.0], "b": []}], ids=["one", "short"])
def test_what_cannot_be_ranked_is_refused(values: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="pass two at least"):
        ranks(values, ["x"])
