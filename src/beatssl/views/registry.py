"""Every view by name, and compositions of them as values."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.signals.vcg import Method
from beatssl.views.amplitude import AmplitudePerturbation, WaveAmplitude
from beatssl.views.dipole import Rank, Rotation
from beatssl.views.masking import LeadMask, TimeMask
from beatssl.views.noise import BaselineWander, Mains, Noise
from beatssl.views.timing import BeatWarp, Retiming, TemporalScaling, TimeView
from beatssl.views.view import Composed, Graded, compose

VIEWS: Mapping[str, type[Graded] | type[Rotation]] = {
    "temporal_scaling": TemporalScaling,
    "beat_warp": BeatWarp,
    "wave_amplitude": WaveAmplitude,
    "rotation": Rotation,
    "amplitude": AmplitudePerturbation,
    "wander": BaselineWander,
    "noise": Noise,
    "mains": Mains,
    "lead_mask": LeadMask,
    "time_mask": TimeMask,
}
"""Views in the order they are applied: the heart's, then the body's and the electrodes', then what is hidden."""

Preset = Literal["none", "3kg", "beatssl"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

Strength = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ViewsConfig:
    """How strong each view is: 0 is off, 1 its full range. The defaults change nothing."""

    rotation: Strength = 0.0
    """Turn (up to 45 degrees) and scale (up to 1.5) of the dipole."""
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
    """Leads taken out, each with a chance of up to one half."""
    time_mask: Strength = 0.0
    """Half of each lead hidden, one contiguous stretch."""
    share: Strength = 1.0
    """Chance of a record to be changed at all: below 1 the encoder goes on seeing records as they were measured."""


_PRESETS: dict[Preset, ViewsConfig] = {
    "none": ViewsConfig(),
    "3kg": ViewsConfig(rotation=1.0, rank="low", time_mask=1.0),
    "beatssl": ViewsConfig(noise=0.3, wander=0.3, lead_mask=0.4, time_mask=0.2, share=0.4),
}


def preset(name: str) -> ViewsConfig:
    """A named composition. Raises ValueError for a name that is none.

    - none: the identity.
    - 3kg: rotation, scale and time mask as 3KG has them, of rank three.
    - beatssl: what a recording may lack or add, in two records of five: leads, a stretch, noise, wander. None that
      changes what is measured (a turned heart has another axis): features of the untouched signal are predicted from
      it, and views that make them wrong cost the linear probe more than they taught (PTB-XL, fold 8).
    """
    if name not in PRESETS:
        raise ValueError(f"there are no views {name!r}; choose one of {', '.join(PRESETS)}")
    return _PRESETS[name]


def build_views(config: ViewsConfig) -> Composed:
    """The views that are on, in the order of `VIEWS`, as one view; those that move time stand first and read once."""
    views = {name: kind(strength=getattr(config, name)) for name, kind in VIEWS.items() if name != "rotation"}
    views["rotation"] = Rotation(strength=config.rotation, rank=config.rank, method=config.vcg)
    on = [name for name in VIEWS if getattr(config, name) > 0 or (name == "rotation" and config.rank == "low")]
    retiming = Retiming(tuple(v for v in (views[name] for name in on) if isinstance(v, TimeView)))
    others = [views[name] for name in on if not isinstance(views[name], TimeView)]
    return compose([*([retiming] if retiming.views else []), *others], config.share)
