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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from beatssl.beats.classes.beat_shape import contexts
from beatssl.beats.classes.class_features import class_features, shaped_beats
from beatssl.beats.classes.networks import Networks
from beatssl.beats.classes.second_pass import ShapedBeats, second_features, without_lone_fusion
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats
from beatssl.files import sha256_of, write_bytes

CLASSES = ("N", "S", "V", "F")
"""AAMI EC57: normal and bundle branch block, supraventricular ectopic, ventricular ectopic, fusion of N and V."""

WEIGHTS = Path(__file__).with_name("weights") / "beat-classes.safetensors"
"""The weights that come with the package."""

_BEATS_AT_ONCE = 4096
_PASSES = ("first", "second")


@dataclass(frozen=True, slots=True)
class BeatClassifier:
    """Two passes: the second compares each beat with those of its record that the first one is sure of."""

    first: Networks
    second: Networks

    @classmethod
    def load(cls, path: Path) -> "BeatClassifier":
        """Read weights from a safetensors file.

        Raises ValueError for a file that holds no beat classifier, and where it has another SHA-256 than stands in the
        file of that name beside it.
        """
        checksum = _checksum_of(path)
        if checksum.is_file() and checksum.read_text(encoding="utf-8").split()[:1] != [sha256_of(path)]:
            raise ValueError(
                f"{path} is damaged: its SHA-256 is not that of {checksum.name}; copy both again from their source"
            )
        try:
            with safe_open(path, "np") as file:
                metadata: dict[str, str] = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(*(Networks.of(name, tensors, metadata) for name in _PASSES))
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} holds no beat classifier ({error!r}); train one, or pass {WEIGHTS}") from error

    def save(self, path: Path) -> None:
        """Write safetensors, and its SHA-256 beside it; the names of features and classes go into its metadata."""
        both = dict(zip(_PASSES, (self.first, self.second), strict=True))
        metadata = {f"{name}.features": json.dumps(nets.features) for name, nets in both.items()}
        tensors = {key: tensor for name, nets in both.items() for key, tensor in nets.tensors(name).items()}
        save_file(tensors, path, metadata | {"classes": json.dumps(CLASSES)})
        write_bytes(_checksum_of(path), f"{sha256_of(path)}  {path.name}\n".encode())

    def probabilities(self, beats: ShapedBeats) -> Float32[np.ndarray, "beat 4"]:
        """Class probabilities, in the order of `CLASSES`."""
        features = class_features(beats)
        sure = self.first.probabilities(features)
        features |= second_features(beats, sure)
        return without_lone_fusion(self.second.probabilities(features), features)


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


def _checksum_of(path: Path) -> Path:
    """Where the SHA-256 of weights stands, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


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
