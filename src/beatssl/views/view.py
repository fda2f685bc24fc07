"""What a view takes and gives, and how views are chained."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Signals:
    """A batch of records and their beats, all on one device. Beats are sorted by record, then by time."""

    ecg_mv: Float[Tensor, "record lead time"]  # twelve leads in canonical order; 0 where missing or padding
    lead_mask: Bool[Tensor, "record lead"]  # True: measured
    valid: Int[Tensor, " record"]  # samples before the padding
    beat_record: Int[Tensor, " beat"]  # row in the batch
    beat_at: Float[Tensor, " beat"]  # R peak in samples; a beat that was moved out of the record keeps its position
    fs_hz: float


@runtime_checkable
class View(Protocol):
    """A random change of a batch. It gives new signals, the old ones stay as they are."""

    def __call__(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch changed, each record in its own way; `generator` lives on the signals' device."""
        ...


@dataclass(frozen=True)
class Graded(ABC):
    """A view with a strength: 1 is its full range, 0 leaves every bit as it was."""

    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength {self.strength} of {type(self).__name__} is outside 0 to 1; pass one within")

    def __call__(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch changed; the same signals, and no number drawn, where the strength is 0."""
        return signals if self.strength == 0 else self.change(signals, generator)

    @abstractmethod
    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch changed by a strength above 0."""


@dataclass(frozen=True)
class Composed:
    """Views one after another."""

    views: tuple[View, ...]
    share: float = 1.0
    """Chance of a record to be changed at all."""

    def __call__(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch changed by every view in turn; records that are not to be changed stay as they were, to the bit."""
        changed = signals
        for view in self.views:
            changed = view(changed, generator)
        if self.share == 1 or not self.views:
            return changed
        touched = torch.rand(len(signals.valid), generator=generator, device=signals.valid.device) < self.share
        return replace(
            changed,
            ecg_mv=torch.where(touched[:, None, None], changed.ecg_mv, signals.ecg_mv),
            lead_mask=torch.where(touched[:, None], changed.lead_mask, signals.lead_mask),
            valid=torch.where(touched, changed.valid, signals.valid),
            beat_at=torch.where(touched[signals.beat_record], changed.beat_at, signals.beat_at),
        )


def compose(views: Sequence[View], share: float = 1.0) -> Composed:
    """One view out of several, applied in the order given to a share of the records; of none, the identity.

    Raises ValueError for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} of the records is outside 0 to 1; pass one within")
    return Composed(tuple(views), share)


def uniform(shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers drawn evenly from low to high, of `like`'s type and on its device."""
    drawn = torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)
    return drawn * (high - low) + low


def time_index(signals: Signals) -> Float[Tensor, " time"]:
    """0, 1, 2, …, one number a sample."""
    ecg = signals.ecg_mv
    return torch.arange(ecg.shape[2], device=ecg.device, dtype=ecg.dtype)


def inside(signals: Signals) -> Float[Tensor, "record time"]:
    """1 before a record's end, 0 in its padding."""
    return (time_index(signals) < signals.valid[:, None]).to(signals.ecg_mv.dtype)
