"""Soft similarity as coordinates: the directions in which records are alike or not, as regression targets.

A contrast towards soft targets S_ij asks, pair by pair within a batch, that embeddings be as alike as S says. What a
spectral contrast of this kind converges to are the leading eigenvectors of S (HaoChen et al. 2021, "Provable guarantees
for self-supervised deep learning with spectral contrastive loss"); here they are computed beforehand, as targets of
every record. They need no batch of unrelated pairs, and unlike the features themselves they say which of them come
together, so that a linear probe of an embedding that holds them is a kernel method. Each is scaled to variance 1, so
that small ones count as much as large ones: products of the coordinates are S with a whitened spectrum.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from jaxtyping import Float32, Float64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from scipy.linalg import eigh

from beatssl.targets.space import FeatureSpace

_FITTED_ROWS = 20_000
_CHUNK_ROWS = 4096
_REACH = 3.0
"""Standard deviations from the median to the centres of the outermost basis functions."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class KernelTargets:
    """Coordinates of S_ij = ((1 + cos(b_i, b_j)) / 2)^exponent, b the features expanded in radial basis functions.

    Each standardised feature x is expanded in radial basis functions exp(−((x − c) / width)²) with centres c a width
    apart, so that far too low, normal and far too high are three things and not one scale; b are the leading principal
    components of the basis functions of all features.
    """

    coordinates: Annotated[int, Field(ge=0)] = 0
    """How many, from the largest; 0: none."""
    width: Annotated[float, Field(gt=0)] = 1.5
    """Of a basis function, and from one to the next, in standard deviations of a feature."""
    components: Annotated[int, Field(ge=1)] = 128
    """Principal components of the basis functions that the cosine is of."""
    exponent: Annotated[float, Field(gt=0)] = 3.0
    """The higher, the fewer rows count as alike, and the more coordinates matter."""
    landmarks: Annotated[int, Field(ge=2)] = 2000
    """Rows that all others are compared with to find their coordinates."""


def kernel_coordinates(
    values: Float32[np.ndarray, "row feature"], config: KernelTargets, seed: int = 0
) -> Float32[np.ndarray, "row coordinate"]:
    """Coordinates of standardised rows (missing values at 0, the median), each of mean 0 and variance 1.

    Nyström's approximation (Williams and Seeger 2001): eigenvectors of the similarities between landmarks drawn at
    random, carried over to all rows by their similarity to the landmarks. What is learnt is learnt of at most 20,000
    rows. Coordinates beyond the rank of the similarities are left out, so there may be fewer than asked for.

    Raises ValueError for fewer than two rows, or rows that are all alike.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(values))[:_FITTED_ROWS])
    space = FeatureSpace.fit(_basis(values[some], config.width), config.components, 0.0)
    marks = _directions(values[some[rng.permutation(len(some))[: config.landmarks]]], space, config)
    first = max(len(marks) - max(config.coordinates, 1), 0)
    strength, vectors = eigh(_similarity(marks, marks, config), subset_by_index=[first, len(marks) - 1])
    strength, vectors = strength[::-1][: config.coordinates], vectors[:, ::-1][:, : config.coordinates]
    vectors = vectors[:, strength > 1e-6 * strength.max(initial=0.0)]
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    parts = [_similarity(part, marks, config) @ vectors for part in _in_chunks(values, space, config)]
    found = np.concatenate(parts)
    spread = found.std(axis=0)
    differ = spread > 0
    return ((found - found.mean(axis=0))[:, differ] / spread[differ]).astype(np.float32)


def _basis(values: Float32[np.ndarray, "row feature"], width: float) -> Float32[np.ndarray, "row basis"]:
    x = np.clip(values, -_REACH - 1, _REACH + 1)
    centres = np.arange(-_REACH, _REACH + 1e-6, width)
    return np.concatenate([np.exp(-(((x - centre) / width) ** 2)) for centre in centres], axis=1).astype(np.float32)


def _directions(
    values: Float32[np.ndarray, "row feature"], space: FeatureSpace, config: KernelTargets
) -> Float64[np.ndarray, "row component"]:
    """Components of the rows' basis functions, at length 1; a row at the mean of all has none, and stays 0."""
    components = (_basis(values, config.width) - space.mean) @ space.axes.T
    return components / np.maximum(np.linalg.norm(components, axis=1, keepdims=True), 1e-12)


def _similarity(
    a: Float64[np.ndarray, "n component"], b: Float64[np.ndarray, "m component"], config: KernelTargets
) -> Float64[np.ndarray, "n m"]:
    return ((1 + a @ b.T) / 2).clip(0) ** config.exponent


def _in_chunks(
    values: Float32[np.ndarray, "row feature"], space: FeatureSpace, config: KernelTargets
) -> Iterator[Float64[np.ndarray, "chunk component"]]:
    for start in range(0, len(values), _CHUNK_ROWS):
        yield _directions(values[start : start + _CHUNK_ROWS], space, config)
