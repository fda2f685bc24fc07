from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.classes.clusters import COMPONENTS, BeatClusters, fit_clusters
from beatssl.beats.windows import Beats, beats_of_rows

SHAPES = 3


def beats_of_shapes(shape: np.ndarray, leads: int, seed: int, size: float = 1.0) -> Beats:
    """One beat a row; beats of one shape are alike but for noise and size."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(7).normal(size=(SHAPES, leads, 1))
    widths = np.array([0.012, 0.03, 0.05])
    time = np.arange(150) / 100 - 0.6
    waves = patterns * np.exp(-0.5 * (time / widths[:, None, None]) ** 2)
    signals = [
        (size * rng.uniform(0.7, 1.4) * waves[s] + 0.01 * rng.normal(size=(leads, 150))).astype(np.float32)
        for s in shape
    ]
    return beats_of_rows(signals, [np.array([0.6])] * len(shape), 100.0)


@pytest.fixture(scope="module")
def shape() -> np.ndarray:
    return np.random.default_rng(0).integers(0, SHAPES, 300)


@pytest.fixture(scope="module")
def clusters(shape: np.ndarray) -> BeatClusters:
    return fit_clusters(beats_of_shapes(shape, 12, 1), SHAPES, np.random.default_rng(0))


@pytest.mark.parametrize("leads", [1, 2, 12])
def test_each_shape_is_a_cluster_also_in_new_beats(shape, leads):
    clusters = fit_clusters(beats_of_shapes(shape, leads, 1), SHAPES, np.random.default_rng(0))
    other = np.random.default_rng(1).integers(0, SHAPES, 200)
    assigned = clusters.assign(beats_of_shapes(other, leads, 2))
    pairs = set(zip(other.tolist(), assigned.tolist(), strict=True))
    assert len(pairs) == SHAPES == len({cluster for _, cluster in pairs})


@settings(max_examples=15, deadline=None)
@given(size=st.floats(0.2, 5.0))
def test_size_does_not_count(clusters, shape, size):
    whole = beats_of_shapes(shape[:40], 12, 3)
    scaled = replace(whole, window_mv=(whole.window_mv * np.float32(size)).astype(np.float32))
    np.testing.assert_array_equal(clusters.assign(scaled), clusters.assign(whole))


def test_one_seed_gives_one_result(shape, clusters):
    again = fit_clusters(beats_of_shapes(shape, 12, 1), SHAPES, np.random.default_rng(0))
    for name in ("mean", "components", "centroids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(clusters, name))


def test_clusters_are_numbered_by_size_and_components_are_orthonormal(shape, clusters):
    sizes = np.bincount(clusters.assign(beats_of_shapes(shape, 12, 1)), minlength=SHAPES)
    assert list(sizes) == sorted(sizes, reverse=True)
    flat = clusters.components.reshape(len(clusters.components), -1)
    assert len(flat) == COMPONENTS
    np.testing.assert_allclose(flat @ flat.T, np.eye(COMPONENTS), atol=1e-4)


def test_a_missing_lead_changes_few_beats_and_no_signal_gets_no_cluster(shape, clusters):
    beats = beats_of_shapes(shape, 12, 1)
    window = beats.window_mv.copy()
    window[:, 8] = np.nan
    window[0] = np.nan
    assigned = clusters.assign(replace(beats, window_mv=window))
    assert assigned[0] == -1
    assert (assigned[1:] == clusters.assign(beats)[1:]).mean() > 0.95


def test_what_is_saved_is_loaded(tmp_path, shape, clusters):
    clusters.save(tmp_path / "clusters.safetensors")
    loaded = BeatClusters.load(tmp_path / "clusters.safetensors")
    beats = beats_of_shapes(shape, 12, 5)
    np.testing.assert_array_equal(loaded.assign(beats), clusters.assign(beats))
    (tmp_path / "other").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="holds no beat clusters"):
        BeatClusters.load(tmp_path / "other")


def test_fewer_beats_than_clusters_and_none_at_all(shape):
    few = beats_of_shapes(shape[:5], 2, 1)
    assert len(fit_clusters(few, 32, np.random.default_rng(0))) == 5
    with pytest.raises(ValueError, match="at least 1"):
        fit_clusters(replace(few, window_mv=few.window_mv * np.float32(np.nan)), 4, np.random.default_rng(0))


def test_more_leads_than_known_is_an_error(shape):
    two = fit_clusters(beats_of_shapes(shape[:20], 2, 1), 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="beats of 3 leads, clusters of 2"):
        two.assign(beats_of_shapes(shape[:4], 3, 1))
