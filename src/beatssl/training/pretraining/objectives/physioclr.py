"""PhysioCLR's weighting: hard contrast of records whose positives are all records that measured features say are alike.

Of the published method this is the choice of positives alone, by a threshold on the cosine of measured features; its
peak-aware reconstruction and its views are not here: the views are those of SimCLR, the features those of the store.
"""

from beatssl.targets.soft import SoftTargets
from beatssl.training.pretraining.objective import Method, Preset
from beatssl.training.pretraining.objectives.beatssl import (
    OFF,
    BeatSSLSettings,
    Contrast,
    beat_ssl_columns,
    build_beat_ssl,
)
from beatssl.views.registry import preset as views_preset

_ALIKE = SoftTargets("threshold", exponent=1.0, threshold=0.25)

METHOD = Method(
    "physioclr",
    BeatSSLSettings,
    beat_ssl_columns,
    build_beat_ssl,
    {
        "physioclr": Preset(
            "physioclr",
            views_preset("3kg"),
            BeatSSLSettings(rhythm=Contrast(form="hard", soft=_ALIKE), beat=OFF),
        )
    },
)
"""Preset physioclr: positives are the other view and both views of every record with a cosine of 0.25 at least."""
