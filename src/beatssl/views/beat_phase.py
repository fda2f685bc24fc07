"""Where every sample stands between its neighbouring beats, for all records of a batch at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_LONE_RR_S = 0.8
"""RR interval assumed for a record with one beat or none."""


@dataclass(frozen=True, slots=True)
class BeatPhase:
    """The beats about every sample. Indices point into the batch's beats, with one empty beat appended."""

    previous: Int[Tensor, "record time"]  # beat at or before the sample; the empty one where there is none
    following: Int[Tensor, "record time"]
    since: Float[Tensor, "record time"]  # samples since the R peak before; infinite where there is none
    until: Float[Tensor, "record time"]  # samples until the R peak after
    rr: Float[Tensor, "record time"]  # samples from R to R about the sample; the record's mean beyond its outer beats
    between: Bool[Tensor, "record time"]  # a beat stands on either side


def beat_phase(
    beat_at: Float[Tensor, " beat"], beat_record: Int[Tensor, " beat"], records: int, samples: int, fs_hz: float
) -> BeatPhase:
    """Neighbouring beats of each of `samples` samples of each record; beats sorted by record and time.

    Samples are counted, not searched: 1 at the first sample at or after each R, summed along time, is the number of
    beats passed.
    """
    count, first = beats_of_records(beat_record, records)
    steps = beat_at.new_zeros((records, samples + 1))
    at = beat_at.ceil().clamp(0, samples).long()
    steps.index_put_((beat_record.long(), at), torch.ones_like(beat_at), accumulate=True)
    passed = steps[:, :samples].cumsum(1).long()
    none = len(beat_at)
    previous = torch.where(passed > 0, first[:, None] + passed - 1, none)
    following = torch.where(passed < count[:, None], first[:, None] + passed, none)
    time = torch.arange(samples, device=beat_at.device, dtype=beat_at.dtype)
    before = torch.cat([beat_at, beat_at.new_full((1,), -torch.inf)])[previous]
    after = torch.cat([beat_at, beat_at.new_full((1,), torch.inf)])[following]
    between = (previous < none) & (following < none)
    mean = mean_rr(beat_at, count, first, fs_hz)
    rr = torch.where(between, (after - before).clamp(min=1.0), mean[:, None])
    return BeatPhase(previous, following, time - before, after - time, rr, between)


def beats_of_records(
    beat_record: Int[Tensor, " beat"], records: int
) -> tuple[Int[Tensor, " record"], Int[Tensor, " record"]]:
    """How many beats each record has, and the index of its first."""
    ones = torch.ones_like(beat_record, dtype=torch.long)
    count = torch.zeros(records, dtype=torch.long, device=beat_record.device).index_add(0, beat_record.long(), ones)
    return count, count.cumsum(0) - count


def mean_rr(
    beat_at: Float[Tensor, " beat"], count: Int[Tensor, " record"], first: Int[Tensor, " record"], fs_hz: float
) -> Float[Tensor, " record"]:
    """Mean RR interval of each record in samples, 0.8 s for a record with fewer than two beats."""
    padded = torch.cat([beat_at, beat_at.new_zeros(1)])
    last = (first + count - 1).clamp(min=0)
    span = padded[last] - padded[first.clamp(max=len(beat_at))]
    mean = (span / (count - 1).clamp(min=1)).clamp(min=1.0)
    return torch.where(count > 1, mean, _LONE_RR_S * fs_hz)
