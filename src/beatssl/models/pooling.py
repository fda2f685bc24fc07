"""One embedding a record from its feature map: what it is over the time that was recorded."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LEAST_VARIANCE = 1e-6
"""Added to a variance: the root of zero has no gradient."""


def valid_steps(valid: Int[Tensor, " record"], stride: int, length: int) -> Int[Tensor, " record"]:
    """Steps of a feature map of `length` steps that saw any of the first `valid` samples."""
    return torch.div(valid + stride - 1, stride, rounding_mode="floor").clamp(0, length)


def pool(
    feature_map: Float[Tensor, "record channel step"], steps: Int[Tensor, " record"] | None = None, sd: bool = False
) -> Float[Tensor, "record number"]:
    """Mean over time, then maximum over time, of the first `steps` steps of each record (None: of all); with `sd` the
    standard deviation over time too.

    A record without a step gives zeros. Computed in the feature map's own precision, mean and deviation in float32.
    """
    length, kind = feature_map.shape[2], feature_map.dtype
    wide = torch.promote_types(kind, torch.float32)
    if steps is None:
        mean, highest = feature_map.mean(dim=2, dtype=wide), feature_map.amax(dim=2)
        square = (feature_map.to(wide) - mean[:, :, None]).square().mean(dim=2) if sd else None
    else:
        seen = (torch.arange(length, device=feature_map.device) < steps[:, None])[:, None]
        count = steps.clamp_min(1)[:, None]
        mean = torch.where(seen, feature_map, 0).sum(dim=2, dtype=wide) / count
        highest = torch.where(seen, feature_map, -torch.inf).amax(dim=2)
        highest = torch.where(steps[:, None] > 0, highest, 0)
        apart = torch.where(seen, feature_map.to(wide) - mean[:, :, None], 0) if sd else None
        square = None if apart is None else apart.square().sum(dim=2) / count
    pooled = [mean.to(kind), highest]
    if square is not None:
        pooled.append((square + _LEAST_VARIANCE).sqrt().to(kind))
    return torch.cat(pooled, dim=1)
