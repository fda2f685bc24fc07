"""What a contrast is to aim at: for every pair of a batch a number from 0 (push apart) to 1 (as good as the same)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from beatssl.targets.similarity import KernelName, similarity


@dataclass(frozen=True)
class SoftTargets:
    """Soft targets S_ij = s(f_i, f_j)^exponent of measured features. Raises ValueError for an exponent not above 0."""

    kernel: KernelName = "cosine"
    """How two rows of features are compared; see `similarity`."""
    exponent: float = 20.0
    """The higher, the fewer rows count as alike; raw similarities crowd near one value, and 1 leaves targets flat."""
    width: float = 1.0
    """Of the Gaussian kernel, in standard deviations of a feature."""
    steepness: float = 2.0
    """Of SoftCLT's sigmoid, per distance between strangers."""
    alpha: float = 1.0
    """Highest value of SoftCLT's sigmoid."""
    threshold: float = 0.25
    """Least cosine that the kernel `threshold` takes for alike."""

    def __post_init__(self) -> None:
        if not self.exponent > 0:
            raise ValueError(f"exponent {self.exponent} does not order pairs; pass a number above 0")

    def __call__(
        self,
        values: Float[Tensor, "n feature"],
        measured: Bool[Tensor, "n feature"] | Float[Tensor, "n feature"] | None = None,
    ) -> Float[Tensor, "n n"]:
        """The targets of a batch, in [0, 1]; the diagonal means nothing."""
        alike = similarity(
            values, measured, self.kernel,
            width=self.width, steepness=self.steepness, alpha=self.alpha, threshold=self.threshold,
        )  # fmt: skip
        return alike**self.exponent


def hard_targets(classes: Int[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """1 where two rows have one class (or cluster), else 0. A negative class is unknown: like no other row."""
    same = (classes[:, None] == classes[None]) & (classes >= 0)[:, None]
    return same.to(torch.float32)
