import pytest
import torch

from beatssl.targets.diagnostics import target_figures
from beatssl.targets.similarity import similarity
from beatssl.targets.soft import SoftTargets, balanced, hard_targets


def test_soft_targets_are_similarities_to_a_power():
    values = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    measured = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)) > 0.2
    found = SoftTargets("gaussian", exponent=3.0, width=0.8)(values, measured)
    torch.testing.assert_close(found, similarity(values, measured, "gaussian", width=0.8) ** 3)


def test_an_exponent_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="exponent 0"):
        SoftTargets(exponent=0.0)
    with pytest.raises(ValueError, match="between 1/3 and 1"):
        SoftTargets(own_weight=0.2)


def test_own_weight_holds_whatever_the_exponent_and_keeps_the_order():
    values = torch.randn(40, 10, generator=torch.Generator().manual_seed(0))
    plain = SoftTargets(exponent=30.0)(values).fill_diagonal_(0)
    for own_weight in (1 / 3, 0.5, 0.9):
        found = SoftTargets(exponent=30.0, own_weight=own_weight)(values)
        assert target_figures(found).own_weight == pytest.approx(own_weight, abs=1e-5)
        assert ((found >= 0) & (found <= 1)).all()
        assert torch.equal(found.argmax(dim=1), plain.argmax(dim=1))


def test_a_row_alone_stays_alone():
    targets = torch.tensor([[1.0, 0.2, 0.0], [0.2, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert balanced(targets, 0.5).tolist() == [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    assert balanced(torch.zeros(0, 0), 0.5).shape == (0, 0)


def test_hard_targets_of_three_beats_and_one_unknown():
    expected = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert hard_targets(torch.tensor([0, 2, 0, -1])).tolist() == expected
    assert hard_targets(torch.zeros(0, dtype=torch.int64)).shape == (0, 0)
