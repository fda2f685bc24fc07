"""Regression: the measured features are predicted from the embedding of the untouched signal, without any contrast."""

from beatssl.training.pretraining.objective import Method, Preset
from beatssl.training.pretraining.objectives.beatssl import OFF, BeatSSLSettings, beat_ssl_columns, build_beat_ssl
from beatssl.views.registry import preset as views_preset

_UNTOUCHED = BeatSSLSettings(rhythm=OFF, beat=OFF, regression=1.0, regress_from="signal")
_NAMED = BeatSSLSettings(rhythm=OFF, beat=OFF, regression=1.0, regress_from="signal", beat_shape=0)

METHOD = Method(
    "regression",
    BeatSSLSettings,
    beat_ssl_columns,
    build_beat_ssl,
    {
        "regression": Preset("regression", views_preset("none"), _UNTOUCHED),
        "domain-ssl": Preset("regression", views_preset("none"), _NAMED),
    },
)
"""Presets:

- regression: mean squared error over the standardised record features that were measured, the median beat's principal
  components among them.
- domain-ssl: the same of the measurements that have a name (intervals, amplitudes, axes, rhythm), without components of
  the median beat. The Beat-SSL paper compares with a "Domain-SSL" and does not define it; this is our reading of it:
  knowledge of the domain as the pretext task.
"""
