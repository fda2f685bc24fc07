import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.targets.similarity import KERNELS, cross_similarity, similarity


def slow(values, measured, kernel, width=1.0, steepness=2.0, alpha=1.0, threshold=0.25):
    """The definition, pair by pair and feature by feature."""
    n, features = values.shape
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            both = [f for f in range(features) if measured[i, f] and measured[j, f]]
            x, y = values[i, both], values[j, both]
            share = len(both) / features
            if kernel in ("gaussian", "softclt"):
                d2 = (((x - y) ** 2).sum() + 2 * (features - len(both))) / features
                if kernel == "gaussian":
                    out[i, j] = math.exp(-d2 / (2 * width**2))
                else:
                    out[i, j] = 2 * alpha / (1 + math.exp(steepness * math.sqrt(d2 / 2)))
                continue
            if kernel == "correlation" and len(both):
                x, y = x - x.mean(), y - y.mean()
            size = math.sqrt((x**2).sum() * (y**2).sum())
            agreement = math.sqrt(share) * (x * y).sum() / size if size > 1e-9 else 0.0
            out[i, j] = float(agreement >= threshold) if kernel == "threshold" else (1 + agreement) / 2
    return out


def rows(seed: int, n: int = 7, features: int = 9, missing: float = 0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.random((n, features)) >= missing


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_it_is_the_definition_pair_by_pair(kernel, missing):
    values, measured = rows(1, missing=missing)
    found = similarity(
        torch.from_numpy(values), torch.from_numpy(measured), kernel, width=0.7, steepness=3.0, alpha=0.5
    )
    expected = slow(values, measured, kernel, width=0.7, steepness=3.0, alpha=0.5)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@given(st.integers(0, 10_000), st.sampled_from(KERNELS))
@settings(max_examples=40, deadline=None)
def test_it_lies_between_0_and_1_is_symmetric_and_never_nan(seed, kernel):
    values, measured = rows(seed, n=5, features=4, missing=0.5)
    values[0] = 0.0
    values[1] = values[2]
    measured[3] = False
    found = similarity(torch.from_numpy(values).float(), torch.from_numpy(measured), kernel)
    assert torch.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 1).all()
    torch.testing.assert_close(found, found.T)


@pytest.mark.parametrize("kernel", KERNELS)
def test_values_that_were_not_measured_do_not_matter(kernel):
    values, measured = rows(2)
    other = np.where(measured, values, 99.0)
    a, b = (similarity(torch.from_numpy(v), torch.from_numpy(measured), kernel) for v in (values, other))
    torch.testing.assert_close(a, b)


def test_few_features_in_common_make_twins_uncertain():
    values = torch.ones(2, 8) * torch.tensor([1.0, -1, 1, 1, -1, 1, 1, 1])
    for kernel, stranger in (("cosine", 0.5), ("gaussian", math.exp(-1))):
        found = []
        for common in (8, 4, 1, 0):
            measured = torch.zeros(2, 8, dtype=torch.bool)
            measured[:, :common] = True
            found.append(float(similarity(values, measured, kernel)[0, 1]))
        assert found[0] == pytest.approx(1)
        assert found[-1] == pytest.approx(stranger)
        assert found == sorted(found, reverse=True)


def test_two_rows_by_hand():
    values = torch.tensor([[3.0, 4.0], [4.0, 3.0]])
    assert float(similarity(values)[0, 1]) == pytest.approx((1 + 24 / 25) / 2)
    assert float(similarity(values, kernel="gaussian")[0, 1]) == pytest.approx(math.exp(-0.5))
    assert float(similarity(values, kernel="softclt", steepness=1.0)[0, 1]) == pytest.approx(
        2 / (1 + math.exp(math.sqrt(0.5)))
    )
    assert float(similarity(values, kernel="correlation")[0, 1]) == pytest.approx(0)


def test_correlation_does_not_see_level_or_size():
    wave = torch.sin(torch.arange(50) / 5.0)
    values = torch.stack([wave, 3 * wave + 7, -wave])
    found = similarity(values, kernel="correlation")
    assert float(found[0, 1]) == pytest.approx(1, abs=1e-5)
    assert float(found[0, 2]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_rows_against_other_rows(kernel):
    values, measured = (torch.from_numpy(x) for x in rows(3, n=8))
    whole = similarity(values, measured, kernel)
    part = cross_similarity(values[:3], values[3:], measured[:3], measured[3:], kernel)
    torch.testing.assert_close(part, whole[:3, 3:])


def test_autocast_and_half_precision_change_nothing_of_weight():
    values, measured = (torch.from_numpy(x) for x in rows(4, n=20, features=300))
    exact = similarity(values, measured)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = similarity(values.float(), measured)
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, exact.float(), atol=1e-5, rtol=0)


def test_certainty_between_0_and_1_stands_between_missing_and_measured():
    values = torch.ones(2, 4)
    by = [float(similarity(values, torch.full((2, 4), c))[0, 1]) for c in (0.0, 0.5, 1.0)]
    assert by == pytest.approx([0.5, 0.75, 1.0])


def test_what_is_out_of_range_is_an_error():
    values = torch.ones(2, 2)
    with pytest.raises(ValueError, match="alpha 2"):
        similarity(values, kernel="softclt", alpha=2.0)
    with pytest.raises(ValueError, match="width 0"):
        similarity(values, kernel="gaussian", width=0.0)
