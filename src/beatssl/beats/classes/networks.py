"""Small networks on a table of features, whose probabilities are averaged; inference in NumPy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from safetensors import safe_open
from safetensors.numpy import save_file

from beatssl.files import sha256_of, write_bytes

_BEYOND = 4.0  # standardised features are cut here


@dataclass(frozen=True, slots=True)
class Networks:
    """Some small networks with one hidden layer after another, and the standardiser before them."""

    features: tuple[str, ...]
    centre: Float32[np.ndarray, " feature"]
    scale: Float32[np.ndarray, " feature"]
    weights: tuple[Float32[np.ndarray, "net _from _to"], ...]  # one a layer
    biases: tuple[Float32[np.ndarray, "net 1 _to"], ...]

    def standardised(self, features: Mapping[str, np.ndarray]) -> Float32[np.ndarray, "example feature"]:
        """Features about their centre, in parts of their scale, cut at ±4; 0, the centre, where not measured."""
        table = np.stack([features[name] for name in self.features], axis=1).astype(np.float32)
        return np.clip(np.nan_to_num((table - self.centre) / self.scale), -_BEYOND, _BEYOND)

    def probabilities(self, features: Mapping[str, np.ndarray]) -> Float32[np.ndarray, "example class"]:
        """Class probabilities, of the classes of beats in the order of `CLASSES`."""
        hidden = self.standardised(features)[None]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weight + bias, 0)
        logit = hidden @ self.weights[-1] + self.biases[-1]
        power = np.exp(logit - logit.max(axis=2, keepdims=True))
        return (power / power.sum(axis=2, keepdims=True)).mean(axis=0)

    def with_offset(self, offset: Float64[np.ndarray, " class"]) -> "Networks":
        """With `offset` added to the logits of the classes."""
        biases = (*self.biases[:-1], (self.biases[-1] + offset).astype(np.float32))
        return Networks(self.features, self.centre, self.scale, self.weights, biases)

    def single(self, number: int) -> "Networks":
        """One of the networks alone."""
        weights, biases = (tuple(part[number : number + 1] for part in parts) for parts in (self.weights, self.biases))
        return Networks(self.features, self.centre, self.scale, weights, biases)

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Everything but the names of the features, for `of`."""
        out = {f"{name}.centre": self.centre, f"{name}.scale": self.scale}
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            out |= {f"{name}.weight_{n}": np.ascontiguousarray(weight), f"{name}.bias_{n}": np.ascontiguousarray(bias)}
        return out

    @classmethod
    def of(cls, name: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> "Networks":
        """From `tensors` of a file and the features' names in its metadata. Raises KeyError where one is missing."""
        layers = range(sum(key.startswith(f"{name}.weight_") for key in tensors))
        return cls(
            tuple(json.loads(metadata[f"{name}.features"])),
            tensors[f"{name}.centre"],
            tensors[f"{name}.scale"],
            tuple(tensors[f"{name}.weight_{n}"] for n in layers),
            tuple(tensors[f"{name}.bias_{n}"] for n in layers),
        )


def save_networks(path: Path, networks: Mapping[str, Networks], metadata: Mapping[str, str]) -> None:
    """Write safetensors, and its SHA-256 beside it; the names of features go into its metadata too."""
    named = {f"{name}.features": json.dumps(nets.features) for name, nets in networks.items()}
    tensors = {key: tensor for name, nets in networks.items() for key, tensor in nets.tensors(name).items()}
    save_file(tensors, path, named | dict(metadata))
    write_bytes(checksum_of(path), f"{sha256_of(path)}  {path.name}\n".encode())


def load_networks(path: Path, names: Sequence[str]) -> list[Networks]:
    """Networks by their names.

    Raises ValueError where the file has another SHA-256 than stands beside it, and KeyError or SafetensorError where it
    holds no such networks.
    """
    checksum = checksum_of(path)
    if checksum.is_file() and checksum.read_text(encoding="utf-8").split()[:1] != [sha256_of(path)]:
        raise ValueError(
            f"{path} is damaged: its SHA-256 is not that of {checksum.name}; copy both again from their source"
        )
    with safe_open(path, "np") as file:
        metadata: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return [Networks.of(name, tensors, metadata) for name in names]


def checksum_of(path: Path) -> Path:
    """Where the SHA-256 of weights stands, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")
