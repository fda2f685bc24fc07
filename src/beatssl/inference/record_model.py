"""What a classifier and a regressor share: an encoder, and a head of one output a label."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from beatssl.inference.boosted_trees import BoostedTrees
from beatssl.inference.input_checks import Check
from beatssl.inference.model_config import Contents, Provenance
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.tensor_checks import check_tensors
from beatssl.models.encoder import Encoder, build_encoder
from beatssl.models.projector import Projector
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation, Signals, as_batch

_BATCH_RECORDS = 256

_LEAST_VARIANCE = 1e-5
"""Added to variances of embeddings, so that what hardly differs is not blown up."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HeadConfig:
    """What stands on the encoder."""

    labels: tuple[str, ...]
    """Names, in the order of the scores."""
    hidden: Annotated[int, Field(ge=0)] = 0
    """Width of a hidden layer; 0: none, the head is linear."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of its input that is hidden from the head while it learns."""
    features: tuple[str, ...] = ()
    """Measured features that the head sees beside the embedding."""
    trees: tuple[str, ...] = ()
    """Labels that boosted trees on these features score too; the score is then the mean of both."""


class FeatureScale(nn.Module):
    """Features in standard deviations, 0 where not measurable, and which are not: twice as many numbers."""

    low: Tensor
    high: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((features,), -torch.inf))
        self.register_buffer("high", torch.full((features,), torch.inf))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def forward(self, values: Float[Tensor, "record feature"]) -> Float[Tensor, "record number"]:
        absent = values.isnan()
        scaled = (values.clamp(self.low, self.high) - self.mean) / self.deviation
        return torch.cat([scaled.masked_fill(absent, 0.0), absent.to(values.dtype)], dim=1)

    @torch.no_grad()
    def fit(self, values: Float32[np.ndarray, "record feature"]) -> None:
        """Limits (quantiles 0.005 and 0.995), mean and deviation over records; what none of them has counts as 0."""
        known = np.where(np.isfinite(values).any(axis=0), values, 0.0).astype(np.float64)
        low, high = np.nanquantile(known, (0.005, 0.995), axis=0)
        cut = np.clip(known, low, high)
        spread = np.nanstd(cut, axis=0)
        for buffer, found in (
            (self.low, low), (self.high, high), (self.mean, np.nanmean(cut, axis=0)),
            (self.deviation, np.where(spread > 1e-9, spread, 1.0)),
        ):  # fmt: skip
            buffer.copy_(torch.from_numpy(found))


class Head(nn.Module):
    """Embeddings, each number standardised, and features if any, to a score a label: linear, or by a hidden layer."""

    def __init__(self, channels: int, config: HeadConfig) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(channels, eps=_LEAST_VARIANCE, affine=False)
        self.features = FeatureScale(len(config.features)) if config.features else None
        self.trees = BoostedTrees(len(config.trees)) if config.trees else None
        self.in_trees = [config.labels.index(name) for name in config.trees]
        self.dropout = nn.Dropout(config.dropout)
        self.scores = Projector(
            channels + 2 * len(config.features),
            max(1, config.hidden),
            len(config.labels),
            int(config.hidden > 0),
        )

    def forward(
        self, embedding: Float[Tensor, "record embedding"], features: Float[Tensor, "record feature"] | None = None
    ) -> Float[Tensor, "record label"]:
        scores = self.scores(self.dropout(self.standardised(embedding, features)))
        return scores if features is None else self.with_trees(scores, features)

    def with_trees(
        self, scores: Float[Tensor, "record label"], features: Float[Tensor, "record feature"]
    ) -> Float[Tensor, "record label"]:
        """The mean of the scores of `dropout` and `scores`, and of the trees', where a label has trees."""
        if self.trees is None:
            return scores
        mean = (scores[:, self.in_trees] + self.trees(features.float()).to(scores)) / 2
        return scores.index_copy(1, torch.tensor(self.in_trees, device=scores.device), mean)

    def standardised(
        self, embedding: Float[Tensor, "record embedding"], features: Float[Tensor, "record feature"] | None = None
    ) -> Float[Tensor, "record number"]:
        """What `dropout` and `scores` take."""
        scaled = self.scale(embedding)
        if self.features is None:
            return scaled
        assert features is not None
        return torch.cat([scaled, self.features(features.to(scaled))], dim=1)

    @torch.no_grad()
    def standardise_as(
        self, mean: Float64[np.ndarray, " channels"], variance: Float64[np.ndarray, " channels"]
    ) -> None:
        """Bring embeddings to mean 0 and variance 1 by these numbers, while the head is in evaluation mode."""
        assert self.scale.running_mean is not None
        assert self.scale.running_var is not None
        self.scale.running_mean.copy_(torch.from_numpy(mean))
        self.scale.running_var.copy_(torch.from_numpy(variance))

    @torch.no_grad()
    def be_linear(self, weight: Float32[np.ndarray, "channels label"], bias: Float32[np.ndarray, " label"]) -> None:
        """Give the scores embedding @ weight + bias, for embeddings divided by their deviation."""
        assert self.scale.running_var is not None
        variance = self.scale.running_var.double().numpy()
        # Embeddings are divided by √(variance + ε): what that takes from them, the weights give back.
        grown = np.sqrt(np.where(np.isfinite(variance), 1 + self.scale.eps / variance, 0))
        self._last().weight.copy_(torch.from_numpy((weight * grown[:, None]).T))
        self._last().bias.copy_(torch.from_numpy(bias))

    @torch.no_grad()
    def shift(self, by: Float64[np.ndarray, " label"]) -> None:
        """Add a number to the score of each label."""
        self._last().bias.add_(torch.from_numpy(by).to(self._last().bias))

    def _last(self) -> nn.Linear:
        last = self.scores.layers[-1]
        assert isinstance(last, nn.Linear)
        return last


