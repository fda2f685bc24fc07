import numpy as np
import pytest

from beatssl.targets.space import FeatureSpace


def rows(n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(10, 10)) * np.array([5, 3, 2, 1, 1, 0.5, 0.5, 0.2, 0.1, 0.1])[:, None]
    return (rng.normal(size=(n, 10)) @ mix + 1.0).astype(np.float32)


def test_components_are_uncorrelated_and_evened_out_by_the_power():
    values = rows()
    everything = np.ones(values.shape, bool)
    for power in (0.0, -0.25, -0.5):
        found, _ = FeatureSpace.fit(values, 6, power).transform(values, everything)
        covariance = np.cov(found, rowvar=False)
        variance = np.diag(covariance)
        np.testing.assert_allclose(covariance - np.diag(variance), 0, atol=1e-4 * variance.max())
        assert variance.mean() == pytest.approx(1, rel=1e-4)
        plain = np.sort(np.linalg.eigvalsh(np.cov(values, rowvar=False)))[::-1][:6]
        np.testing.assert_allclose(variance / variance[0], (plain / plain[0]) ** (1 + 2 * power), rtol=1e-3)


def test_what_is_missing_is_uncertain_and_its_value_does_not_matter():
    values, space = rows(), FeatureSpace.fit(rows(), 10)
    measured = np.ones(values.shape, bool)
    measured[0, :5] = False
    measured[1] = False
    other = np.where(measured, values, np.float32(77))
    (a, certain), (b, _) = space.transform(values, measured), space.transform(other, measured)
    np.testing.assert_array_equal(a, b)
    assert ((certain[0] > 0) & (certain[0] < 1)).all()
    assert certain[0].sum() == pytest.approx(5, rel=1e-5)  # all ten axes together hold each feature once
    assert (certain[1] == 0).all()
    np.testing.assert_allclose(certain[2:], 1, rtol=1e-5)


def test_no_more_components_than_directions():
    values = rows()
    twice = np.concatenate([values, values], axis=1)
    assert len(FeatureSpace.fit(twice, 20).scale) <= 10


def test_saved_and_loaded_it_is_the_same(tmp_path):
    space, values = FeatureSpace.fit(rows(), 4), rows()
    space.save(tmp_path / "space.safetensors")
    again = FeatureSpace.load(tmp_path / "space.safetensors")
    everything = np.ones(values.shape, bool)
    np.testing.assert_array_equal(again.transform(values, everything)[0], space.transform(values, everything)[0])


def test_what_does_not_fit_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least two rows"):
        FeatureSpace.fit(rows()[:1])
    with pytest.raises(ValueError, match="all alike"):
        FeatureSpace.fit(np.ones((5, 3), np.float32))
    with pytest.raises(ValueError, match="rows of 3 features"):
        FeatureSpace.fit(rows()).transform(np.ones((5, 3), np.float32), np.ones((5, 3), bool))
    (tmp_path / "x").write_text("nothing")
    with pytest.raises(ValueError, match=r"FeatureSpace\.save"):
        FeatureSpace.load(tmp_path / "x")
