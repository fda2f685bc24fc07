"""SimCLR: hard contrast of whole records, each like itself alone (Chen et al., ICML 2020), with the views of 3KG."""

from beatssl.training.pretraining.objective import Method, Preset
from beatssl.training.pretraining.objectives.beatssl import (
    OFF,
    BeatSSLSettings,
    Contrast,
    beat_ssl_columns,
    build_beat_ssl,
)
from beatssl.views.registry import preset as views_preset

METHOD = Method(
    "simclr",
    BeatSSLSettings,
    beat_ssl_columns,
    build_beat_ssl,
    {
        "simclr": Preset(
            "simclr",
            views_preset("3kg"),
            BeatSSLSettings(rhythm=Contrast(form="hard", targets="identity"), beat=OFF),
        )
    },
)
"""Preset simclr: temperature 0.1, no beats, no targets."""
