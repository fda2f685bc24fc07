"""Regression of measured features from the embedding: the objective that a contrast must beat."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


def masked_regression(
    prediction: Float[Tensor, "n feature"],
    values: Float[Tensor, "n feature"],
    measured: Bool[Tensor, "n feature"],
    delta: float = 1.0,
) -> Float[Tensor, ""]:
    """Mean Huber loss over what was measured; values on a standard scale, so that every feature weighs alike.

    With e = prediction − value: e²/2 up to |e| = delta, delta·(|e| − delta/2) beyond, so that a rare extreme pulls with
    bounded force. What was not measured is not looked at, whatever stands there. Nothing measured gives 0.
    Computed in float32 (float64 for float64).
    """
    with torch.autocast(prediction.device.type, enabled=False):
        precise = torch.promote_types(prediction.dtype, torch.float32)
        prediction = prediction.to(precise)
        # What is missing is replaced before the difference is taken: NaN times a weight of 0 would be NaN.
        target = torch.where(measured, values.to(precise), prediction.detach())
        each = functional.huber_loss(prediction, target, reduction="none", delta=delta)
        return each.sum() / measured.sum().clamp_min(1)
