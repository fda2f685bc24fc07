"""Views that move time, and the beat marks with it."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import log1p, pi

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from beatssl.views.beat_phase import beat_phase, beats_of_records, mean_rr
from beatssl.views.view import Graded, Signals, inside, time_index, uniform

_REACH, _PHASES = 3, 512
"""Samples on either side that a value between two samples is made of, and how finely its place is resolved."""


@dataclass(frozen=True, slots=True)
class Retimed:
    """A new course of time for every record, not yet read."""

    source: Float[Tensor, "record time"]  # the sample of the old signal that each new sample is read at
    valid: Int[Tensor, " record"]
    beat_at: Float[Tensor, " beat"]

    def read(self, signals: Signals) -> Signals:
        """The signals along the new time; padding zero again."""
        moved = replace(signals, valid=self.valid, beat_at=self.beat_at)
        read = resample(signals.ecg_mv, self.source, signals.valid)
        return replace(moved, ecg_mv=read.mul_(inside(moved)[:, None]))


@dataclass(frozen=True)
class TimeView(Graded):
    """A view that moves time and nothing else."""

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch along its new time, every beat at its new position."""
        return self.retimed(signals, generator).read(signals)

    @abstractmethod
    def retimed(self, signals: Signals, generator: torch.Generator) -> Retimed:
        """The new time, drawn for every record."""


@dataclass(frozen=True)
class Retiming:
    """Views that move time one after another, the signal read once at the end of them: quicker, and less smoothed."""

    views: tuple[TimeView, ...]

    def __call__(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch changed by all that have a strength above 0."""
        whole = self.retimed(signals, generator)
        return signals if whole is None else whole.read(signals)

    def retimed(self, signals: Signals, generator: torch.Generator) -> Retimed | None:
        """The new time that all of them make together, for what must move with the signal; None where none is on."""
        whole: Retimed | None = None
        moved = signals
        for view in self.views:
            if view.strength == 0:
                continue
            part = view.retimed(moved, generator)
            source = part.source if whole is None else _read_at(whole.source, part.source, moved.valid)
            whole = replace(part, source=source)
            moved = replace(moved, valid=part.valid, beat_at=part.beat_at)
        return whole


@dataclass(frozen=True)
class TemporalScaling(TimeView):
    """A record played slower or faster, by 1/(1 + limit) to 1 + limit, evenly in its logarithm.

    A record that becomes too long is cut, at a random place; one that becomes shorter ends earlier, `valid` says where.
    """

    limit: float = 0.25
    """The largest stretch at strength 1 is 1 + limit, the largest shrinking 1/(1 + limit)."""

    def retimed(self, signals: Signals, generator: torch.Generator) -> Retimed:
        """t is read at start + t / factor."""
        ecg, last = signals.ecg_mv, (signals.valid.to(signals.ecg_mv.dtype) - 1).clamp(min=0)
        reach = self.strength * log1p(self.limit)
        factor = uniform((len(ecg),), -reach, reach, ecg, generator).exp()
        whole, room = last * factor, ecg.shape[2] - 1
        new_last = whole.floor().clamp(max=room)
        place = uniform((len(ecg),), 0.0, 1.0, ecg, generator)
        start = torch.where(whole > room, (last - new_last / factor) * place, 0.0)
        valid = torch.where(signals.valid > 0, new_last.to(signals.valid.dtype) + 1, signals.valid)
        of = signals.beat_record.long()
        beat_at = (signals.beat_at - start[of]) * factor[of]
        return Retimed(start[:, None] + time_index(signals) / factor[:, None], valid, beat_at)


@dataclass(frozen=True)
class BeatWarp(TimeView):
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

    def retimed(self, signals: Signals, generator: torch.Generator) -> Retimed:
        """The formula above; before a record's first beat and after its last all samples move as that beat does."""
        ecg, records = signals.ecg_mv, len(signals.ecg_mv)
        moved_by = self._shifts(signals, generator)
        beat_at = signals.beat_at + moved_by
        phase = beat_phase(beat_at, signals.beat_record, records, ecg.shape[2], signals.fs_hz)
        padded = torch.cat([moved_by, moved_by.new_zeros(1)])
        before, after = padded[phase.previous], padded[phase.following]
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
        return Retimed(source, signals.valid, beat_at)

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
    """The signal read between its samples, at `source` in samples, by a sinc windowed to six samples (Lanczos).

    Beyond a record's ends its outer samples stand. All leads of a record share their positions, which are rounded to
    1/512 sample. At 100 samples/s QRS keeps its height, of which interpolation by cubics takes 5 %.
    """
    records, leads, samples = ecg_mv.shape
    row = torch.arange(records, device=ecg_mv.device)[:, None]
    last = (valid.long() - 1).clamp(min=0)[:, None]
    source = torch.minimum(source.clamp(min=0.0), last.to(source.dtype))
    whole = source.floor()
    weight = _lanczos(source)[((source - whole) * _PHASES).round_().int()]
    # A sample with all its leads is one row of a table: the weighted sum of six rows is what embedding_bag does fast.
    before, length = _REACH - 1, samples + 2 * _REACH - 1
    table = ecg_mv.new_empty((records, length, leads))
    table[:, before : before + samples] = ecg_mv.transpose(1, 2)
    table[:, :before] = ecg_mv[:, None, :, 0]
    table[row, last + before + torch.arange(1, _REACH + 1, device=row.device)] = table[row, last + before]
    tap = (whole.int() + (length * row).int())[:, :, None] + torch.arange(
        2 * _REACH, dtype=torch.int32, device=row.device
    )
    read = embedding_bag(
        tap.view(-1, 2 * _REACH), table.view(-1, leads), per_sample_weights=weight.view(-1, 2 * _REACH), mode="sum"
    )
    return read.view(records, -1, leads).transpose(1, 2).contiguous()


def _lanczos(like: Tensor) -> Float[Tensor, "phase tap"]:
    """Weights of the samples from 2 before to 3 after, for each place between two samples; each line sums to 1."""
    place = torch.arange(_PHASES + 1, device=like.device, dtype=torch.float64)[:, None] / _PHASES
    distance = place - torch.arange(1 - _REACH, _REACH + 1, device=like.device)
    weight = torch.sinc(distance) * torch.sinc(distance / _REACH)
    weight[[0, -1]] = weight[[0, -1]].round()  # at a sample its own value, to the last bit
    return (weight / weight.sum(dim=1, keepdim=True)).to(like.dtype)


def _read_at(
    values: Float[Tensor, "record time"], at: Float[Tensor, "record time"], valid: Int[Tensor, " record"]
) -> Float[Tensor, "record time"]:
    """Values of a smooth curve between its samples, on the straight line between neighbours."""
    at = torch.minimum(at.clamp(min=0.0), (valid - 1).clamp(min=0)[:, None].to(at.dtype))
    low = at.floor().clamp(max=max(values.shape[1] - 2, 0))
    begin = values.gather(1, low.long())
    end = values.gather(1, (low.long() + 1).clamp(max=values.shape[1] - 1))
    return torch.lerp(begin, end, at - low)
