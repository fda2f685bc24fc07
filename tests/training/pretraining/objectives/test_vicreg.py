import pytest
import torch

from beatssl.losses.vicreg import covariance, invariance, variance
from beatssl.training.pretraining.objectives import PRESETS
from beatssl.training.pretraining.presets import preset

from .test_contract import NARROW, objective_on


def test_the_loss_is_the_weighted_sum_of_the_terms(rows):
    changed = preset("vicreg", (*NARROW, "objective.invariance=3", "objective.variance=5", "objective.covariance=7"))
    objective, batch, views = objective_on(rows, changed)
    losses = objective(batch, views)
    pair = losses.details["vicreg"]
    assert pair.z_a.shape == (8, 16)
    expected = (
        3 * invariance(pair.z_a, pair.z_b)
        + 5 * (variance(pair.z_a) + variance(pair.z_b)) / 2
        + 7 * (covariance(pair.z_a) + covariance(pair.z_b))
    )
    assert float(losses.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert list(losses.parts) == ["invariance", "variance", "covariance"]


def test_weights_are_those_published():
    values = PRESETS["vicreg"].objective
    assert (values.invariance, values.variance, values.covariance) == (25, 25, 1)
    assert PRESETS["vicreg"].views == PRESETS["simclr"].views


def test_it_learns_and_does_not_collapse(rows):
    objective, batch, views = objective_on(rows, preset("vicreg", NARROW), at=range(24))
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    found = []
    for _ in range(15):
        losses = objective(batch, views)
        found.append(float(losses.total.detach()))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert found[-1] < 0.7 * found[0]
    figures = objective.diagnostics(losses)
    assert figures["vicreg_effective_rank"] > 4
    assert not objective.warnings(figures, 8)


def test_a_collapse_is_warned_of_with_this_methods_remedy(rows):
    objective, _, _ = objective_on(rows, preset("vicreg", NARROW))
    said = objective.warnings({"vicreg_effective_rank": 1.2}, 64)
    assert list(said) == ["vicreg collapse"]
    assert "span 1.2 dimensions" in said["vicreg collapse"]
    assert "objective.variance" in said["vicreg collapse"]
