"""One embedding a record from its feature map: mean and maximum over the time that was recorded."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def valid_steps(valid: Int[Tensor, " record"], stride: int, length: int) -> Int[Tensor, " record"]:
    """Steps of a feature map of `length` steps that saw any of the first `valid` samples."""
    return torch.div(valid + stride - 1, stride, rounding_mode="floor").clamp(0, length)


def pool(
    feature_map: Float[Tensor, "record channel step"], steps: Int[Tensor, " record"] | None = None
) -> Float[Tensor, "record channels2"]:
    """Mean over time, then maximum over time, of the first `steps` steps of each record (None: of all).

    A record without a step gives zeros. Computed in the feature map's own precision, the mean in float32.
    """
    if steps is None:
        mean = feature_map.mean(dim=2, dtype=torch.promote_types(feature_map.dtype, torch.float32))
        return torch.cat([mean.to(feature_map.dtype), feature_map.amax(dim=2)], dim=1)
    seen = (torch.arange(feature_map.shape[2], device=feature_map.device) < steps[:, None])[:, None]
    total = torch.where(seen, feature_map, 0).sum(dim=2, dtype=torch.promote_types(feature_map.dtype, torch.float32))
    mean = (total / steps.clamp_min(1)[:, None]).to(feature_map.dtype)
    highest = torch.where(seen, feature_map, -torch.inf).amax(dim=2)
    return torch.cat([mean, torch.where(steps[:, None] > 0, highest, 0)], dim=1)
