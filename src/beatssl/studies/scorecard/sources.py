"""What is scored: a frozen encoder, or the measured features alone, as numbers of records and of beats of a store."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from beatssl.features.beat_features import BEAT_DEFINITIONS
from beatssl.inference.adapters.foreign_encoder import ForeignEncoder
from beatssl.inference.adapters.registry import published
from beatssl.inference.beat_embedding import embed_beats
from beatssl.inference.device import torch_device
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.source import open_encoder, open_encoder_beneath
from beatssl.inference.tensors import hash_of_weights
from beatssl.models.encoder import Encoder
from beatssl.signals.leads import with_derived
from beatssl.store.splits import split_mitdb
from beatssl.store.standardise import FeatureStandardiser
from beatssl.store.store import Store
from beatssl.studies.compare import names_of
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.scores import Pretraining
from beatssl.training.diagnosis.frozen_inputs import OF_THE_LENGTH, features_with

FEATURES = "features"
"""The source that is no encoder."""
TRAIN_FOLDS, VALID_FOLD, TEST_FOLD = tuple(range(1, 8)), 8, 9
"""Of PTB-XL."""
_BATCH = 256


@dataclass(frozen=True)
class EncoderSource:
    """A frozen encoder on one store."""

    name: str
    """The source that it was opened from."""
    encoder: Encoder
    store: Store
    device: torch.device
    cache: bool

    @property
    def fingerprint(self) -> str:
        """Hash of all that its numbers depend on, apart from the store."""
        network = [type(self.encoder).__qualname__, asdict(self.encoder.config), hash_of_weights(self.encoder)]
        takes = [asdict(self.encoder.takes)] if isinstance(self.encoder, ForeignEncoder) else []
        return _hash(network + takes)

    def of_records(
        self, rows: Int64[np.ndarray, " row"], leads: Sequence[str] = ()
    ) -> Float32[np.ndarray, "row embedding"]:
        """Of whole rows, shown with `leads` alone if there are any."""
        return cached_embed(self.encoder, self.store, rows, _BATCH, self.device, leads, self.cache)

    def of_beats(
        self, rows: Int64[np.ndarray, " row"], bins: int
    ) -> tuple[Float32[np.ndarray, "beat feature"], Int64[np.ndarray, " beat"]]:
        """Of the beats of rows, with their lines in the store's table of beats."""
        return embed_beats(self.encoder, self.store, rows, bins, device=self.device)


@dataclass(frozen=True)
class FeatureSource:
    """The measured features that a store holds, on the scale of the protocol's training rows."""

    store: Store
    cache: bool
    fingerprint: str = FEATURES

    @cached_property
    def _names(self) -> list[str]:
        return [str(name) for name in self.store.features.columns if name not in OF_THE_LENGTH]

    def of_records(
        self, rows: Int64[np.ndarray, " row"], leads: Sequence[str] = ()
    ) -> Float32[np.ndarray, "row embedding"]:
        """As `EncoderSource.of_records`; with `leads`, as they are measured where no others were recorded."""
        table = self.store.features[self._names]
        scale = FeatureStandardiser.fit(table, None, rows_in(self.store, TRAIN_FOLDS))
        some = table.iloc[rows].reset_index(drop=True)
        if leads:
            some.loc[:, :] = features_with(self.store, rows, with_derived(leads), self._names, self.cache)
        return scale.for_models(scale.transform(some))

    def of_beats(
        self, rows: Int64[np.ndarray, " row"], bins: int
    ) -> tuple[Float32[np.ndarray, "beat feature"], Int64[np.ndarray, " beat"]]:
        """As `EncoderSource.of_beats`, whatever the bins."""
        row = self.store.beats["row"].to_numpy(np.int64)
        table = self.store.beats[[name for name in BEAT_DEFINITIONS if name in self.store.beats]]
        scale = FeatureStandardiser.fit(table, None, np.isin(row, split_mitdb(self.store.records).train))
        line = np.flatnonzero(np.isin(row, rows))
        return scale.for_models(scale.transform(table.iloc[line].reset_index(drop=True))), line


Source = EncoderSource | FeatureSource


def open_source(source: str, config: ScorecardConfig, store: Store, decimated: bool = False) -> Source:
    """An encoder, or "features", on a store; `decimated`: the store may have a multiple of the encoder's rate.

    Raises CheckpointError and WeightsNotAtHand as `open_encoder`.
    """
    if source == FEATURES:
        return FeatureSource(store, config.cache)
    opener = open_encoder_beneath if decimated else open_encoder
    opened = opener(source, config.network, config.seed, store)
    device = torch_device(config.device)
    return EncoderSource(source, opened.encoder.to(device), store, device, config.cache)


def pretraining_of(source: str) -> Pretraining | None:
    """What a source was pretrained on, as its checkpoint or its publisher says; None where there is no such source."""
    if source in (FEATURES, "random"):
        return Pretraining("measured features, no encoder" if source == FEATURES else "not pretrained, random weights")
    try:
        if found := published(source):
            return Pretraining(found[0].title, found[0].trained_on)
        made = BeatEncoder.from_pretrained(source).provenance
    except ValueError:
        return None
    return pretraining_said(made)


def pretraining_said(made: Mapping[str, Any]) -> Pretraining:
    """What the provenance of an encoder says."""
    stores = made.get("pretraining", [])
    start = made.get("start")
    return Pretraining(
        method=str(made.get("method", "unknown method")),
        data=" and ".join(one["store"] for one in stores),
        folds=str(made.get("folds", "")),
        rows=sum(one["rows"] for one in stores) or None,
        start=f"{start['init']} ({pretraining_said(start)})" if start else "",
    )


def encoder_names(config: ScorecardConfig) -> dict[str, str]:
    """Name of every encoder by its source; see `names_of`.

    Raises ValueError as that does, and where one source is named twice.
    """
    if len(set(config.encoders)) < len(config.encoders):
        twice = next(one for one in config.encoders if config.encoders.count(one) > 1)
        raise ValueError(f"encoders names {twice!r} twice; name each once")
    return dict(zip(config.encoders, names_of(config.encoders, config.names), strict=True))


def rows_in(store: Store, folds: Collection[int]) -> Int64[np.ndarray, " row"]:
    """Rows of a store in some folds, ascending."""
    fold = store.records["fold"].to_numpy(np.float64, na_value=np.nan)
    return np.flatnonzero(np.isin(fold, list(folds)))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
