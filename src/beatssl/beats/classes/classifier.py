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
from beatssl.beats.classes.class_features import class_features
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats
from beatssl.files import sha256_of, write_bytes

CLASSES = ("N", "S", "V", "F")
"""AAMI EC57: normal and bundle branch block, supraventricular ectopic, ventricular ectopic, fusion of N and V."""

WEIGHTS = Path(__file__).with_name("weights") / "beat-classes.safetensors"
"""The weights that come with the package."""

_BEATS_AT_ONCE = 4096
_BEYOND = 4.0  # standardised features are cut here


@dataclass(frozen=True, slots=True)
class BeatClassifier:
    """Some small networks with one hidden layer after another, whose probabilities are averaged."""

    features: tuple[str, ...]
    centre: Float32[np.ndarray, " feature"]
    scale: Float32[np.ndarray, " feature"]
    weights: tuple[Float32[np.ndarray, "net _from _to"], ...]  # one a layer
    biases: tuple[Float32[np.ndarray, "net 1 _to"], ...]

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
                features = tuple(json.loads((file.metadata() or {})["features"]))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} holds no beat classifier ({error!r}); train one, or pass {WEIGHTS}") from error
        layers = range(sum(name.startswith("weight_") for name in tensors))
        return cls(
            features,
            tensors["centre"],
            tensors["scale"],
            tuple(tensors[f"weight_{n}"] for n in layers),
            tuple(tensors[f"bias_{n}"] for n in layers),
        )

    def save(self, path: Path) -> None:
        """Write safetensors, and its SHA-256 beside it; the names of features and classes go into its metadata."""
        tensors = {"centre": self.centre, "scale": self.scale}
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors |= {f"weight_{n}": np.ascontiguousarray(weight), f"bias_{n}": np.ascontiguousarray(bias)}
        metadata = {"features": json.dumps(self.features), "classes": json.dumps(CLASSES)}
        save_file(tensors, path, metadata)
        write_bytes(_checksum_of(path), f"{sha256_of(path)}  {path.name}\n".encode())

    def standardised(self, features: dict[str, np.ndarray]) -> Float32[np.ndarray, "beat feature"]:
        """Features about their centre, in parts of their scale, cut at ±4; 0, the centre, where not measured."""
        table = np.stack([features[name] for name in self.features], axis=1).astype(np.float32)
        return np.clip(np.nan_to_num((table - self.centre) / self.scale), -_BEYOND, _BEYOND)

    def probabilities(self, features: dict[str, np.ndarray]) -> Float32[np.ndarray, "beat 4"]:
        """Class probabilities from `class_features`, in the order of `CLASSES`."""
        hidden = self.standardised(features)[None]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weight + bias, 0)
        logit = hidden @ self.weights[-1] + self.biases[-1]
        power = np.exp(logit - logit.max(axis=2, keepdims=True))
        return (power / power.sum(axis=2, keepdims=True)).mean(axis=0)


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
        out[part] = classifier.probabilities(class_features(some, context[part] - context[part.start]))
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
