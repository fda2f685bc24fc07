"""Look-alikes: the records of a store, or of files, whose embeddings are most like that of a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from beatssl.analysis.result import Similar, SimilarRecord
from beatssl.analysis.stores.embed import embed, store_at
from beatssl.inference.device_name import Device
from beatssl.inference.encoder import BeatEncoder
from beatssl.store.store import Store

NEAREST = 10
"""How many look-alikes are given."""

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
    def of(cls, encoder: BeatEncoder, place: Path, device: Device = "auto") -> "Searched":
        """All records of a store, or of files below a folder, embedded; those of a store are kept in the cache.

        Raises as `embed`, and ValueError where there are fewer than two records.
        """
        found = embed(encoder, place, device=device)
        if len(found) < 2:
            raise ValueError(f"{place} holds {len(found)} records that can be used; look-alikes take two at least")
        mean, sd = found.values.mean(axis=0), found.values.std(axis=0)
        sd = np.where(sd > _LEAST, sd, np.float32(np.inf))
        store = store_at(place)
        return cls(found.record_id, _directions(found.values, mean, sd), mean, sd, _labels(store) if store else {})

    def nearest(self, embedding: Float32[np.ndarray, " embedding"], but: str = "") -> Similar:
        """The ten records most alike by the cosine of standardised embeddings, each by its row most alike; without the
        record `but`, which may be one of them."""
        cosine = self.direction @ _directions(embedding[None], self.mean, self.sd)[0]
        found: dict[str, float] = {}
        for row in np.argsort(-cosine, kind="stable").tolist():
            if (record_id := str(self.record_id[row])) != but:
                found.setdefault(record_id, float(cosine[row]))
            if len(found) == NEAREST:
                break
        records = tuple(SimilarRecord(name, value, self.labels.get(name, ())) for name, value in found.items())
        return Similar(records, "")


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
