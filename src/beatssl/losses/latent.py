"""Prediction of a network's own feature map where its input was hidden."""

import torch
from jaxtyping import Float
from torch import Tensor

_SMALLEST_VARIANCE = 1e-6


def standardised(latent: Float[Tensor, "n channel"]) -> Float[Tensor, "n channel"]:
    """Each channel less its mean over n, divided by √(variance + 10⁻⁶): targets that shrinking does not make easier.

    A channel that is the same everywhere gives 0, as does a single row. Computed in float32 (float64 for float64).
    """
    with torch.autocast(latent.device.type, enabled=False):
        precise = latent.to(torch.promote_types(latent.dtype, torch.float32))
        centred = precise - precise.sum(dim=0) / max(len(precise), 1)
        spread = centred.square().sum(dim=0) / max(len(precise), 1)
        return centred / (spread + _SMALLEST_VARIANCE).sqrt()


def explained(predicted: Float[Tensor, "n channel"], target: Float[Tensor, "n channel"]) -> Float[Tensor, ""]:
    """Share of a standardised target's variance that is predicted: 1 − Σ (p − t)² / Σ t²; 0 where the target is 0."""
    size = target.float().square().sum()
    error = (predicted.float() - target.float()).square().sum()
    return torch.where(size > 0, 1 - error / size.clamp_min(_SMALLEST_VARIANCE), 0)
