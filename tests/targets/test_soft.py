import pytest
import torch

from beatssl.targets.similarity import similarity
from beatssl.targets.soft import SoftTargets, hard_targets


def test_soft_targets_are_similarities_to_a_power():
    values = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    measured = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)) > 0.2
    found = SoftTargets("gaussian", exponent=3.0, width=0.8)(values, measured)
    torch.testing.assert_close(found, similarity(values, measured, "gaussian", width=0.8) ** 3)


def test_an_exponent_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="exponent 0"):
        SoftTargets(exponent=0.0)


def test_hard_targets_of_three_beats_and_one_unknown():
    expected = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert hard_targets(torch.tensor([0, 2, 0, -1])).tolist() == expected
    assert hard_targets(torch.zeros(0, dtype=torch.int64)).shape == (0, 0)
