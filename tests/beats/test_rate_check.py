"""Sampling rates that a heart rate contradicts."""

import pytest

from beatssl.beats.rate_check import likely_rates


@pytest.mark.parametrize("beats_per_min", [20, 60, 150, 349])
def test_a_rate_that_some_person_has_says_nothing(beats_per_min: float) -> None:
    assert likely_rates(beats_per_min, 500.0) == ()


@pytest.mark.parametrize(
    ("beats_per_min", "fs_hz", "rates"),
    [(12, 100, (500.0,)), (6, 100, (1000.0,)), (600, 1000, (100.0,)), (400, 1000, (200.0, 250.0))],
)
def test_a_wrong_digit_is_found(beats_per_min: float, fs_hz: float, rates: tuple[float, ...]) -> None:
    assert likely_rates(beats_per_min, fs_hz) == rates
