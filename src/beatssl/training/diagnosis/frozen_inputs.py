"""What a head on a frozen encoder learns from: embeddings and measured features, also of records with fewer leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from beatssl import features
from beatssl.inference.embedding_cache import cached_embed, hash_of_code, kept
from beatssl.inference.measured_features import measure_features
from beatssl.inference.record_model import Head
from beatssl.progress import track
from beatssl.signals.leads import with_derived
from beatssl.store.store import Store
from beatssl.training.diagnosis.config import FinetuneConfig
from beatssl.training.diagnosis.question import Question, embeddings

OF_THE_LENGTH = frozenset({"beat_count"})
"""Features that grow with a record's length: a model of ten seconds would misread them on others."""
_ROWS_AT_ONCE = 256
_PACKAGE = Path(features.__file__).parent.parent
_MEASURING = ("features", "beats", "signals", "store/shards")
"""Folders whose code decides what features are."""


@dataclass(frozen=True)
class Frozen:
    """Of a cohort's rows, with all their leads or with a set of them."""

    embedding: Float32[np.ndarray, "row embedding"]
    features: Float32[np.ndarray, "row feature"] | None


def frozen_inputs(config: FinetuneConfig, question: Question, device: torch.device) -> tuple[Frozen, ...]:
    """Of the rows as they are (validation and test rows with `shown_leads` alone, if any), then of each lead set.

    Raises ValueError for a name in a lead set that is none of the twelve leads, or none of the store's.
    """
    store, row, names = question.store, question.group.row, feature_names(config, question.store)
    plain = embeddings(question, config, device=device)
    measured = store.features[list(names)].to_numpy(np.float32)[row] if names else None
    if measured is not None and config.shown_leads:
        held_out = question.group.valid | question.group.test
        measured[held_out] = features_with(store, row[held_out], config.shown_leads, names, config.cache)
    found = [Frozen(plain, measured)]
    for leads in map(leads_of_set, config.lead_sets):
        embedded = cached_embed(question.opened.encoder, store, row, 256, device, leads, config.cache)
        found.append(Frozen(embedded, features_with(store, row, leads, names, config.cache) if names else None))
    return tuple(found)


def leads_of_set(text: str) -> tuple[str, ...]:
    """The leads that a record of these (I,II) has, limb leads derived."""
    return with_derived([name.strip() for name in text.split(",")])


def feature_names(config: FinetuneConfig, store: Store) -> tuple[str, ...]:
    """Features that the head sees; none where it is not to see any."""
    return tuple(name for name in store.features.columns if name not in OF_THE_LENGTH) if config.features else ()


def features_with(
    store: Store, row: Int64[np.ndarray, " row"], leads: Sequence[str], names: Sequence[str], cache: bool = True
) -> Float32[np.ndarray, "row feature"]:
    """Features of rows as they would be measured if `leads` alone had been recorded; kept in the user's cache."""

    def key() -> list[Any]:
        return [
            "features",
            sorted(leads),
            list(names),
            measuring_code(),
        ]

    return kept(store, row, key, lambda: _measure(store, row, leads, names), cache)


def measuring_code() -> str:
    """Hash of the code that decides what features are."""
    return hash_of_code(path for of in _MEASURING for path in (_PACKAGE / of).rglob("*.py"))


def _measure(
    store: Store, row: Int64[np.ndarray, " row"], leads: Sequence[str], names: Sequence[str]
) -> Float32[np.ndarray, "row feature"]:
    withheld = np.array([name not in leads for name in store.leads])
    samples = store.records["samples"].to_numpy(np.int64)
    out = np.full((len(row), len(names)), np.nan, np.float32)
    for start in track(range(0, len(row), _ROWS_AT_ONCE), f"Measuring {', '.join(leads)}", unit="batches"):
        at = row[start : start + _ROWS_AT_ONCE]
        ecg_mv = store.ecg_mv(at)
        ecg_mv[:, withheld] = np.nan
        out[start : start + len(at)] = measure_features(ecg_mv, store.leads, store.preparation, names, samples[at])
    return out


@dataclass(frozen=True)
class EmbeddedInputs:
    """The head's input for a cohort's rows, standardised: as they are, then with each lead set."""

    values: Tensor  # (variant, row, number)

    @classmethod
    def of(cls, frozen: Sequence[Frozen], head: Head) -> "EmbeddedInputs":
        device = next(head.parameters()).device
        with torch.no_grad():
            return cls(
                torch.stack(
                    [
                        head.standardised(
                            torch.from_numpy(one.embedding).to(device),
                            None if one.features is None else torch.from_numpy(one.features).to(device),
                        ).cpu()
                        for one in frozen
                    ]
                )
            )

    def read(self, at: Int64[np.ndarray, " some_row"]) -> Tensor:
        return self.values[:, torch.from_numpy(at)]

    def augmented(self, read: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Half of the rows as they are, the others each with a lead set drawn at random."""
        sets = len(read) - 1
        if not sets:
            return (read[0],)
        rows = read.shape[1]
        draw = torch.rand(2, rows, generator=generator, device=generator.device).to(read.device)
        variant = torch.where(draw[0] < 0.5, 0, 1 + (draw[1] * sets).long().clamp(max=sets - 1))
        return (read[variant, torch.arange(rows, device=read.device)],)

    def plain(self, read: Tensor) -> tuple[Tensor, ...]:
        return (read[0],)
