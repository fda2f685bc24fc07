import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.store.standardise import FeatureStandardiser

ROWS = 200


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "plain_ms": rng.normal(80, 10, ROWS),
            "heavy_mv": np.exp(rng.normal(0, 2, ROWS)),
            "mostly_zero": np.where(rng.random(ROWS) < 0.97, 0.0, 3.0),
            "constant": np.ones(ROWS),
            "never": np.full(ROWS, np.nan),
            "qrs_axis_deg": rng.uniform(-180, 180, ROWS),
            "gap_ms": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(160, 20, ROWS)),
        }
    ).astype(np.float32)
    return frame.assign(same_gap_ms=frame["gap_ms"] * 2)


@pytest.fixture(scope="module")
def median_mv() -> np.ndarray:
    rng = np.random.default_rng(1)
    sizes = rng.normal(size=(ROWS, 3)) * (3.0, 1.0, 0.3)
    shapes = rng.normal(size=(3, 12 * 110))
    beats = (sizes @ shapes).reshape(ROWS, 12, 110) + 0.01 * rng.normal(size=(ROWS, 12, 110))
    beats[7, 8] = np.nan
    return beats.astype(np.float32)


def all_rows() -> np.ndarray:
    return np.arange(ROWS)


def test_columns_without_information_are_left_out_and_directions_become_two(table):
    scale = FeatureStandardiser.fit(table, None, all_rows())
    assert scale.names == (
        "plain_ms", "heavy_mv", "mostly_zero", "gap_ms", "same_gap_ms", "qrs_axis_sin", "qrs_axis_cos"
    )  # fmt: skip
    rows = scale.transform(table)
    assert rows.values.shape == (ROWS, len(scale.names)) == rows.measured.shape
    assert rows.values.dtype == np.float32


def test_the_scale_is_that_of_a_normal_distribution_and_tails_are_tamed(table):
    scale = FeatureStandardiser.fit(table, None, all_rows())
    values = scale.transform(table).values
    assert np.median(values[:, 0]) == pytest.approx(0, abs=1e-6)
    assert values[:, 0].std() == pytest.approx(1, abs=0.15)
    assert np.abs(values).max() <= 5
    assert table["heavy_mv"].max() / table["heavy_mv"].median() > 50


def test_missing_is_apart_from_average(table):
    scale = FeatureStandardiser.fit(table, None, all_rows())
    rows = scale.transform(table)
    gap = scale.names.index("gap_ms")
    np.testing.assert_array_equal(rows.measured[:, gap], table["gap_ms"].notna())
    assert (rows.values[~rows.measured] == 0).all()
    wide = scale.for_models(rows)
    assert wide.shape[1] == len(scale.names) + 1  # the two gaps are one pattern
    np.testing.assert_array_equal(wide[:, -1], table["gap_ms"].isna())


def test_only_training_rows_are_learnt_from(table, median_mv):
    training = np.arange(120)
    spoilt, beats = table.copy(), median_mv.copy()
    spoilt.iloc[120:] *= 1000
    beats[120:] += 5
    first = FeatureStandardiser.fit(table, median_mv, training, components=4)
    second = FeatureStandardiser.fit(spoilt, beats, training, components=4)
    for name in ("centre", "spread", "beat_mean_mv", "beat_axes", "explained_share"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    mask = np.arange(ROWS) < 120
    np.testing.assert_array_equal(FeatureStandardiser.fit(table, None, mask).centre, FeatureStandardiser.fit(
        table, None, training).centre)  # fmt: skip


def test_components_hold_the_median_beat(table, median_mv):
    scale = FeatureStandardiser.fit(table, median_mv, all_rows(), components=5)
    np.testing.assert_allclose(scale.beat_axes @ scale.beat_axes.T, np.eye(5), atol=1e-9)
    assert scale.explained_share[:3].sum() > 0.99
    assert (np.diff(scale.explained_share) <= 0).all()
    rows = scale.transform(table, median_mv)
    first = scale.names.index("beat_component_1")
    assert not rows.measured[7, first:].any()
    assert rows.measured[8, first:].all()
    assert np.abs(np.corrcoef(rows.values[8:, first : first + 3].T) - np.eye(3)).max() < 0.2


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_order_is_kept(a, b):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50)})
    scale = FeatureStandardiser.fit(frame, None, np.arange(50))
    low, high = scale.transform(pd.DataFrame({"x": [min(a, b), max(a, b)]})).values[:, 0]
    assert low <= high


def test_neighbouring_directions_are_close():
    frame = pd.DataFrame({"t_axis_deg": [179.0, -179.0, 0.0, 90.0, -90.0]})
    values = FeatureStandardiser.fit(frame, None, np.arange(5)).transform(frame).values
    apart = np.linalg.norm(values[0] - values[1:], axis=1)
    assert apart[0] < 0.1 < 1 < apart[1]


def test_saved_and_loaded_it_is_the_same(table, median_mv, tmp_path):
    scale = FeatureStandardiser.fit(table, median_mv, all_rows(), components=3)
    scale.save(tmp_path / "scale.safetensors")
    again = FeatureStandardiser.load(tmp_path / "scale.safetensors")
    assert again.names == scale.names
    assert again.training_rows == ROWS
    one, two = scale.transform(table, median_mv), again.transform(table, median_mv)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(scale.for_models(one), again.for_models(two))


def test_errors_name_what_is_wrong(table, median_mv, tmp_path):
    scale = FeatureStandardiser.fit(table, median_mv, all_rows(), components=3)
    with pytest.raises(ValueError, match="'plain_ms' first"):
        scale.transform(table.drop(columns="plain_ms"), median_mv)
    with pytest.raises(ValueError, match="pass median_mv"):
        scale.transform(table)
    with pytest.raises(ValueError, match="220 samples"):
        scale.transform(table, np.repeat(median_mv, 2, axis=2))
    with pytest.raises(ValueError, match="1 training rows are too few"):
        FeatureStandardiser.fit(table, None, np.array([3]))
    (tmp_path / "wrong").write_text("no such file")
    with pytest.raises(ValueError, match="no safetensors file"):
        FeatureStandardiser.load(tmp_path / "wrong")
