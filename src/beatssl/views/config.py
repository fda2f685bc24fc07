"""How strong views are, apart from PyTorch."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.signals.vcg import Method

Rank = Literal["low", "full"]
Strength = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ViewsConfig:
    """How strong each view is: 0 is off, 1 its full range. The defaults change nothing."""

    rotation: Strength = 0.0
    """Turn (up to `rotation_deg`) and scale (up to `rotation_scale`) of the dipole."""
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 45.0
    """Largest angle about each axis, either way, at rotation 1."""
    rotation_scale: Annotated[float, Field(ge=1)] = 1.5
    """Largest factor along each axis at rotation 1; the smallest is 1."""
    rank: Rank = "full"
    """Low: only the dipole comes back, even at rotation 0. Full: what is no dipole stays as it was."""
    vcg: Method = "dower"
    """Which matrix makes the vectorcardiogram."""
    temporal_scaling: Strength = 0.0
    """Records slower or faster by up to 1.25 times."""
    beat_warp: Strength = 0.0
    """R peaks shifted and P and T moved between them."""
    wave_amplitude: Strength = 0.0
    """P and T waves larger or smaller by up to 1.5 times."""
    amplitude: Strength = 0.0
    """Records larger or smaller by up to 1.3 times, chest leads by up to 1.15 times more."""
    wander: Strength = 0.0
    """Baseline wander, up to three sines of 0.15 mV."""
    noise: Strength = 0.0
    """White noise with a standard deviation of up to 0.05 mV."""
    mains: Strength = 0.0
    """Mains hum of up to 0.05 mV; the store must be sampled at more than 100 Hz."""
    lead_mask: Strength = 0.0
    """Leads taken out, each with a chance of up to `lead_mask_share`."""
    lead_mask_share: Strength = 0.5
    """Largest chance of a lead to go at lead_mask 1. With 1, as many records have one lead or two as have ten."""
    time_mask: Strength = 0.0
    """Half of each lead hidden, one contiguous stretch."""
    share: Strength = 1.0
    """Chance of a record to be changed at all: below 1 the encoder goes on seeing records as they were measured."""
