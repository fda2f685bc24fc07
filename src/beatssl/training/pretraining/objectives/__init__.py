"""Pretraining methods, one file each; a new one is registered by a line here."""

from beatssl.training.pretraining.objective import Method, Preset, of_the_map
from beatssl.training.pretraining.objectives import (
    beatssl,
    cmsc,
    latent_prediction,
    masked_reconstruction,
    physioclr,
    regression,
    simclr,
    ts2vec,
    vicreg,
)

_OWN = (beatssl, simclr, physioclr, regression, masked_reconstruction, cmsc, vicreg, ts2vec, latent_prediction)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (*(one.METHOD for one in _OWN), *(of_the_map(one.METHOD) for one in (simclr, cmsc, vicreg)))
}
"""Methods by name; those of the map have the pooled feature map as their embedding."""

PRESETS: dict[str, Preset] = {name: preset for method in METHODS.values() for name, preset in method.presets.items()}
"""Presets of all methods by name."""
