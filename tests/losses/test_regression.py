import numpy as np
import pytest
import torch

from beatssl.losses.regression import masked_regression


def slow(prediction, values, measured, delta):
    each = []
    for p, v, m in zip(prediction.ravel(), values.ravel(), measured.ravel(), strict=True):
        e = abs(p - v)
        if m:
            each.append(e**2 / 2 if e <= delta else delta * (e - delta / 2))
    return np.mean(each)


def test_it_is_the_loop_over_what_was_measured():
    rng = np.random.default_rng(0)
    prediction, values, measured = rng.normal(size=(6, 5)), 2 * rng.normal(size=(6, 5)), rng.random((6, 5)) > 0.4
    found = masked_regression(*(torch.from_numpy(x) for x in (prediction, values, measured)), delta=0.7)
    assert float(found) == pytest.approx(slow(prediction, values, measured, 0.7))


def test_by_hand():
    prediction, values = torch.tensor([[1.0, 0.0, 5.0]]), torch.tensor([[0.5, 3.0, float("nan")]])
    measured = torch.tensor([[True, True, False]])
    assert float(masked_regression(prediction, values, measured)) == pytest.approx((0.125 + 2.5) / 2)


def test_gradients_and_none_where_nothing_was_measured():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    prediction = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    measured = torch.rand(3, 4, generator=generator) > 0.5
    assert torch.autograd.gradcheck(lambda p: masked_regression(p, values, measured), prediction)
    for rows in (3, 0):
        some = torch.ones(rows, 4, requires_grad=True)
        loss = masked_regression(some, torch.full((rows, 4), float("nan")), torch.zeros(rows, 4, dtype=torch.bool))
        loss.backward()
        assert float(loss.detach()) == 0
        assert some.grad is not None
        assert (some.grad == 0).all()


def test_half_precision_is_summed_in_full():
    prediction = torch.full((2000, 10), 0.01, dtype=torch.bfloat16)
    found = masked_regression(prediction, torch.zeros(2000, 10), torch.ones(2000, 10, dtype=torch.bool))
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(prediction[0, 0]) ** 2 / 2, rel=1e-4)
