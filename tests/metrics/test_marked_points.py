"""Marked points: the better and the first lead, marks that are not set, records without predictions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.metrics.marked_points import marked_point_figures

FIRST = {"a": "II", "b": "ECG1"}


def qrs(record: str, onsets_s: list[float], lead: str = "") -> pd.DataFrame:
    onset = np.array(onsets_s, np.float64)
    return pd.DataFrame({"record_id": record, "lead": lead, "wave": "QRS", "onset_s": onset, "offset_s": onset + 0.1})


def test_the_better_lead_is_chosen_at_each_point() -> None:
    reference = qrs("a", [1.0, 2.0, 3.0, 4.0])
    found = pd.concat([qrs("a", [1.02, 2.05, 3.01, 9.0], "II"), qrs("a", [0.99, 2.04, 3.09, 9.0], "V5")])
    figures = marked_point_figures(reference, found, FIRST)
    better, first = figures.better_lead["QRS_on"], figures.first_lead["QRS_on"]
    assert (better.marked, better.se) == (4, 0.75)
    assert better.mean_ms == pytest.approx(np.mean([-10, 40, 10]))
    assert better.sd_ms == pytest.approx(np.std([-10, 40, 10]))
    assert first.se == 0.75
    assert first.mean_ms == pytest.approx(np.mean([20, 50, 10]))


def test_marks_that_are_not_set_and_records_without_predictions() -> None:
    reference = pd.concat([qrs("a", [1.0, 2.0]), qrs("b", [1.0])])
    reference.iloc[0, reference.columns.get_loc("onset_s")] = np.nan
    figures = marked_point_figures(reference, qrs("a", [1.0, 2.0], "V5"), FIRST)
    assert (figures.better_lead["QRS_on"].marked, figures.better_lead["QRS_on"].se) == (2, 0.5)
    assert (figures.better_lead["QRS_off"].marked, figures.better_lead["QRS_off"].se) == (
        3,
        pytest.approx(2 / 3),
    )
    assert figures.first_lead["QRS_on"].se == 0.0  # the record's first lead has no wave
    assert np.isnan(figures.first_lead["QRS_on"].sd_ms)
    assert figures.better_lead["P_on"].marked == 0
    assert np.isnan(figures.better_lead["P_on"].se)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_errors_are_those_of_the_nearest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    marked, two, five = (np.sort(rng.uniform(0, 5, n)) for n in (8, 9, 7))
    found = pd.concat([qrs("a", two.tolist(), "II"), qrs("a", five.tolist(), "V5")])
    figures = marked_point_figures(qrs("a", marked.tolist()), found, FIRST)
    for lead, offered in (("first_lead", two), ("better_lead", np.concatenate([two, five]))):
        nearest = [min((t - mark for t in offered), key=abs) for mark in marked]
        near = np.array([error for error in nearest if abs(error) <= 0.15])
        assert getattr(figures, lead)["QRS_on"].se == len(near) / 8
        if len(near):
            assert getattr(figures, lead)["QRS_on"].mean_ms == pytest.approx(1000 * near.mean(), abs=1e-6)
