"""Beat classes N, S, V, F by a small network that was trained on MIT-BIH's DS1; inference in NumPy.

The weights, and how they were made and measured, are in `weights/`; `release/beat_classifier.py` makes them.
"""

import itertools
import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError

from beatssl.beats.classes.beat_shape import contexts
from beatssl.beats.classes.class_features import class_features, shaped_beats
from beatssl.beats.classes.fibrillation import fibrillation, without_s_in_fibrillation
from beatssl.beats.classes.networks import Networks, load_networks, save_networks
from beatssl.beats.classes.second_pass import ShapedBeats, second_features, without_lone_fusion
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats

CLASSES = ("N", "S", "V", "F")
"""AAMI EC57: normal and bundle branch block, supraventricular ectopic, ventricular ectopic, fusion of N and V."""

WEIGHTS = Path(__file__).with_name("weights") / "beat-classes.safetensors"
"""The weights that come with the package."""

FIBRILLATION_WEIGHTS = WEIGHTS.with_name("fibrillation.safetensors")
"""The networks of atrial fibrillation alone, from which `WEIGHTS` has its own."""

_BEATS_AT_ONCE = 4096
_NETWORKS = ("first", "second", "fibrillation")


@dataclass(frozen=True, slots=True)
class BeatClassifier:
    """Two passes: the second compares each beat with those of its record that the first one is sure of.

    In atrial fibrillation, which networks of their own tell, there is no S.
    """

    first: Networks
    second: Networks
    fibrillation: Networks

    @classmethod
    def load(cls, path: Path) -> "BeatClassifier":
        """Read weights from a safetensors file.

        Raises ValueError for a file that holds no beat classifier, and where it has another SHA-256 than stands in the
        file of that name beside it.
        """
        try:
            return cls(*load_networks(path, _NETWORKS))
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} holds no beat classifier ({error!r}); train one, or pass {WEIGHTS}") from error

    def save(self, path: Path) -> None:
        """Write safetensors, and its SHA-256 beside it; the names of features and classes go into its metadata."""
        parts: dict[str, Networks] = dict(zip(_NETWORKS, (self.first, self.second, self.fibrillation), strict=True))
        save_networks(path, parts, {"classes": json.dumps(CLASSES)})

    def probabilities(self, beats: ShapedBeats) -> Float32[np.ndarray, "beat 4"]:
        """Class probabilities, in the order of `CLASSES`."""
        features = class_features(beats)
        sure = self.first.probabilities(features)
        likely = fibrillation(beats, features, self.fibrillation)
        features |= second_features(beats, sure)
        probability = without_lone_fusion(self.second.probabilities(features), features)
        return without_s_in_fibrillation(probability, likely)


def classify(
    beats: Beats, fiducials: Fiducials | None = None, weights: Path = WEIGHTS
) -> Float32[np.ndarray, "beat 4"]:
    """Probabilities of N, S, V and F for every beat, from any set of leads, filtered 0.5–40 Hz.

    Each beat is compared with the other beats of its row, or of up to 30 rows where a long record was cut
    (`beat_shape.contexts`). A beat that no lead has measured gets NaN. `fiducials` are not needed and not used.

    Raises ValueError where `weights` is no beat classifier.
    """
    classifier = _loaded(weights)
    out = np.full((len(beats), len(CLASSES)), np.nan, np.float32)
    context = contexts(beats)
    for part in _parts(context):
        some = replace(
            beats,
            row=beats.row[part],
            time_s=beats.time_s[part],
            rr_prev_s=beats.rr_prev_s[part],
            rr_next_s=beats.rr_next_s[part],
            window_mv=beats.window_mv[part],
        )
        out[part] = classifier.probabilities(shaped_beats(some, context[part] - context[part.start]))
    unmeasured = np.isnan(beats.window_mv[:, :, beats.r_index]).all(axis=1)
    out[unmeasured] = np.nan
    return out


@lru_cache(maxsize=4)
def _loaded(path: Path) -> BeatClassifier:
    return BeatClassifier.load(path)


def _parts(context: np.ndarray) -> list[slice]:
    """Beats in pieces of a few thousand that keep contexts whole: small enough for the processor's cache."""
    ends = (np.flatnonzero(np.diff(context, append=-1)) + 1).tolist()
    parts: list[slice] = []
    start = 0
    for end, after in itertools.pairwise([*ends, math.inf] if ends else []):
        if after - start > _BEATS_AT_ONCE:
            parts.append(slice(start, end))
            start = end
    return parts
