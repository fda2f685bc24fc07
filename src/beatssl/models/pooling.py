"""One embedding a record from its feature map: what it is over the time that was recorded."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

QUANTILES = (0.25, 0.5, 0.75)
HEADS = 4

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


def quantiles(
    feature_map: Float[Tensor, "record channel step"], steps: Int[Tensor, " record"] | None = None
) -> Float[Tensor, "record number"]:
    """Quartiles over time of the first `steps` steps of each record, each the value of the step at or below it."""
    records, _, length = feature_map.shape
    if steps is None:
        steps = torch.full((records,), length, device=feature_map.device)
    seen = (torch.arange(length, device=feature_map.device) < steps[:, None])[:, None]
    ordered = torch.where(seen, feature_map, torch.inf).sort(dim=2).values
    last = (steps - 1).clamp_min(0)
    places = torch.stack([(last * share).long() for share in QUANTILES], dim=1)
    picked = ordered.gather(2, places[:, None].expand(-1, ordered.shape[1], -1)).flatten(1)
    return torch.where(steps[:, None] > 0, picked, 0)


def attended(
    feature_map: Float[Tensor, "record channel step"],
    scores: Float[Tensor, "record head step"],
    steps: Int[Tensor, " record"] | None = None,
) -> Float[Tensor, "record number"]:
    """Means over time of the first `steps` steps of each record, weighted by the softmax of each head's scores."""
    if steps is not None:
        seen = (torch.arange(feature_map.shape[2], device=feature_map.device) < steps[:, None])[:, None]
        scores = torch.where(seen | (steps[:, None, None] == 0), scores, -torch.inf)
    return torch.einsum("rhs,rcs->rhc", scores.softmax(dim=2).to(feature_map.dtype), feature_map).flatten(1)
