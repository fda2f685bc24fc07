import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.losses.latent import explained, standardised


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_they_are_their_loops(seed, n, channels):
    rng = np.random.default_rng(seed)
    latent, predicted = 3 + 2 * rng.normal(size=(n, channels)), rng.normal(size=(n, channels))
    expected = np.zeros((n, channels))
    for k in range(channels):
        mean = sum(latent[i, k] for i in range(n)) / n
        spread = sum((latent[i, k] - mean) ** 2 for i in range(n)) / n
        for i in range(n):
            expected[i, k] = (latent[i, k] - mean) / math.sqrt(spread + 1e-6)
    found = standardised(torch.from_numpy(latent))
    assert found.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    size = error = 0.0
    for i in range(n):
        for k in range(channels):
            size += expected[i, k] ** 2
            error += (predicted[i, k] - expected[i, k]) ** 2
    share = float(explained(torch.from_numpy(predicted), found))
    assert share == pytest.approx(1 - error / size if n > 1 else 0.0, rel=1e-4)


def test_targets_that_shrink_are_no_easier():
    latent = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(standardised(0.1 * latent + 5), standardised(latent), atol=1e-3)
    assert not standardised(torch.full((3, 2), 7.0)).any()
    assert standardised(torch.zeros(0, 2)).shape == (0, 2)
