"""Three models that are asked for PTB-XL's labels: the classifier, a probe of its encoder, and trees on features."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int16, Int64

from beatssl.inference.boosted_trees import BoostedTrees
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.embedding_cache import cached_embed, kept
from beatssl.inference.measured_features import measure_features
from beatssl.inference.row_signals import network_input
from beatssl.progress import track
from beatssl.signals.leads import LEADS
from beatssl.store.labels import Cohort, Labels
from beatssl.store.layout import to_mv
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.studies.scorecard.sources import TRAIN_FOLDS, VALID_FOLD, rows_in
from beatssl.training.diagnosis.config import INVERSE_PENALTIES
from beatssl.training.diagnosis.frozen_inputs import OF_THE_LENGTH, measuring_code
from beatssl.training.diagnosis.learnable import LearntLabels
from beatssl.training.diagnosis.linear import Linear
from beatssl.training.diagnosis.probe import fit, spread

CLASSIFIER, ENCODER, FEATURES = "classifier", "encoder", "features"
MODELS = (CLASSIFIER, ENCODER, FEATURES)
_BATCH = 256

Answered = Mapping[str, Float64[np.ndarray, "_row label"]]
"""Log odds by model."""


@dataclass(frozen=True)
class Models:
    """What is asked: `models(store, rows, units, samples)` gives log odds of `labels` by each of `MODELS`."""

    labels: tuple[str, ...]
    classifier: EcgClassifier
    probe: Linear
    mean: Float64[np.ndarray, " embedding"]
    deviation: Float64[np.ndarray, " embedding"]
    trees: BoostedTrees
    of_trees: tuple[str, ...]
    """Features that the trees see."""
    device: torch.device

    cache: bool

    @torch.inference_mode()
    def __call__(
        self,
        store: Store,
        rows: Int64[np.ndarray, " row"],
        units: Int16[np.ndarray, "row lead time"],
        samples: Int64[np.ndarray, " row"],
    ) -> Answered:
        """Of prepared signals as a store keeps them, the first `samples` of each; `rows` of `store` are theirs.

        Features are kept in the user's cache, by the signals: another classifier finds them there.
        """
        every = tuple(dict.fromkeys((*self.classifier.config.features, *self.of_trees)))

        def key() -> list[Any]:
            signals = hashlib.sha256(units.tobytes() + samples.tobytes()).hexdigest()
            return ["features of signals", signals, list(every), measuring_code()]

        preparation = self.classifier.preparation
        measured = kept(
            store, rows, key, lambda: measure_features(to_mv(units), LEADS, preparation, every, samples), self.cache
        )
        parts: list[tuple[Float64[np.ndarray, "row label"], ...]] = []
        for start in track(range(0, len(units), _BATCH), "Applying", unit="batches"):
            here = slice(start, start + _BATCH)
            embedding, values = self._embedding(units[here], samples[here]), measured[here]
            parts.append((self._head(embedding, values, every), self._line(embedding), self._trees(values, every)))
        return {name: np.concatenate(of) for name, of in zip(MODELS, zip(*parts, strict=True), strict=True)}

    def _embedding(
        self, units: Int16[np.ndarray, "row lead time"], samples: Int64[np.ndarray, " row"]
    ) -> Float32[np.ndarray, "row embedding"]:
        ecg_mv, there = (of.to(self.device) for of in network_input(torch.from_numpy(units)))
        valid = torch.from_numpy(samples).to(self.device)
        return self.classifier.embed(ecg_mv, there, valid).cpu().numpy()

    def _head(
        self,
        embedding: Float32[np.ndarray, "row embedding"],
        values: Float32[np.ndarray, "row feature"],
        every: Sequence[str],
    ) -> Float64[np.ndarray, "row label"]:
        own = self.classifier.config.features
        seen = [torch.from_numpy(_columns(values, every, own)).to(self.device)] if own else []
        scores = self.classifier.head(torch.from_numpy(embedding).to(self.device), *seen).double().cpu().numpy()
        return scores[:, [self.classifier.labels.index(name) for name in self.labels]]

    def _line(self, embedding: Float32[np.ndarray, "row embedding"]) -> Float64[np.ndarray, "row label"]:
        return self.probe.scores(((embedding - self.mean) / self.deviation).astype(np.float32))

    def _trees(
        self, values: Float32[np.ndarray, "row feature"], every: Sequence[str]
    ) -> Float64[np.ndarray, "row label"]:
        own = torch.from_numpy(_columns(values, every, self.of_trees))
        return self.trees(own).double().numpy()


def learn_models(
    classifier: EcgClassifier, store: Store, labels: Labels, seed: int, device: torch.device, cache: bool
) -> Models:
    """The probe and the trees learnt from PTB-XL's training folds; the validation fold chooses the probe's penalty.

    `classifier` moves to `device`. Raises ValueError where it does not know one of the labels.
    """
    if unknown := [name for name in labels.names if name not in classifier.labels]:
        raise ValueError(
            f"the classifier does not know {', '.join(unknown)}; pass one of PTB-XL's superclasses and statements"
        )
    classifier.to(device).eval()
    train = rows_in(store, TRAIN_FOLDS)
    rows = np.sort(np.concatenate([train, rows_in(store, (VALID_FOLD,))]))
    rows = rows[labels.known[rows].any(axis=1)]
    used = np.isin(rows, train)
    values = cached_embed(classifier.encoder, store, rows, _BATCH, device, cache=cache)
    group = Cohort(
        row=rows, labels=labels.given[rows], known=labels.known[rows], names=labels.names, train=used, valid=~used,
        test=np.zeros(len(rows), bool), patient=patients(store.records).to_numpy()[rows], dropped=0,
    )  # fmt: skip
    line, _ = fit(values, LearntLabels(group, used), INVERSE_PENALTIES)
    mean, variance = spread(values[used])
    names = tuple(str(name) for name in store.features.columns if name not in OF_THE_LENGTH)
    features = store.features[list(names)].iloc[rows[used]].to_numpy(np.float32)
    trees = BoostedTrees(len(labels.names))
    trees.fit(features, group.labels[used], group.known[used], seed)
    return Models(labels.names, classifier, line, mean, np.sqrt(variance), trees.eval(), names, device, cache)


def _columns(
    values: Float32[np.ndarray, "row feature"], every: Sequence[str], wanted: Sequence[str]
) -> Float32[np.ndarray, "row wanted"]:
    at = {name: k for k, name in enumerate(every)}
    return values[:, [at[name] for name in wanted]]
