import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.training.pretraining.diagnostics import (
    Compared,
    contrast_figures,
    contrast_warnings,
    effective_rank,
    embedding_figures,
)


def test_figures_worked_by_hand():
    z_a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    z_b = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    found = embedding_figures(z_a, z_b)
    assert found is not None
    assert math.isclose(found.alignment, (2 + 0) / 2)
    assert math.isclose(found.uniformity, -4.0, rel_tol=1e-5)  # orthogonal: log exp(−2 · 2)
    assert math.isclose(found.same_cosine, 0.5)
    assert math.isclose(found.other_cosine, 0.5)
    assert math.isclose(found.recognised_share, 0.5)
    assert embedding_figures(z_a[:1], z_b[:1]) is None


@settings(max_examples=20, deadline=None)
@given(rank=st.integers(1, 6))
def test_the_effective_rank_of_even_directions_is_their_number(rank):
    axes = torch.zeros(2 * rank, 8)
    axes[torch.arange(rank), torch.arange(rank)] = 1.0
    axes[torch.arange(rank) + rank, torch.arange(rank)] = -1.0
    assert abs(effective_rank(axes) - rank) < 1e-3


def test_a_collapse_has_rank_one():
    assert effective_rank(torch.ones(5, 4)) == 1.0


def warnings_of(figures, batch_size):
    return contrast_warnings(figures, batch_size, ("rhythm", "beat"))


def test_targets_are_figures_and_warned_of():
    z = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    flat = contrast_figures({"rhythm": Compared(z, z, torch.ones(8, 8)), "beat": Compared(z[:0], z[:0], None)})
    assert flat["rhythm_target_entropy"] > 0.99
    assert not any(name.startswith("beat") for name in flat)
    assert "too flat" in warnings_of(flat, 8)["rhythm targets"]
    sharp = contrast_figures({"rhythm": Compared(z, z, torch.eye(8))})
    assert "so sharp" in warnings_of(sharp, 8)["rhythm targets"]


def test_warnings_name_a_remedy():
    collapsed = warnings_of({"rhythm_effective_rank": 1.2, "beat_effective_rank": 50.0}, 128)
    assert list(collapsed) == ["rhythm collapse"]
    assert "raise the temperature" in collapsed["rhythm collapse"]
    assert "weak views" in warnings_of({"rhythm_recognised_share": 1.0}, 128)
    assert "weak views" not in warnings_of({"rhythm_recognised_share": 1.0, "rhythm_alignment": 1e-8}, 128)
    strong = {"epoch": 2.0, "rhythm_same_cosine": 0.51, "rhythm_other_cosine": 0.5}
    assert "strong views" in warnings_of(strong, 128)
    assert warnings_of(strong | {"epoch": 0.1}, 128) == {}
    assert warnings_of({"rhythm_recognised_share": 1.0}, 4) == {}
