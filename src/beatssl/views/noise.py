"""Views that add what electrodes and amplifiers add: muscle noise, a wandering baseline, mains hum."""

from dataclasses import dataclass, replace
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from beatssl.signals.leads import INDEPENDENT
from beatssl.signals.vcg import TWELVE_FROM_EIGHT
from beatssl.views.view import Graded, Signals, inside, time_index, uniform


@dataclass(frozen=True)
class Noise(Graded):
    """White noise in the eight independent leads, one level a record from 0 to `sd_mv`; the lead algebra holds."""

    sd_mv: float = 0.05
    """Largest standard deviation at strength 1."""

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with noise added where something is measured."""
        ecg = signals.ecg_mv
        records, samples = len(ecg), ecg.shape[2]
        sd_mv = uniform((records, 1, 1), 0.0, self.strength * self.sd_mv, ecg, generator)
        drawn = torch.randn(
            (records, len(INDEPENDENT), samples), generator=generator, device=ecg.device, dtype=ecg.dtype
        )
        return _added(signals, _in_twelve(sd_mv, ecg), drawn)


@dataclass(frozen=True)
class BaselineWander(Graded):
    """Three slow sines a record, with a size and phase of their own in each independent lead."""

    amplitude_mv: float = 0.15
    """Largest amplitude of a sine at strength 1."""
    low_hz: float = 0.15
    high_hz: float = 0.7

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with a wandering baseline where something is measured."""
        ecg = signals.ecg_mv
        records, sines = len(ecg), 3
        hz = uniform((records, sines, 1), self.low_hz, self.high_hz, ecg, generator)
        angle = 2 * pi * hz * (time_index(signals) / signals.fs_hz)
        waves = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
        reach = self.strength * self.amplitude_mv
        size = uniform((records, len(INDEPENDENT), sines), -reach, reach, ecg, generator)
        phase = uniform((records, len(INDEPENDENT), sines), 0.0, 2 * pi, ecg, generator)
        eight = torch.cat([size * torch.cos(phase), size * torch.sin(phase)], dim=2)
        return _added(signals, _algebra(ecg) @ eight, waves)


@dataclass(frozen=True)
class Mains(Graded):
    """Mains hum: one sine of 50 or 60 Hz with a size and phase of its own in each independent lead.

    Raises ValueError where the sampling rate cannot hold it: a store filtered to 40 Hz has none, leave it at 0.
    """

    amplitude_mv: float = 0.05
    """Largest amplitude at strength 1."""
    mains_hz: float = 50.0

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with hum where something is measured."""
        ecg = signals.ecg_mv
        if signals.fs_hz <= 2 * self.mains_hz:
            raise ValueError(
                f"{self.mains_hz:g} Hz mains cannot be sampled at {signals.fs_hz:g} samples/s; leave the view out "
                f"(strength 0), or prepare the store at more than {2 * self.mains_hz:g} samples/s"
            )
        angle = 2 * pi * self.mains_hz / signals.fs_hz * time_index(signals)
        waves = torch.stack([torch.sin(angle), torch.cos(angle)]).expand(len(ecg), 2, -1)
        shape = (len(ecg), len(INDEPENDENT), 1)
        size = uniform(shape, 0.0, self.strength * self.amplitude_mv, ecg, generator)
        phase = uniform(shape, 0.0, 2 * pi, ecg, generator)
        return _added(
            signals, _algebra(ecg) @ torch.cat([size * torch.cos(phase), size * torch.sin(phase)], dim=2), waves
        )


def _algebra(like: Tensor) -> Float[Tensor, "lead 8"]:
    """Twelve leads from eight."""
    return torch.as_tensor(TWELVE_FROM_EIGHT, dtype=like.dtype, device=like.device)


def _in_twelve(size: Float[Tensor, "record 1 1"], like: Tensor) -> Float[Tensor, "record lead 8"]:
    return _algebra(like) * size


def _added(
    signals: Signals, weights: Float[Tensor, "record lead source"], sources: Float[Tensor, "record source time"]
) -> Signals:
    """weights · sources added where a lead is measured and the record has not ended."""
    of_measured = weights * signals.lead_mask[:, :, None]
    return replace(signals, ecg_mv=torch.baddbmm(signals.ecg_mv, of_measured, sources * inside(signals)[:, None]))
