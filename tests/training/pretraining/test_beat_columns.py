import numpy as np
import pandas as pd

from beatssl.store.standardise import Standardised
from beatssl.training.pretraining.batches import make_batch
from beatssl.training.pretraining.beat_columns import chances, less_median
from beatssl.training.pretraining.columns import Columns


def test_features_less_the_median_of_their_record() -> None:
    table = pd.DataFrame({"r_mv_I": [1.0, 1.0, 4.0, 10.0, np.nan], "qrs_axis_deg": [170.0, 170.0, -170.0, 5.0, 5.0]})
    less = less_median(table, np.array([0, 0, 0, 1, 1]))
    assert list(less.columns) == ["r_mv_I_difference", "qrs_axis_deg_difference"]
    np.testing.assert_allclose(less["r_mv_I_difference"], [0, 0, 3, 0, np.nan])
    np.testing.assert_allclose(less["qrs_axis_deg_difference"], [0, 0, 20, 0, 0])


def test_a_beat_unlike_the_others_has_the_greater_chance() -> None:
    values = np.array([[0.0, 0.0], [3.0, 1.0], [3.0, 9.0], [9.0, 9.0]], np.float32)
    measured = np.array([[True, True], [True, True], [True, False], [False, False]])
    np.testing.assert_allclose(chances(Standardised(values, measured)), [1, 6, 10, 1])


def test_beats_are_drawn_by_their_chance(rows) -> None:
    count = np.diff(rows.beat_begin)
    chance = np.ones(len(rows.beats), np.float32)
    chance[rows.beat_begin[:-1][count > 0]] = 30  # the first beat of every record
    at, rng = np.arange(len(rows)), np.random.default_rng(0)
    share = {}
    for name, columns in {"even": Columns(), "by chance": Columns(chance=chance)}.items():
        drawn = [make_batch(rows, columns, at, slice(None), 1, rng) for _ in range(20)]
        assert all(len(one.chosen) == (count > 0).sum() for one in drawn)
        first = [(one.chosen.numpy() == (np.cumsum(count) - count)[count > 0]).mean() for one in drawn]
        share[name] = np.mean(first)
    assert share["even"] < 0.3 < 0.6 < share["by chance"]
