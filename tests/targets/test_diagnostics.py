import math

import pytest
import torch

from beatssl.targets.diagnostics import target_figures, target_warning
from beatssl.targets.soft import SoftTargets


def test_hard_targets_have_one_positive_and_are_said_to_be_hard():
    figures = target_figures(torch.eye(8))
    assert (figures.entropy, figures.effective_positives, figures.own_weight) == pytest.approx((0, 1, 1))
    assert "lower the exponent" in (target_warning(figures) or "")


def test_uniform_targets_are_said_to_be_flat():
    figures = target_figures(torch.ones(8, 8))
    assert figures.entropy == pytest.approx(1)
    assert figures.effective_positives == pytest.approx(15)
    assert figures.near_uniform_rows == 1
    assert "raise the exponent" in (target_warning(figures, "beat") or "")


def test_two_records_by_hand():
    figures = target_figures(torch.tensor([[7.0, 0.5], [0.5, 7.0]]))
    weights = [0.5, 0.25, 0.25]
    entropy = -sum(w * math.log(w) for w in weights)
    assert figures.entropy == pytest.approx(entropy / math.log(3))
    assert figures.effective_positives == pytest.approx(math.exp(entropy))
    assert figures.own_weight == pytest.approx(0.5)


def test_the_exponent_leads_from_flat_to_hard():
    values = torch.randn(128, 20, generator=torch.Generator().manual_seed(0))
    said = [target_warning(target_figures(SoftTargets(exponent=e)(values))) for e in (1.0, 12.0, 500.0)]
    assert "flat" in (said[0] or "")
    assert said[1] is None
    assert "hard" in (said[2] or "")


def test_none_or_one_item_breaks_nothing():
    assert math.isnan(target_figures(torch.zeros(0, 0)).entropy)
    assert target_warning(target_figures(torch.zeros(0, 0))) is None
    assert target_figures(torch.ones(1, 1)).effective_positives == pytest.approx(1)
