"""Pretraining methods, one file each; a new one is registered by a line here."""

from beatssl.training.pretraining.objective import Method, Preset
from beatssl.training.pretraining.objectives import beatssl, cmsc, masked_reconstruction, regression, simclr

METHODS: dict[str, Method] = {
    one.METHOD.name: one.METHOD for one in (beatssl, simclr, regression, masked_reconstruction, cmsc)
}
"""Methods by name."""

PRESETS: dict[str, Preset] = {name: preset for method in METHODS.values() for name, preset in method.presets.items()}
"""Presets of all methods by name."""
