"""One embedding a record from its feature map: what it is over the time that was recorded."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

QUANTILES = (0.25, 0.5, 0.75)
"""That `quantiles` gives."""

HEADS = 4
"""Of attention over time."""

_LEAST_VARIANCE = 1e-6
"""Added to a variance: the root of zero has no gradient."""


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


def deviation(
    feature_map: Float[Tensor, "record channel step"], steps: Int[Tensor, " record"] | None = None
) -> Float[Tensor, "record channel"]:
    """Standard deviation over time of the first `steps` steps of each record, 0 without a step; computed in float32."""
    wide = feature_map.to(torch.promote_types(feature_map.dtype, torch.float32))
    if steps is None:
        variance = wide.var(dim=2, unbiased=False)
    else:
        seen = (torch.arange(wide.shape[2], device=wide.device) < steps[:, None])[:, None]
        count = steps.clamp_min(1)[:, None]
        mean = torch.where(seen, wide, 0).sum(dim=2) / count
        variance = torch.where(seen, wide - mean[:, :, None], 0).square().sum(dim=2) / count
    root = (variance + _LEAST_VARIANCE).sqrt().to(feature_map.dtype)
    return root if steps is None else torch.where(steps[:, None] > 0, root, 0)


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
