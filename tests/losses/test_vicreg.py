import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.losses.vicreg import covariance, invariance, variance


def slow_covariance(z, k, m):
    n = len(z)
    mean_k, mean_m = (sum(row[of] for row in z) / n for of in (k, m))
    return sum((row[k] - mean_k) * (row[m] - mean_m) for row in z) / (n - 1)


def slow(z_a, z_b):
    """Invariance of both, variance and covariance of the first: the equations of the docstrings, number by number."""
    n, d = z_a.shape
    apart = sum((z_a[i, k] - z_b[i, k]) ** 2 for i in range(n) for k in range(d)) / (n * d)
    hinge = sum(max(0.0, 1 - math.sqrt(slow_covariance(z_a, k, k) + 1e-4)) for k in range(d)) / d
    together = sum(slow_covariance(z_a, k, m) ** 2 for k in range(d) for m in range(d) if k != m) / d
    return apart, hinge, together


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 5), st.floats(0.1, 2.0))
@settings(max_examples=40, deadline=None)
def test_the_terms_are_their_loops(seed, n, d, size):
    rng = np.random.default_rng(seed)
    z_a, z_b = size * rng.normal(size=(n, d)), size * rng.normal(size=(n, d))
    a, b = torch.from_numpy(z_a), torch.from_numpy(z_b)
    found = [float(term) for term in (invariance(a, b), variance(a), covariance(a))]
    assert found == pytest.approx(slow(z_a, z_b), rel=1e-9, abs=1e-12)


def test_by_hand():
    z = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    assert float(invariance(z, -z)) == 4
    assert float(variance(z)) == 0  # variance 2 in both dimensions
    assert float(variance(z, least=2.0)) == pytest.approx(2 - math.sqrt(2 + 1e-4))
    assert float(covariance(z)) == pytest.approx(2 * 2**2 / 2)  # covariance 2, both ways, over two dimensions
    assert float(covariance(z * torch.tensor([1.0, 0.0]))) == 0


def test_collapsed_embeddings_are_pushed_apart_once_they_differ_at_all():
    z = (1e-3 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0))).requires_grad_()
    variance(z).backward()
    assert z.grad is not None
    centred = z.detach() - z.detach().mean(dim=0)
    assert float((z.grad * centred).sum()) < 0  # a step down the gradient makes them vary more


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_give_finite_terms_and_gradients(n):
    z = torch.ones(n, 3, requires_grad=True)
    total = invariance(z, z) + variance(z) + covariance(z)
    total.backward()
    assert float(total.detach()) == pytest.approx(0.99)
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_they_are_precise_under_autocast():
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        half = [variance(z), covariance(z), invariance(z, 2 * z)]
    assert [float(term) for term in half] == [float(variance(z)), float(covariance(z)), float(invariance(z, 2 * z))]