Model = TypeVar("Model", bound="RecordModel")


class RecordModel(SavedModel):
    """An encoder and a head that say something of whole records; see `SavedModel`. `answers` are its own."""

    def __init__(self, encoder: Encoder, config: HeadConfig, preparation: Preparation, provenance: Provenance) -> None:
        super().__init__(encoder, preparation, provenance)
        self.config = config
        self.head = Head(encoder.embedding_size, config)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of scores."""
        return self.config.labels

    def embed(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None = None,
    ) -> Float[Tensor, "record embedding"]:
        """The encoder's embedding of the first `valid` samples (None: all). Raises RecordError as `forward` does."""
        check_tensors(
            ecg_mv, lead_mask, self.preparation.fs_hz, self.encoder.config.leads, valid, values=not self.training
        )
        return self.encoder.embed(self.encoder(ecg_mv, lead_mask), valid).float()

    def forward(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None = None,
    ) -> Float[Tensor, "record label"]:
        """The head's score of every label: log odds, or numbers in standard deviations of those trained on.

        Signals are prepared as `preparation` says; `lead_mask` says which leads are measured, `valid` how many
        samples come before the padding (None: all). Features that the head sees are measured here, on the CPU.

        Raises RecordError where they cannot be that: another shape or number of leads, and in evaluation mode less than
        two seconds, or values of measured leads that are not finite.
        """
        embedding = self.embed(ecg_mv, lead_mask, valid)
        return self.head(embedding, *([self._features(ecg_mv, lead_mask, valid)] if self.config.features else []))

    def _features(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None,
    ) -> Float[Tensor, "record feature"]:
        from beatssl.inference.measured_features import measure_features  # needs scipy.signal, a second to import

        signal = ecg_mv.masked_fill(~lead_mask[:, :, None], torch.nan).float().cpu().numpy()
        lengths = None if valid is None else valid.cpu().numpy().astype(np.int64)
        leads = self.preparation.leads or LEADS
        found = measure_features(signal, leads, self.preparation, self.config.features, lengths)
        return torch.from_numpy(found).to(ecg_mv.device)

    def answers(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None = None,
    ) -> Float[Tensor, "record label"]:
        """What `predict` gives, of prepared signals; see `forward`. Where no lead is measured it is NaN."""
        raise NotImplementedError

    def in_units(self, scores: Float64[np.ndarray, "record label"]) -> Float64[np.ndarray, "record label"]:
        """Scores as labels are measured in: those of yes or no stay log odds."""
        return scores

    def predict(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> dict[str, float]:
        """Each label's calibrated probability, or each number in its own unit, for one record.

        The record is as a file gives it, in mV, NaN where not measured. `already_filtered`: it comes from a store.

        `check`: "error" refuses what cannot be an ECG (all zeros, microvolts, no beats, another rate than stated),
        "warn" answers all the same, "off" asks nothing beyond shape, names and rate.

        Raises RecordError, a ValueError, with its `reason`; warns (InputWarning) of what is doubtful.
        """
        found = self.predict_batch(as_batch(ecg_mv), leads, fs_hz, already_filtered, check)
        return {name: float(found[name].iloc[0]) for name in self.labels}

    def predict_batch(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> "pd.DataFrame":
        """As `predict`, several records of one length and the same leads: a line a record, a column a label."""
        signal, there = self.on_device(self.prepared(ecg_mv, leads, fs_hz, already_filtered, check))
        parts = zip(signal.split(_BATCH_RECORDS), there.split(_BATCH_RECORDS), strict=True)
        found = np.concatenate([self.answers(*part).cpu().numpy() for part in parts])
        return pd.DataFrame(found, columns=list(self.labels))

    @classmethod
    def build(cls: type[Model], contents: Contents) -> Model:
        config = TypeAdapter(HeadConfig).validate_python(contents.head)
        return cls(build_encoder(contents.encoder), config, contents.preprocessing, contents.provenance)

    def head_settings(self) -> dict[str, Any]:
        return asdict(self.config)
