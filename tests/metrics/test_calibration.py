import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.metrics.calibration import (
    calibration_figures,
    chances,
    expected_calibration_error,
    fit_temperatures,
    reliability,
)


def drawn(temperature, records=20_000, seed=0):
    """Labels drawn from probabilities whose log odds are then multiplied by `temperature`."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-0.5, 1.5, (records, 1))
    labels = rng.random((records, 1)) < 1 / (1 + np.exp(-odds))
    return labels, odds * temperature


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found_and_mends_the_error(temperature):
    labels, scores = drawn(temperature)
    known = np.ones_like(labels)
    found = fit_temperatures(labels, scores, known)
    assert found == pytest.approx([temperature], rel=0.05)
    fresh, odds = drawn(temperature, seed=1)
    figures = calibration_figures(fresh, odds, known, found, ("A",)).calibration
    assert figures.macro_ece_after < 0.012
    if temperature != 1:
        assert figures.macro_ece_before > 0.03


def test_what_is_not_known_and_what_is_too_little_fits_nothing():
    labels, scores = drawn(3.0)
    known = np.arange(len(labels))[:, None] < 5000
    alone = fit_temperatures(labels[:5000], scores[:5000], known[:5000])
    assert fit_temperatures(labels ^ ~known, scores, known) == alone
    assert fit_temperatures(labels[:12], scores[:12], np.ones((12, 1), bool)) == [1.0]
    assert fit_temperatures(labels & False, scores, known) == [1.0]


def test_error_of_a_case_worked_by_hand():
    chance = np.array([0.1, 0.12, 0.5, 0.95, 1.0])
    labels = np.array([False, True, False, True, True])
    bins = reliability(labels, chance)
    assert bins.records == (2.0, 1.0, 2.0)
    assert bins.probability == pytest.approx([0.11, 0.5, 0.975])
    assert bins.positive_share == (0.5, 0.0, 1.0)
    expected = (2 * 0.39 + 0.5 + 2 * 0.025) / 5
    assert expected_calibration_error(labels, chance) == pytest.approx(expected)
    assert np.isnan(expected_calibration_error(labels[:0], chance[:0]))


@given(st.integers(0, 1000), st.floats(0.05, 20))
@settings(max_examples=20, deadline=None)
def test_a_temperature_keeps_the_order_and_the_side(seed, temperature):
    scores = np.random.default_rng(seed).normal(0, 3, (50, 1))
    chance = chances(scores, np.array([temperature]))
    assert ((chance > 0.5) == (scores > 0)).all()
    order = np.argsort(scores[:, 0])
    assert (np.diff(chance[order, 0]) >= 0).all()
