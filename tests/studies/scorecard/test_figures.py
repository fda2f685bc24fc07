import json
import math

import numpy as np
import pytest

from beatssl.results import read_result, write_result
from beatssl.studies.scorecard.figures import Figure, figure, interval_over_patients


def test_a_figure_is_kept_with_its_draws_and_read_back(tmp_path):
    made = figure("F1", 0.5, np.array([0.25, np.nan, 0.12345678]), 3)
    assert made.ci95 == pytest.approx(tuple(np.quantile([0.25, 0.12345678], (0.025, 0.975))), abs=1e-12)
    write_result(tmp_path / "figure.json", made)
    assert json.loads((tmp_path / "figure.json").read_text())["draws"] == [0.25, None, 0.123457]
    np.testing.assert_array_equal(read_result(tmp_path / "figure.json", Figure).draws, made.draws)
    assert made.draws[::2] == (0.25, 0.123457)


def test_what_is_not_measurable_has_neither_interval_nor_draws():
    assert figure("F1", math.nan, np.array([0.5]), 3, False) == Figure("F1", None, None, 3, False, ())
    assert figure("F1", 0.5, np.array([np.nan]), 3).ci95 is None


def test_an_interval_of_several_pairs_is_that_of_their_mean_difference():
    a, b, c = (figure("F1", 0.5, np.array(of), 3) for of in ([0.5, 0.75, 0.5], [0.25, 0.25, 0.5], [0.5, 0.5, np.nan]))
    assert interval_over_patients([(a, b)]) == pytest.approx(tuple(np.quantile([0.25, 0.5, 0], (0.025, 0.975))))
    assert interval_over_patients([(a, b), (a, c)]) == pytest.approx(tuple(np.quantile([0.125, 0.375], (0.025, 0.975))))
    for pairs in ([], [(a, Figure("F1", 0.5, None, 3))], [(a, figure("F1", 0.5, np.array(a.draws), 4))]):
        assert np.isnan(interval_over_patients(pairs)).all()
