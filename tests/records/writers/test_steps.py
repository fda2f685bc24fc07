"""The step of a digitised lead, found again from its float32 values."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from beatssl.records.writers.steps import counted, simplest


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    gain=st.floats(1.0, 1e5),
    amplitude=st.integers(200, 200_000),
    slope=st.integers(2, 200),
    offset=st.sampled_from((0.0, 0.5, 0.25, 1 / 3, 10_000.0, -50_000.5)),
)
def test_any_gain_is_found(seed: int, gain: float, amplitude: int, slope: int, offset: float) -> None:
    counts = np.cumsum(np.random.default_rng(seed).integers(-slope, slope + 1, 4000))
    counts = np.clip(counts, -amplitude, amplitude)
    assume(len(np.unique(counts)) > 20)  # of a lead clipped nearly throughout
    values = ((counts + offset) / gain).astype(np.float32)
    found = counted(values)
    assert found is not None
    for step_mv in (found.least_mv, (found.least_mv + found.most_mv) / 2, found.most_mv):
        wrong = (found.counts * step_mv).astype(np.float32) != values
        # at the very ends of the interval a value may be a tie between two floats
        assert wrong.sum() == 0 or step_mv in (found.least_mv, found.most_mv)
    assert np.ptp(found.counts) <= 4 * np.ptp(counts)


def test_few_values_and_noise() -> None:
    for values in ([0.0] * 9, [0.7] * 9, [0.0, 0.1, 0.25] * 3):
        found = counted(np.array(values, np.float32))
        assert found is not None
        middle = (found.least_mv + found.most_mv) / 2
        np.testing.assert_array_equal((found.counts * middle).astype(np.float32), np.array(values, np.float32))
    noise = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    found = counted(noise)
    assert found is None or np.ptp(found.counts) > 2**24


def test_simplest() -> None:
    assert simplest(204.5, 205.4) == 205.0
    assert simplest(0.00487999, 0.00488001) == 0.00488
    assert simplest(np.pi, np.pi) == pytest.approx(np.pi, abs=0)
