"""Hierarchical contrast of two views of every record, step by step: TS2Vec (Yue et al., AAAI 2022)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

_SMALLEST_NORM = 1e-6


@dataclass(frozen=True)
class Hierarchical:
    """The two contrasts, each the mean over levels."""

    instance: Float[Tensor, ""]
    temporal: Float[Tensor, ""]


def hierarchical_contrast(
    z_a: Float[Tensor, "record step d"],
    z_b: Float[Tensor, "record step d"],
    seen: Bool[Tensor, "record step"],
    temperature: float = 0.1,
) -> Hierarchical:
    """Contrast of the same steps of the same records in two views, at every level of a pyramid over time.

    At each level, by `paired_contrast`:

    - instance: a step of a record against that step of the other records;
    - temporal: a step of a record against the other steps of this record.

    From level to level two steps become one by their maximum (a last one without a partner is dropped), down to a
    single step, where nothing temporal is left to compare; the sums are divided by the number of levels. `seen`: steps
    within the record; others are compared with nothing and taken into no maximum. Computed in float32 (float64 for
    float64). The authors compare by inner products; here it is cosines over a temperature, as in all other contrasts.
    Memory: some three float32 arrays of step × (2 record)², so 12 MB at 62 steps of 64 records.
    """
    with torch.autocast(z_a.device.type, enabled=False):
        precise = torch.promote_types(z_a.dtype, torch.float32)
        a, b = z_a.to(precise), z_b.to(precise)
        instance, temporal = a.new_zeros(()), a.new_zeros(())
        levels = 0
        while True:
            across = (a.transpose(0, 1), b.transpose(0, 1), seen.T)
            instance = instance + paired_contrast(*across, temperature)
            levels += 1
            if a.shape[1] <= 1:
                return Hierarchical(instance / levels, temporal / levels)
            temporal = temporal + paired_contrast(a, b, seen, temperature)
            (a, _), (b, seen) = _halved(a, seen), _halved(b, seen)


def paired_contrast(
    z_a: Float[Tensor, "group item d"],
    z_b: Float[Tensor, "group item d"],
    seen: Bool[Tensor, "group item"],
    temperature: float,
) -> Float[Tensor, ""]:
    """NT-Xent within each group: the mean over the seen views i of −log softmax_j≠i(cos(z_i, z_j)/temperature) at i's
    other view, j over the seen views of i's group. Nothing seen gives 0."""
    a = functional.normalize(z_a, dim=2, eps=_SMALLEST_NORM)
    b = functional.normalize(z_b, dim=2, eps=_SMALLEST_NORM)
    z, counted = torch.cat([a, b], dim=1), seen.repeat(1, 2)
    # Not −∞: a row of nothing but these, of a view that is not seen, would have no gradient but NaN.
    never = torch.finfo(z.dtype).min / 4
    left_out = torch.eye(z.shape[1], dtype=torch.bool, device=z.device) | ~counted[:, None]
    spread = torch.logsumexp((z @ z.transpose(1, 2) / temperature).masked_fill(left_out, never), dim=2)
    own = ((a * b).sum(dim=2) / temperature).repeat(1, 2)
    return torch.where(counted, spread - own, 0).sum() / counted.sum().clamp_min(1)


def _halved(
    z: Float[Tensor, "record step d"], seen: Bool[Tensor, "record step"]
) -> tuple[Float[Tensor, "record half d"], Bool[Tensor, "record half"]]:
    """The maximum of every two steps over what is seen of them, 0 where nothing is."""
    half = z.shape[1] // 2
    pairs, both = z[:, : 2 * half].unflatten(1, (half, 2)), seen[:, : 2 * half].unflatten(1, (half, 2))
    some = both.any(dim=2)
    highest = pairs.masked_fill(~both[..., None], torch.finfo(z.dtype).min).amax(dim=2)
    return torch.where(some[..., None], highest, 0), some
