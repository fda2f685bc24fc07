"""Every view by name, and compositions of them as values."""

from collections.abc import Mapping
from typing import Literal, get_args

from beatssl.views.amplitude import AmplitudePerturbation, WaveAmplitude
from beatssl.views.config import ViewsConfig as ViewsConfig
from beatssl.views.dipole import Rotation
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
    views["rotation"] = Rotation(
        config.rotation, config.rotation_deg, config.rotation_scale, rank=config.rank, method=config.vcg
    )  # fmt: skip
    views["lead_mask"] = LeadMask(config.lead_mask, config.lead_mask_share)
    on = [name for name in VIEWS if getattr(config, name) > 0 or (name == "rotation" and config.rank == "low")]
    retiming = Retiming(tuple(v for v in (views[name] for name in on) if isinstance(v, TimeView)))
    others = [views[name] for name in on if not isinstance(views[name], TimeView)]
    return compose([*([retiming] if retiming.views else []), *others], config.share)
