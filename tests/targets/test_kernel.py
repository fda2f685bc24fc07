import numpy as np
import pytest

from beatssl.targets.kernel import KernelTargets, kernel_coordinates
from beatssl.targets.space import FeatureSpace


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """300 rows of 12 features, which four numbers decide."""
    rng = np.random.default_rng(3)
    return np.clip(rng.normal(size=(300, 4)) @ rng.normal(size=(4, 12)) / 2, -5, 5).astype(np.float32)


def similarities(rows: np.ndarray, config: KernelTargets) -> np.ndarray:
    """S by a slow loop, from the formula."""
    centres = np.arange(-3, 3.01, config.width)
    bumps = np.array(
        [[np.exp(-(((x - c) / config.width) ** 2)) for c in centres for x in np.clip(r, -4, 4)] for r in rows]
    )
    space = FeatureSpace.fit(bumps.astype(np.float32), config.components, 0.0)
    b = (bumps - space.mean) @ space.axes.T
    cosine = (b @ b.T) / np.outer(np.linalg.norm(b, axis=1), np.linalg.norm(b, axis=1))
    return ((1 + cosine) / 2) ** config.exponent


def test_coordinates_are_the_leading_eigenvectors_of_the_similarities(rows: np.ndarray) -> None:
    config = KernelTargets(coordinates=6, components=16, landmarks=300)
    _, vectors = np.linalg.eigh(similarities(rows, config))
    found = kernel_coordinates(rows, config)
    assert found.shape == (300, 6)
    for k in range(6):
        wanted = vectors[:, -1 - k] - vectors[:, -1 - k].mean()
        assert abs(np.corrcoef(found[:, k], wanted)[0, 1]) > 0.999


def test_coordinates_have_mean_0_and_variance_1(rows: np.ndarray) -> None:
    found = kernel_coordinates(rows, KernelTargets(coordinates=8, landmarks=50))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-4)


def test_a_linear_model_of_coordinates_tells_what_one_of_features_cannot(rows: np.ndarray) -> None:
    """Whether a feature is far from normal, on either side, is no linear function of it."""
    wanted = np.abs(rows[:, 0]) - np.abs(rows[:, 0]).mean()

    def explained(x: np.ndarray) -> float:
        design = np.column_stack([x, np.ones(len(x))])
        rest = wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
        return 1 - rest.var() / wanted.var()

    assert explained(rows) < 0.2
    assert explained(kernel_coordinates(rows, KernelTargets(coordinates=40, landmarks=300))) > 0.6


def test_the_same_rows_give_the_same_coordinates(rows: np.ndarray) -> None:
    config = KernelTargets(coordinates=5, landmarks=100)
    np.testing.assert_array_equal(kernel_coordinates(rows, config), kernel_coordinates(rows.copy(), config))


def test_coordinates_beyond_the_rank_are_left_out() -> None:
    two_kinds = np.repeat(np.array([[1.0, -1.0], [-1.0, 2.0]], np.float32), 20, axis=0)
    assert kernel_coordinates(two_kinds, KernelTargets(coordinates=30)).shape[1] <= 2


def test_rows_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all alike"):
        kernel_coordinates(np.ones((5, 3), np.float32), KernelTargets(coordinates=2))
