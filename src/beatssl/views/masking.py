"""Views that hide: a stretch of every lead, or whole leads."""

from dataclasses import dataclass, replace

import torch

from beatssl.views.view import Graded, Signals, time_index, uniform


@dataclass(frozen=True)
class TimeMask(Graded):
    """One contiguous stretch of each lead set to zero, at a place of its own, wrapping round the record's end.

    `lead_mask` does not change: the lead is still measured. Source: 3KG.
    """

    share: float = 0.5
    """Share of the record that is hidden at strength 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} of TimeMask is outside 0 to 1; pass one within")

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with a stretch of every lead at zero; the stretch is whole samples, rounded."""
        ecg = signals.ecg_mv
        valid = signals.valid.to(ecg.dtype)[:, None, None]
        begin = (uniform((*ecg.shape[:2], 1), 0.0, 1.0, ecg, generator) * valid).floor()
        hidden = (self.strength * self.share * valid).round()
        end = begin + hidden
        # Where the hidden stretch wraps round, what stays is the one that does not.
        wraps = end > valid
        low, high = torch.where(wraps, end - valid, begin), torch.where(wraps, begin, end)
        # Half a sample or more below zero within low … high, as much above it outside.
        outside = (time_index(signals) - (low + high - 1) / 2).abs_().sub_((high - low) / 2)
        keep = outside.mul_(torch.where(wraps, -1.0, 1.0)).clamp_(-0.5, 0.5).add_(0.5)
        return replace(signals, ecg_mv=keep.mul_(ecg))


@dataclass(frozen=True)
class LeadMask(Graded):
    """Whole leads taken out, so that one encoder serves records that have few. `lead_mask` says which are left.

    Each record draws a share from 0 to `share`, and each of its leads goes with that chance. Of the measured leads
    one always stays.
    """

    share: float = 0.5
    """The largest chance of a lead to go, at strength 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} of LeadMask is outside 0 to 1; pass one within")

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with some leads zero and unmeasured."""
        ecg = signals.ecg_mv
        chance = uniform((len(ecg), 1), 0.0, self.strength * self.share, ecg, generator)
        drawn = uniform(tuple(ecg.shape[:2]), 0.0, 1.0, ecg, generator)
        luck = torch.where(signals.lead_mask, drawn, -1.0)
        stays = (luck >= chance) | (luck == luck.amax(dim=1, keepdim=True))
        lead_mask = signals.lead_mask & stays
        return replace(signals, ecg_mv=ecg * lead_mask[:, :, None], lead_mask=lead_mask)
