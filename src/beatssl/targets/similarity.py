"""How alike two records (or two beats) are, from 0 to 1, by their measurements: every pair of a batch at once."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

KernelName = Literal["cosine", "correlation", "gaussian", "softclt", "threshold"]
KERNELS: tuple[KernelName, ...] = get_args(KernelName)

_UNRELATED = 2.0
"""Squared difference of one standardised feature between two unrelated rows: the sum of their variances."""


def similarity(
    values: Float[Tensor, "n feature"],
    measured: Bool[Tensor, "n feature"] | Float[Tensor, "n feature"] | None = None,
    kernel: KernelName = "cosine",
    *,
    width: float = 1.0,
    steepness: float = 2.0,
    alpha: float = 1.0,
    threshold: float = 0.25,
) -> Float[Tensor, "n n"]:
    """Similarity of every row to every other, as `cross_similarity` says. The diagonal means nothing: leave it out."""
    return cross_similarity(
        values, values, measured, measured, kernel,
        width=width, steepness=steepness, alpha=alpha, threshold=threshold,
    )  # fmt: skip


def cross_similarity(
    a: Float[Tensor, "n feature"],
    b: Float[Tensor, "m feature"],
    a_measured: Bool[Tensor, "n feature"] | Float[Tensor, "n feature"] | None = None,
    b_measured: Bool[Tensor, "m feature"] | Float[Tensor, "m feature"] | None = None,
    kernel: KernelName = "cosine",
    *,
    width: float = 1.0,
    steepness: float = 2.0,
    alpha: float = 1.0,
    threshold: float = 0.25,
) -> Float[Tensor, "n m"]:
    """Similarity in [0, 1] of each row of `a` to each of `b`, by matrix products (no n × m × feature array).

    Values are on a standard scale (mean 0, variance 1). With cos over the features measured in both rows, r the
    correlation over them, and d² the mean squared difference:

    - cosine: (1 + cos)/2; correlation: (1 + r)/2, for waveforms, whose level and size say nothing;
    - gaussian: exp(−d²/(2 width²));
    - softclt: 2 alpha/(1 + exp(steepness · d/√2)), the sigmoid of SoftCLT (Lee et al., ICLR 2024; alpha = 0.5 there);
      the distance d/√2 is 1 between unrelated pairs;
    - threshold: 1 where cos ≥ threshold, else 0 (as PhysioCLR).

    **What is missing**: with u the share of features measured in both rows, cos and r are multiplied by √u (noise of
    a correlation goes with one over the root of how many it is of), and d² = u · (that of the features in common)
    + (1 − u) · 2, what unrelated pairs differ by. So rows with few features in common are never surely alike: with
    none, cos is 0 and d² is 2. `measured` may be a certainty in [0, 1] instead; None: all are.

    Raises ValueError for an unknown kernel or a width, steepness or alpha out of range.
    """
    _check(kernel, width, steepness, alpha)
    with torch.autocast(a.device.type, enabled=False):
        a, b = _precise(a), _precise(b)
        certain_a, certain_b = _certainty(a, a_measured), _certainty(b, b_measured)
        if kernel in ("gaussian", "softclt"):
            squared = _mean_squared_difference(a, b, certain_a, certain_b)
            if kernel == "gaussian":
                return torch.exp(-squared / (2 * width**2))
            return 2 * alpha * torch.sigmoid(-steepness * torch.sqrt(squared / _UNRELATED))
        agreement = _agreement(a, b, certain_a, certain_b, centred=kernel == "correlation")
        if kernel == "threshold":
            return (agreement >= threshold).to(agreement.dtype)
        return ((1 + agreement) / 2).clamp(0, 1)


def _check(kernel: str, width: float, steepness: float, alpha: float) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel {kernel!r} is not known; choose one of {', '.join(KERNELS)}")
    if not (width > 0 and steepness > 0 and 0 < alpha <= 1):
        raise ValueError(
            f"width {width} and steepness {steepness} must be above 0, alpha {alpha} above 0 and at most 1, "
            "so that similarities lie in [0, 1]"
        )


def _precise(values: Tensor) -> Tensor:
    """At least float32: differences of near equal rows are lost in half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _certainty(values: Float[Tensor, "n feature"], measured: Tensor | None) -> Float[Tensor, "n feature"]:
    return torch.ones_like(values) if measured is None else measured.to(values.dtype)


def _agreement(
    a: Float[Tensor, "n feature"],
    b: Float[Tensor, "m feature"],
    certain_a: Float[Tensor, "n feature"],
    certain_b: Float[Tensor, "m feature"],
    centred: bool,
) -> Float[Tensor, "n m"]:
    """Cosine (or, centred, correlation) over what both have, times the root of the share of features both have."""
    common = certain_a @ certain_b.T
    product = (a * certain_a) @ (b * certain_b).T
    size_a, size_b = (a * a * certain_a) @ certain_b.T, certain_a @ (b * b * certain_b).T
    if centred:
        count = common.clamp_min(torch.finfo(a.dtype).tiny)
        sum_a, sum_b = (a * certain_a) @ certain_b.T, certain_a @ (b * certain_b).T
        product = product - sum_a * sum_b / count
        size_a, size_b = size_a - sum_a**2 / count, size_b - sum_b**2 / count
    size = torch.sqrt(size_a.clamp_min(0) * size_b.clamp_min(0))
    # A row of nothing but averages (or, centred, a flat one) has no direction: it agrees with none.
    known = size > 1e-6 * common
    agreement = torch.where(known, product / torch.where(known, size, 1), 0).clamp(-1, 1)
    return agreement * torch.sqrt(common / max(a.shape[1], 1))


def _mean_squared_difference(
    a: Float[Tensor, "n feature"],
    b: Float[Tensor, "m feature"],
    certain_a: Float[Tensor, "n feature"],
    certain_b: Float[Tensor, "m feature"],
) -> Float[Tensor, "n m"]:
    """Mean over all features of the squared difference where both have it, and of unrelated pairs' where not."""
    seen = (a * a * certain_a) @ certain_b.T + certain_a @ (b * b * certain_b).T
    seen = (seen - 2 * (a * certain_a) @ (b * certain_b).T).clamp_min(0)
    features = max(a.shape[1], 1)
    missing = 1 - certain_a @ certain_b.T / features
    return seen / features + _UNRELATED * missing
