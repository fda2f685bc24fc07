"""Clusters of beat shape: classes of beats that need no labels. Principal components of the beat, then k-means."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from sklearn.cluster import MiniBatchKMeans

from beatssl.beats.classes.beat_shape import QRST, centred
from beatssl.beats.windows import Beats

COMPONENTS = 24
"""Principal components that the clusters are formed on."""

_BEATS_AT_ONCE = 4096
_LEAST_MV = 0.02  # RMS of the QRST under which a beat is a flat line
_STARTS = 5


@dataclass(frozen=True, slots=True)
class BeatClusters:
    """Centres of beat shape.

    A shape is the centred beat (−320 to +480 ms at 100 Hz; the eight independent leads, or the leads as recorded)
    over its RMS across leads and QRST: size does not count, the relation of leads does.
    """

    mean: Float32[np.ndarray, "lead 80"]  # of the shapes, each lead over the beats that have it
    components: Float32[np.ndarray, "component lead 80"]  # orthonormal
    centroids: Float32[np.ndarray, "cluster component"]

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, beats: Beats) -> Int32[np.ndarray, " beat"]:
        """The nearest cluster of every beat, by Euclidean distance of components; −1 for a beat without any signal.

        A missing lead is taken to be like the mean shape. Raises ValueError for more leads than the clusters know.
        """
        out = np.full(len(beats), -1, np.int32)
        length = (self.centroids**2).sum(axis=1)
        for start in range(0, len(beats), _BEATS_AT_ONCE):
            part = slice(start, start + _BEATS_AT_ONCE)
            shape, present = shapes(_part(beats, part))
            scores = self._scores(shape, present)
            distance = length - 2 * scores @ self.centroids.T
            out[part] = np.where(present.any(axis=1), distance.argmin(axis=1), -1)
        return out

    def _scores(
        self, shape: Float32[np.ndarray, "beat lead 80"], present: Bool[np.ndarray, "beat lead"]
    ) -> Float32[np.ndarray, "beat component"]:
        leads = shape.shape[1]
        if leads > len(self.mean):
            raise ValueError(f"beats of {leads} leads, clusters of {len(self.mean)}; fit clusters on such beats")
        off = np.where(present[:, :, None], shape - self.mean[:leads], np.float32(0))
        return off.reshape(len(off), -1) @ self.components[:, :leads].reshape(len(self.components), -1).T

    def save(self, path: Path) -> None:
        """Write safetensors."""
        # Written here, so that the file has the usual rights: safetensors' own writing makes it private.
        path.write_bytes(save({"mean": self.mean, "components": self.components, "centroids": self.centroids}))

    @classmethod
    def load(cls, path: Path) -> "BeatClusters":
        """Read what `save` wrote. Raises ValueError for a file that holds no clusters."""
        try:
            tensors = load_file(path)
            return cls(tensors["mean"], tensors["components"], tensors["centroids"])
        except (SafetensorError, KeyError) as error:
            raise ValueError(
                f"{path} holds no beat clusters ({error!r}); pass a file that BeatClusters.save wrote"
            ) from error


def fit_clusters(beats: Beats, n_clusters: int, rng: np.random.Generator) -> BeatClusters:
    """Principal components of the beats' shapes (no more than `COMPONENTS`), then mini-batch k-means on them.

    Clusters are numbered from the largest to the smallest. There are fewer than asked where there are fewer beats.

    Raises ValueError where no beat has a signal, or `n_clusters` is under 1.
    """
    shape, present = shapes(beats)
    use = present.any(axis=1)
    if n_clusters < 1 or not use.any():
        raise ValueError(f"{n_clusters} clusters of {int(use.sum())} measured beats; both must be at least 1")
    shape, present = shape[use], present[use]
    count = np.maximum(present.sum(axis=0), 1)[:, None]
    mean = (shape.sum(axis=0) / count).astype(np.float32)
    off = np.where(present[:, :, None], shape - mean, np.float32(0)).reshape(len(shape), -1)
    components = _principal(off, COMPONENTS)
    scores = off @ components.T
    seed = int(rng.integers(2**31))
    starts: Any = _STARTS  # scikit-learn's own types know only "auto"
    means = MiniBatchKMeans(min(n_clusters, len(off)), random_state=seed, n_init=starts, batch_size=4096)
    assigned = means.fit(scores).predict(scores)
    order = np.argsort(-np.bincount(assigned, minlength=len(means.cluster_centers_)), kind="stable")
    centroids = np.ascontiguousarray(means.cluster_centers_[order], np.float32)
    return BeatClusters(mean, components.reshape(len(components), *mean.shape), centroids)


def shapes(beats: Beats) -> tuple[Float32[np.ndarray, "beat lead 80"], Bool[np.ndarray, "beat lead"]]:
    """Centred beats over their RMS across leads and QRST, and which leads of each were measured."""
    beat_mv, _ = centred(beats)
    present = (beat_mv[..., QRST] != 0).any(axis=2)
    core = beat_mv[..., QRST]
    power = np.einsum("blt,blt->b", core, core) / (np.maximum(present.sum(axis=1), 1) * core.shape[2])
    norm_mv = np.maximum(np.sqrt(power), _LEAST_MV).astype(np.float32)
    return beat_mv / norm_mv[:, None, None], present


def _principal(off: Float32[np.ndarray, "beat value"], most: int) -> Float32[np.ndarray, "component value"]:
    """Leading eigenvectors of the second moments; of each the largest entry is positive, so that signs are stable."""
    _, vectors = np.linalg.eigh((off.T @ off).astype(np.float64) / len(off))
    leading = vectors[:, ::-1][:, : min(most, len(off))].T
    largest = np.take_along_axis(leading, np.abs(leading).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(leading * np.sign(largest), np.float32)


def _part(beats: Beats, part: slice) -> Beats:
    return Beats(
        row=beats.row[part],
        time_s=beats.time_s[part],
        rr_prev_s=beats.rr_prev_s[part],
        rr_next_s=beats.rr_next_s[part],
        window_mv=beats.window_mv[part],
        fs_hz=beats.fs_hz,
        r_index=beats.r_index,
    )
