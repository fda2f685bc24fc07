"""Views that move time, and the beat marks with it."""

from dataclasses import dataclass, replace
from math import log1p, pi

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from beatssl.views.beat_phase import beat_phase, beats_of_records, mean_rr
from beatssl.views.view import Graded, Signals, time_index, uniform


@dataclass(frozen=True)
class TemporalScaling(Graded):
    """A record played slower or faster, by 1/(1 + limit) to 1 + limit, evenly in its logarithm.

    A record that becomes too long is cut, at a random place; one that becomes shorter ends earlier, `valid` says where.
    """

    limit: float = 0.25
    """The largest stretch at strength 1 is 1 + limit, the largest shrinking 1/(1 + limit)."""

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with time scaled, one factor a record, and every beat at its new position."""
        ecg, last = signals.ecg_mv, (signals.valid.to(signals.ecg_mv.dtype) - 1).clamp(min=0)
        reach = self.strength * log1p(self.limit)
        factor = uniform((len(ecg),), -reach, reach, ecg, generator).exp()
        new_last = (last * factor).floor().clamp(max=ecg.shape[2] - 1)
        start = (last - new_last / factor) * uniform((len(ecg),), 0.0, 1.0, ecg, generator)
        time = time_index(signals)
        scaled = resample(ecg, start[:, None] + time / factor[:, None], signals.valid)
        valid = torch.where(signals.valid > 0, new_last.to(signals.valid.dtype) + 1, signals.valid)
        inside = (time < valid[:, None]).to(ecg.dtype)
        of = signals.beat_record.long()
        beat_at = (signals.beat_at - start[of]) * factor[of]
        return replace(signals, ecg_mv=scaled * inside[:, None], valid=valid, beat_at=beat_at)


@dataclass(frozen=True)
class BeatWarp(Graded):
    """A smooth time warp within beats: R peaks shift a little, and P and T move between them; QRS keeps its shape.

    With φ from 0 to 1 between two R peaks, the output takes its sample from
    t − δ_k − (δ_{k+1} − δ_k) φ²(3 − 2φ) + RR·(a (sin 2πφ − ½ sin 4πφ) + c (1 − cos 2πφ)) / 2π:
    δ_k is how far beat k moves, drawn for each beat; a and c, drawn for each record, move T and P. All slopes are
    those of plain time at each R, and time never runs backwards.
    """

    shift: float = 0.03
    """Largest shift of an R peak at strength 1, as a share of the shorter neighbouring RR interval."""
    bend: float = 0.15
    """Largest a and c at strength 1; T may move by about half of this share of the RR interval."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Slope of the source's time: 1 − 1.5·2·shift − (1 + 2·shift)·(2 + 1)·bend must stay above zero.
        if not (self.shift >= 0 and self.bend >= 0 and 3 * self.shift + (1 + 2 * self.shift) * 3 * self.bend < 1):
            raise ValueError(
                f"shift {self.shift} and bend {self.bend} would turn time back; keep 3 shift + 3 bend (1 + 2 shift) "
                "below 1 and both at least 0"
            )

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with its beats warped and every beat at its new position."""
        ecg, records = signals.ecg_mv, len(signals.ecg_mv)
        moved_by = self._shifts(signals, generator)
        beat_at = signals.beat_at + moved_by
        phase = beat_phase(beat_at, signals.beat_record, records, ecg.shape[2], signals.fs_hz)
        padded = torch.cat([moved_by, moved_by.new_zeros(1)])
        before, after = padded[phase.previous], padded[phase.following]
        # Before the first beat and after the last one all samples move as that beat does.
        none = len(moved_by)
        before = torch.where(phase.previous == none, after, before)
        after = torch.where(phase.following == none, before, after)
        share = torch.where(phase.between, phase.since / phase.rr, 0.0)
        reach = self.strength * self.bend
        a, c = uniform((2, records, 1), -reach, reach, ecg, generator)
        angle = 2 * pi * share
        sine, cosine = torch.sin(angle), torch.cos(angle)
        bent = (a * sine + c) * (1 - cosine) / (2 * pi)  # sin 2x = 2 sin x cos x
        source_rr = phase.rr - (after - before)
        ramp = share * share * (3 - 2 * share)
        source = time_index(signals) - before - (after - before) * ramp + source_rr * bent
        warped = resample(ecg, source, signals.valid)
        inside = (time_index(signals) < signals.valid[:, None]).to(ecg.dtype)
        return replace(signals, ecg_mv=warped * inside[:, None], beat_at=beat_at)

    def _shifts(self, signals: Signals, generator: torch.Generator) -> Float[Tensor, " beat"]:
        """How far each beat moves, in samples: a share of the shorter interval beside it, so that order is kept."""
        at, of = signals.beat_at, signals.beat_record.long()
        if len(at) == 0:
            return at
        count, first = beats_of_records(of, len(signals.ecg_mv))
        usual = mean_rr(at, count, first, signals.fs_hz)[of]
        gap, same = at.diff(), of.diff() == 0
        beyond = torch.full_like(at[:1], torch.inf)
        to_next = torch.cat([torch.where(same, gap, torch.inf), beyond])
        to_last = torch.cat([beyond, torch.where(same, gap, torch.inf)])
        room = torch.minimum(torch.minimum(to_next, to_last), usual)
        reach = self.strength * self.shift
        return room * uniform((len(at),), -reach, reach, at, generator)


def resample(
    ecg_mv: Float[Tensor, "record lead time"], source: Float[Tensor, "record out"], valid: Int[Tensor, " record"]
) -> Float[Tensor, "record lead out"]:
    """The signal read between its samples, at `source` in samples, by cubic convolution over four samples.

    Beyond a record's ends its outer samples stand. All leads of a record share their positions.

    Source: Keys, IEEE Trans Acoust Speech Signal Process 1981;29:1153, with a = −1/2.
    """
    records, leads, samples = ecg_mv.shape
    end = (valid - 1).clamp(min=0)[:, None].to(source.dtype)
    source = torch.minimum(source.clamp(min=0.0), end)
    whole = source.floor()
    f = source - whole
    weight = torch.stack(
        [
            ((-0.5 * f + 1) * f - 0.5) * f,
            (1.5 * f - 2.5) * f * f + 1,
            ((-1.5 * f + 2) * f + 0.5) * f,
            (f - 1) * f * f / 2,
        ],
        dim=2,
    )
    tap = whole.long()[:, :, None] + torch.arange(-1, 3, device=ecg_mv.device)
    tap = torch.minimum(tap.clamp(min=0), end.long()[:, :, None])
    tap = tap + samples * torch.arange(records, device=ecg_mv.device)[:, None, None]
    # A sample with all its leads is one row of a table: the weighted sum of four rows is what embedding_bag does fast.
    table = ecg_mv.transpose(1, 2).reshape(records * samples, leads)
    read = embedding_bag(tap.reshape(-1, 4), table, per_sample_weights=weight.reshape(-1, 4), mode="sum")
    return read.reshape(records, -1, leads).transpose(1, 2).contiguous()
