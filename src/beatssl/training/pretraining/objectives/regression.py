"""Regression: the measured features are predicted from the embedding of the untouched signal, without any contrast."""

from beatssl.training.pretraining.objective import Method, Preset
from beatssl.training.pretraining.objectives.beatssl import OFF, BeatSSLSettings, beat_ssl_columns, build_beat_ssl
from beatssl.views.registry import preset as views_preset

METHOD = Method(
    "regression",
    BeatSSLSettings,
    beat_ssl_columns,
    build_beat_ssl,
    {
        "regression": Preset(
            "regression",
            views_preset("none"),
            BeatSSLSettings(rhythm=OFF, beat=OFF, regression=1.0, regress_from="signal"),
        )
    },
)
"""Preset regression: mean squared error over the standardised record features that were measured."""
