import numpy as np
import pytest

from beatssl.signals.principal_axes import principal_axes


@pytest.mark.parametrize(("rows", "features"), [(8, 30), (30, 30), (200, 30), (50, 1)])
def test_axes_are_those_of_the_covariance(rows: int, features: int) -> None:
    rng = np.random.default_rng(rows)
    values = rng.normal(size=(rows, features)) * np.linspace(1, 3, features)
    values -= values.mean(axis=0)
    variance, axes = principal_axes(values, 5)
    count = min(5, features)
    expected = np.linalg.eigvalsh(np.cov(values, rowvar=False).reshape(features, features))[::-1][:count]
    np.testing.assert_allclose(variance, expected, rtol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(count), atol=1e-9)
    np.testing.assert_allclose((values @ axes.T).var(axis=0, ddof=1), variance, rtol=1e-9)
    assert (axes[np.arange(count), np.abs(axes).argmax(axis=1)] > 0).all()
