"""Are targets too flat to teach anything, or so sharp that they are hard? Figures for the log, and a remedy."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_NEAR_UNIFORM = 0.75
_FLAT_ROWS = 0.5
_HARD = 1.1


@dataclass(frozen=True, slots=True)
class TargetFigures:
    """Means over the rows of a batch of n items, each seen twice: a row has 2n − 1 others to share its weight among."""

    entropy: float
    """Of a row's normalised weights, as a share of the highest possible, log(2n − 1): 1 = uniform."""
    effective_positives: float
    """exp of a row's entropy: 1 = only the other view of the item itself, 2n − 1 = everything alike."""
    near_uniform_rows: float
    """Share of rows whose effective positives are at least three quarters of all others."""
    own_weight: float
    """Share of a row's weight on the other view of the item itself: 1 = hard."""


def target_figures(targets: Float[Tensor, "n n"]) -> TargetFigures:
    """Figures of a batch's targets as the contrast of two views uses them, rows normalised; NaN for no items.

    The other view of the item itself weighs 1, both views of item j weigh S_ij each; the diagonal is not read.
    """
    n = len(targets)
    if n == 0:
        return TargetFigures(math.nan, math.nan, math.nan, math.nan)
    others = targets.detach().to(torch.promote_types(targets.dtype, torch.float32)).clone().fill_diagonal_(0)
    total = 1 + 2 * others.sum(dim=1)
    # H = −Σ w/W log(w/W) = log W − Σ w log w / W; the item's own view has w log w = 0.
    entropy = total.log() - 2 * torch.special.xlogy(others, others).sum(dim=1) / total
    positives = entropy.exp()
    return TargetFigures(
        entropy=float(entropy.mean() / math.log(2 * n - 1)) if n > 1 else 0.0,
        effective_positives=float(positives.mean()),
        near_uniform_rows=float((positives >= _NEAR_UNIFORM * (2 * n - 1)).float().mean()) if n > 1 else 0.0,
        own_weight=float((1 / total).mean()),
    )


def target_warning(figures: TargetFigures, what: str = "rhythm") -> str | None:
    """What is wrong with targets of such figures and what to do; None where nothing is. `what` names the contrast.

    Flat: half of the rows are near uniform. Hard: 1.1 effective positives or fewer, the own view included.
    """
    if figures.near_uniform_rows >= _FLAT_ROWS:
        return (
            f"{what} targets are too flat: {figures.near_uniform_rows:.0%} of the rows are near uniform "
            f"({figures.effective_positives:.0f} effective positives); raise the exponent, or for hard targets use "
            "clusters or soft targets in place of classes that nearly all share"
        )
    if figures.effective_positives <= _HARD:
        return (
            f"{what} targets are so sharp that they are hard: {figures.effective_positives:.2f} effective positives, "
            f"{figures.own_weight:.0%} of the weight on the item's own view; lower the exponent, or enlarge the batch"
        )
    return None
