"""Figures of numbers against scikit-learn and against records counted several times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from beatssl.metrics.regression import figures_of_numbers


@given(st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3))
def test_figures_are_those_of_scikit_learn_over_known_records(seed, middle):
    rng = np.random.default_rng(seed)
    truth = middle + rng.normal(size=(30, 2))
    predicted = truth + rng.normal(0.2, 0.5, size=(30, 2))
    known = rng.random((30, 2)) < 0.7
    known[:3] = True
    truth[~known] = np.nan
    times = rng.integers(0, 3, (1, 30))
    times[:, :3] = 1
    found = figures_of_numbers(truth, predicted, known, times.astype(np.float64))
    for k in range(2):
        at = np.repeat(np.arange(30), times[0] * known[:, k])
        true, said = truth[at, k], predicted[at, k]
        expected = {
            "mae": mean_absolute_error(true, said),
            "rmse": root_mean_squared_error(true, said),
            "bias": np.mean(said - true),
            "r2": r2_score(true, said),
            "correlation": np.corrcoef(true, said)[0, 1],
        }
        assert {kind: values[0, k] for kind, values in found.items()} == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_numbers_that_do_not_differ_have_errors_but_no_share_of_variance():
    known = np.ones((4, 1), bool)
    found = figures_of_numbers(np.full((4, 1), 7.0), np.full((4, 1), 8.0), known, np.ones((1, 4)))
    assert found["mae"].item() == found["bias"].item() == 1
    assert np.isnan([found["r2"].item(), found["correlation"].item()]).all()
    assert np.isnan(figures_of_numbers(np.ones((4, 1)), np.ones((4, 1)), known, np.zeros((1, 4)))["mae"].item())
