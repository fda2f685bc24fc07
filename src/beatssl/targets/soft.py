"""What a contrast is to aim at: for every pair of a batch a number from 0 (push apart) to 1 (as good as the same)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from beatssl.targets.similarity import KernelName, similarity


@dataclass(frozen=True)
class SoftTargets:
    """Soft targets S_ij = s(f_i, f_j)^exponent of measured features.

    The exponent settles two things at once: how few others count as alike, and how much they weigh against the item's
    own other view, which always counts 1. `own_weight` parts the two.

    Raises ValueError for an exponent not above 0, or an own weight outside [1/3, 1].
    """

    kernel: KernelName = "cosine"
    """How two rows of features are compared; see `similarity`."""
    exponent: float = 20.0
    """The higher, the fewer rows count as alike; raw similarities crowd near one value, and 1 leaves targets flat."""
    width: float = 1.0
    """Of the Gaussian kernel, in standard deviations of a feature."""
    steepness: float = 2.0
    """Of SoftCLT's sigmoid, per distance between unrelated pairs."""
    alpha: float = 1.0
    """Highest value of SoftCLT's sigmoid."""
    threshold: float = 0.25
    """Least cosine that the kernel `threshold` takes for alike."""
    own_weight: float | None = None
    """Scale every row so that, once normalised, the item's own other view has this share; None: leave rows as they are.
    At least 1/3, so that no other weighs more than the item itself."""

    def __post_init__(self) -> None:
        if not self.exponent > 0:
            raise ValueError(f"exponent {self.exponent} does not order pairs; pass a number above 0")
        if self.own_weight is not None and not 1 / 3 <= self.own_weight <= 1:
            raise ValueError(f"own weight {self.own_weight} is not between 1/3 and 1; pass one such as 0.5, or None")

    def __call__(
        self,
        values: Float[Tensor, "n feature"],
        measured: Bool[Tensor, "n feature"] | Float[Tensor, "n feature"] | None = None,
        compared: Bool[Tensor, "n n"] | None = None,
    ) -> Float[Tensor, "n n"]:
        """The targets of a batch, in [0, 1]; the diagonal means nothing.

        Pairs that are not `compared` have 0, and no part in the scaling by `own_weight`.
        """
        alike = similarity(
            values, measured, self.kernel,
            width=self.width, steepness=self.steepness, alpha=self.alpha, threshold=self.threshold,
        )  # fmt: skip
        targets = alike**self.exponent
        if compared is not None:
            targets = targets * compared
        return targets if self.own_weight is None else balanced(targets, self.own_weight)


def balanced(targets: Float[Tensor, "n n"], own_weight: float) -> Float[Tensor, "n n"]:
    """Rows scaled so that all others, each seen twice, weigh (1 − own_weight)/own_weight beside the own view's 1.

    The diagonal comes out 0. A row to which nothing is alike stays 0.
    """
    others = targets.clone().fill_diagonal_(0)
    total = 2 * others.sum(dim=1, keepdim=True)
    return others * ((1 - own_weight) / own_weight) / torch.where(total > 0, total, 1)


def hard_targets(classes: Int[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """1 where two rows have one class (or cluster), else 0. A negative class is unknown: like no other row."""
    same = (classes[:, None] == classes[None]) & (classes >= 0)[:, None]
    return same.to(torch.float32)
