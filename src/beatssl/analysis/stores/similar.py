"""Look-alikes: the records of a store, or of files, whose embeddings are most like that of a record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from beatssl.analysis.result import Similar, SimilarRecord
from beatssl.analysis.stores.embed import embed, store_at
from beatssl.inference.device_name import Device
from beatssl.inference.encoder import BeatEncoder
from beatssl.records.formats.options import FileOptions
from beatssl.store.store import Store

NEAREST = 10
"""How many look-alikes are given."""

_SAME = 0.9999
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Searched:
    """Records in which look-alikes are found."""

    record_id: Shaped[np.ndarray, " row"]
    direction: Float32[np.ndarray, "row embedding"]
    """Embeddings, standardised over all rows, of length 1."""
    mean: Float32[np.ndarray, " embedding"]
    sd: Float32[np.ndarray, " embedding"]
    """Infinite where it is nought."""
    labels: Mapping[str, tuple[str, ...]]
    """Of each record that has some."""

    @classmethod
    def of(
        cls, encoder: BeatEncoder, place: Path, files: FileOptions | None = None, device: Device = "auto"
    ) -> "Searched":
        """All records of a store, or of files below a folder, embedded; those of a store are kept in the cache.

        Raises as `embed`, and ValueError where fewer than two records can be used.
        """
        found = embed(encoder, place, files=files, device=device)
        if len(found) < 2:
            why = f"; {len(found.refused)} were refused, such as {found.refused[0].message}" if found.refused else ""
            raise ValueError(f"{place}: look-alikes take two records at least, {len(found)} can be used{why}")
        mean, sd = found.values.mean(axis=0), found.values.std(axis=0)
        sd = np.where(sd > _LEAST, sd, np.float32(np.inf))
        store = store_at(place)
        return cls(found.record_id, _directions(found.values, mean, sd), mean, sd, _labels(store) if store else {})

    def nearest(self, embedding: Float32[np.ndarray, " embedding"]) -> Similar:
        """The ten records most alike by the cosine of standardised embeddings, each by its row most alike.

        What is the same recording (a cosine above .9999) is no look-alike and left out, whatever its id.
        """
        cosine = self.direction @ _directions(embedding[None], self.mean, self.sd)[0]
        found: dict[str, float] = {}
        for row in np.argsort(-cosine, kind="stable").tolist():
            if cosine[row] <= _SAME:
                found.setdefault(str(self.record_id[row]), float(cosine[row]))
            if len(found) == NEAREST:
                break
        records = tuple(SimilarRecord(name, value, self.labels.get(name, ())) for name, value in found.items())
        return Similar(records, "")

    @property
    def sha256(self) -> str:
        """Of its content."""
        parts = (
            "\0".join(self.record_id).encode(),
            self.direction.tobytes(),
            self.mean.tobytes(),
            self._json().encode(),
        )
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def save(self, path: Path) -> None:
        """Write it for other processes."""
        labels = np.array(self._json())
        np.savez(path, record_id=self.record_id, direction=self.direction, mean=self.mean, sd=self.sd, labels=labels)

    def _json(self) -> str:
        return json.dumps(dict(self.labels))

    @classmethod
    def load(cls, path: Path) -> "Searched":
        """What `save` wrote."""
        with np.load(path) as kept:
            labels = {name: tuple(own) for name, own in json.loads(str(kept["labels"])).items()}
            return cls(kept["record_id"], kept["direction"], kept["mean"], kept["sd"], labels)


def _directions(
    values: Float32[np.ndarray, "row embedding"],
    mean: Float32[np.ndarray, " embedding"],
    sd: Float32[np.ndarray, " embedding"],
) -> Float32[np.ndarray, "row embedding"]:
    standard = (values - mean) / sd
    return standard / np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), np.float32(_LEAST))


def _labels(store: Store) -> dict[str, tuple[str, ...]]:
    """Names of the labels of each record, of all sets, once each."""
    stated = store.labels[["record_id", "label"]].astype(str).drop_duplicates()
    return {str(name): tuple(own) for name, own in stated.groupby("record_id")["label"]}
