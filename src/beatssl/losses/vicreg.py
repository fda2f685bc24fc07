"""The three terms of VICReg: views of an item agree, each dimension varies over items, no two dimensions say the same.

Source: Bardes, Ponce and LeCun, "VICReg", ICLR 2022, with its authors' scaling: squared differences and hinges are
means over dimensions, covariances a sum over pairs of dimensions divided by their number. All are computed in float32
(float64 for float64), whatever autocast says.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_SMALLEST_VARIANCE = 1e-4


def invariance(z_a: Float[Tensor, "n d"], z_b: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Σ_i Σ_k (a_ik − b_ik)² / (n·d): how far the two views of an item lie apart. No item gives 0."""
    with torch.autocast(z_a.device.type, enabled=False):
        return (_precise(z_a) - _precise(z_b)).square().sum() / max(z_a.numel(), 1)


def variance(z: Float[Tensor, "n d"], least: float = 1.0) -> Float[Tensor, ""]:
    """Σ_k max(0, least − √(var_k + 10⁻⁴)) / d, var_k over the items (divided by n − 1): dimensions that hardly vary.

    One item or none gives the term of no variance, without a gradient.
    """
    with torch.autocast(z.device.type, enabled=False):
        centred = _centred(z)
        spread = centred.square().sum(dim=0) / max(len(z) - 1, 1)
        return (least - (spread + _SMALLEST_VARIANCE).sqrt()).clamp_min(0).mean()


def covariance(z: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Σ_k≠l cov_kl² / d, cov over the items (divided by n − 1): dimensions that go together.

    Memory: d × d numbers, 4 MB at d = 1,024.
    """
    with torch.autocast(z.device.type, enabled=False):
        centred = _centred(z)
        together = centred.T @ centred / max(len(z) - 1, 1)
        return (together.square().sum() - together.diagonal().square().sum()) / z.shape[1]


def _precise(z: Tensor) -> Tensor:
    return z.to(torch.promote_types(z.dtype, torch.float32))


def _centred(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    precise = _precise(z)
    return precise - precise.sum(dim=0) / max(len(z), 1)
