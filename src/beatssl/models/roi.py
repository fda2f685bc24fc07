"""Each heartbeat's part of the feature map, read off by linear interpolation into a fixed number of bins."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

BEFORE_S, AFTER_S = 0.25, 0.45
"""Span of a beat's window before and after its R peak."""


def beat_windows(
    beat_at: Float[Tensor, " beat"],
    beat_record: Int[Tensor, " beat"],
    fs_hz: float,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> tuple[Float[Tensor, " beat"], Float[Tensor, " beat"]]:
    """Begin and end of each beat's window, R − 250 ms to R + 450 ms, cut at the neighbours, in samples.

    `beat_at` is in samples, beats of a record in order. The result counts continuously: sample n reaches from n to
    n + 1, so that division by a feature map's stride gives its steps. Where two beats of a record lie closer than
    before + after, they part the interval in the ratio after : before, and their windows touch.
    """
    centre = beat_at + 0.5
    before, after = before_s * fs_hz, after_s * fs_hz
    neighbours = beat_record[1:] == beat_record[:-1]
    interval = torch.where(neighbours, (centre[1:] - centre[:-1]).clamp_min(0), torch.inf)
    share = (interval / (before + after)).clamp_max(1)
    alone = torch.ones_like(centre[:1])
    begin = centre - before * torch.cat([alone, share])
    end = centre + after * torch.cat([share, alone])
    return begin, end


def roi_project(
    feature_map: Float[Tensor, "record channel step"],
    beat_record: Int[Tensor, " beat"],
    begin: Float[Tensor, " beat"],
    end: Float[Tensor, " beat"],
    bins: int,
    steps: Int[Tensor, " record"] | None = None,
) -> Float[Tensor, "beat channel bins"]:
    """Every beat's window of its record's feature map, sampled at the centres of `bins` equal parts.

    `begin` and `end` are in steps; step k reaches from k to k + 1 and holds the value at its centre, k + 0.5. Between
    centres the value is interpolated linearly; in the outer half steps it is that of the outermost step. A bin whose
    centre lies outside the record (before 0 or from `steps` on, the record's steps before the padding) is zero, and
    gives no gradient: `bins_inside` says which. A beat wholly outside is all zero.

    Works on all beats at once (RoI pooling of Mask R-CNN's kind, He et al. 2017, in one dimension). Raises ValueError
    for fewer than one bin.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins hold nothing of a beat; pass at least one")
    records, channels, length = feature_map.shape
    last = (feature_map.new_full((records,), length, dtype=torch.int64) if steps is None else steps)[beat_record]
    at = _centres(begin, end, bins)
    inside = (at >= 0) & (at < last[:, None])
    outermost = (last[:, None] - 1).clamp_min(0)
    place = (at - 0.5).clamp_min(0).minimum(outermost.to(at.dtype))
    left = place.floor()
    share = place - left
    first = beat_record[:, None] * length + left.long()
    second = first + (left.long() < outermost).long()
    weights = torch.stack([(1 - share) * inside, share * inside], dim=2).to(feature_map.dtype)
    # A weighted sum of two rows, one row a step: as an embedding bag it takes a third of the time, there and back, of
    # gathering both neighbours and interpolating.
    rows = feature_map.transpose(1, 2).reshape(records * length, channels)
    out = functional.embedding_bag(
        torch.stack([first, second], dim=2).reshape(-1, 2), rows, per_sample_weights=weights.reshape(-1, 2), mode="sum"
    )
    return out.reshape(len(begin), bins, channels).transpose(1, 2)


def bins_inside(
    begin: Float[Tensor, " beat"], end: Float[Tensor, " beat"], steps: Int[Tensor, " beat"], bins: int
) -> Bool[Tensor, "beat bins"]:
    """Which bins of each beat lie within its record of `steps` steps; their mean is how much of a beat was seen."""
    at = _centres(begin, end, bins)
    return (at >= 0) & (at < steps[:, None])


def _centres(begin: Float[Tensor, " beat"], end: Float[Tensor, " beat"], bins: int) -> Float[Tensor, "beat bins"]:
    part = (torch.arange(bins, device=begin.device, dtype=begin.dtype) + 0.5) / bins
    return begin[:, None] + (end - begin)[:, None] * part
