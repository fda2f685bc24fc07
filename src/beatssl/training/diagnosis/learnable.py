"""Labels of a cohort as they are learnt from some of its rows: yes or no by cross-entropy, numbers by squared error.

Scores are what a model's head gives; `truth` is what they are compared with, 0 where it is not known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.record_model import HeadConfig, RecordModel
from beatssl.inference.regressor import EcgRegressor
from beatssl.metrics.classification import mean_of_known
from beatssl.metrics.regression import figures_of_numbers
from beatssl.models.encoder import Encoder
from beatssl.signals.preparation import Preparation
from beatssl.store.labels import Cohort, Rows
from beatssl.store.quantities import Quantities
from beatssl.training.diagnosis.figures import macro_auroc
from beatssl.training.diagnosis.linear import Linear, fit_path
from beatssl.training.diagnosis.ridge import ridge_path

_MOST_WEIGHT = 20.0
"""Of a positive, and of a negative, beside the other."""


@dataclass(frozen=True)
class LearntLabels:
    """Labels of yes or no. A positive counts (negatives / positives)^`balance` times."""

    group: Cohort
    used: Bool[np.ndarray, " row"]
    balance: float = 0.0
    chosen_by: str = "valid_macro_auroc"

    @cached_property
    def truth(self) -> Float32[np.ndarray, "row label"]:
        return (self.group.labels & self.group.known).astype(np.float32)

    def quality(self, scores: Float64[np.ndarray, "valid label"]) -> float:
        """Macro AUROC."""
        valid = self.group.valid
        return macro_auroc(self.group.labels[valid], scores, self.group.known[valid])

    def path(self, values: Float32[np.ndarray, "row feature"], inverse_penalties: Sequence[float]) -> Iterator[Linear]:
        """Logistic regressions."""
        used, group = self.used, self.group
        return fit_path(values[used], group.labels[used], inverse_penalties, known=group.known[used])

    def loss(
        self,
        scores: Float[Tensor, "row label"],
        truth: Float[Tensor, "row label"],
        known: Bool[Tensor, "row label"],
    ) -> Float[Tensor, ""]:
        return label_loss(scores, truth, known, torch.from_numpy(self._weights).to(scores))

    def model(self, encoder: Encoder, head: HeadConfig, preparation: Preparation) -> EcgClassifier:
        return EcgClassifier(encoder, head, preparation, {})

    def begin(self, model: RecordModel, from_probe: bool) -> None:
        """A probe's scores already know how frequent labels are; those of a fresh head are told."""
        rarity = negatives_per_positive(self.group, self.used)
        model.head.shift(np.log(self._weights if from_probe else self._weights / rarity))

    def end(self, model: RecordModel) -> None:
        """The shift of log odds that weights bring is taken back."""
        model.head.shift(-np.log(self._weights))

    @cached_property
    def _weights(self) -> Float64[np.ndarray, " label"]:
        rarity = negatives_per_positive(self.group, self.used)
        return np.clip(rarity**self.balance, 1 / _MOST_WEIGHT, _MOST_WEIGHT)


@dataclass(frozen=True)
class LearntNumbers:
    """Numbers, each in standard deviations from its mean over the rows used."""

    group: Quantities
    used: Bool[np.ndarray, " row"]
    chosen_by: str = "valid_mean_r2"

    @cached_property
    def truth(self) -> Float32[np.ndarray, "row label"]:
        centres, scales = self._scale
        return np.nan_to_num((self.group.values - centres) / scales).astype(np.float32)

    def quality(self, scores: Float64[np.ndarray, "valid label"]) -> float:
        """Mean over the numbers of the share of variance explained."""
        valid, ones = self.group.valid, np.ones((1, len(scores)))
        truth = self.truth[valid].astype(np.float64)
        return float(mean_of_known(figures_of_numbers(truth, scores, self.group.known[valid], ones)["r2"])[0])

    def path(self, values: Float32[np.ndarray, "row feature"], inverse_penalties: Sequence[float]) -> Iterator[Linear]:
        """Ridge regressions."""
        used = self.used
        return ridge_path(values[used], self.truth[used].astype(np.float64), inverse_penalties, self.group.known[used])

    def loss(
        self,
        scores: Float[Tensor, "row label"],
        truth: Float[Tensor, "row label"],
        known: Bool[Tensor, "row label"],
    ) -> Float[Tensor, ""]:
        """Mean of (score − number)²."""
        each = F.mse_loss(scores.float(), truth, reduction="none")
        return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)

    def model(self, encoder: Encoder, head: HeadConfig, preparation: Preparation) -> EcgRegressor:
        made = EcgRegressor(encoder, head, preparation, {})
        made.measure_in(*self._scale)
        return made

    def in_units(self, scores: Float64[np.ndarray, "row label"]) -> Float64[np.ndarray, "row label"]:
        """Scores as numbers in their own units."""
        centres, scales = self._scale
        return scores * scales + centres

    def begin(self, model: RecordModel, from_probe: bool) -> None:
        """Nothing: numbers are centred."""

    def end(self, model: RecordModel) -> None:
        """Nothing."""

    @cached_property
    def _scale(self) -> tuple[Float64[np.ndarray, " label"], Float64[np.ndarray, " label"]]:
        values = self.group.values[self.used]
        spread = np.nanstd(values, axis=0)
        return np.nanmean(values, axis=0), np.where(spread > 0, spread, 1.0)


Learnable = LearntLabels | LearntNumbers


def learnable(group: Rows, used: Bool[np.ndarray, " row"], balance: float = 0.0) -> Learnable:
    """The one that fits a cohort."""
    if isinstance(group, Quantities):
        return LearntNumbers(group, used)
    assert isinstance(group, Cohort)
    return LearntLabels(group, used, balance)


def label_loss(
    scores: Float[Tensor, "row label"],
    labels: Float[Tensor, "row label"],
    known: Bool[Tensor, "row label"],
    positive: Float[Tensor, " label"],
) -> Float[Tensor, ""]:
    """Mean over known entries of −w·y·log p − (1 − y)·log(1 − p), p = 1 / (1 + exp(−score)); 0 where none is known."""
    each = F.binary_cross_entropy_with_logits(scores.float(), labels, pos_weight=positive, reduction="none")
    return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)


def negatives_per_positive(group: Cohort, used: Bool[np.ndarray, " row"]) -> Float64[np.ndarray, " label"]:
    """Of every label among the known rows `used`; half a record more on both sides, so that it is finite."""
    known = group.known[used]
    positives = (group.labels[used] & known).sum(axis=0)
    return (known.sum(axis=0) - positives + 0.5) / (positives + 0.5)
