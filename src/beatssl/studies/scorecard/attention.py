"""All statements by attention pooling of the feature map: what a linear probe of the pooled embedding cannot see."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, Float64, Int64
from torch import Tensor, nn

from beatssl.inference.row_signals import network_input
from beatssl.progress import track
from beatssl.store.labels import Cohort, cohort, validation_only
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.records import macro_of_labels
from beatssl.studies.scorecard.sources import TEST_FOLD, TRAIN_FOLDS, VALID_FOLD, FeatureSource, Source
from beatssl.training.diagnosis.learnable import LearntLabels, label_loss, negatives_per_positive
from beatssl.training.optim import make_optimizer, rate_at, set_rate

STRETCHES = 25
"""Parts of a row, each the mean of its steps: 0.4 s of ten seconds."""
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class AttentionFit:
    """How the head is trained; the epoch that is kept is the best on the validation fold."""

    heads: int = 8
    epochs: int = 12
    batch_size: int = 128
    rate: float = 1e-3
    weight_decay: float = 0.05


class AttentionHead(nn.Module):
    """Σ_t softmax_t(q_h · x_t) x_t for every head h, and a linear layer on all of them (Ilse et al., ICML 2018)."""

    def __init__(self, channels: int, heads: int, labels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(channels, heads, generator=generator) * channels**-0.5)
        self.weight = nn.Parameter(torch.randn(heads * channels, labels, generator=generator) * 1e-2 * channels**-0.5)
        self.bias = nn.Parameter(torch.zeros(labels))

    def forward(self, maps: Float[Tensor, "record step channel"]) -> Float[Tensor, "record label"]:
        """Log odds."""
        attention = (maps @ self.query).softmax(dim=1)
        return torch.einsum("rth,rtc->rhc", attention, maps).flatten(1) @ self.weight + self.bias


def statements_by_attention(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Macro AUROC and F1 of all statements by a head with attention on the frozen feature map.

    Raises ValueError for features, which have no map, and as `cohort`.
    """
    if isinstance(source, FeatureSource):
        raise ValueError("measured features have no feature map to pool")
    group = cohort(store, "all", TRAIN_FOLDS, VALID_FOLD, TEST_FOLD)
    group = group if config.test else validation_only(group)
    maps = maps_of_rows(source.encoder, store, group.row, source.device)
    scores = fit_attention(maps, group, config.seed)
    return {"all-statements-attention": macro_of_labels(group, [scores], config)}


@torch.inference_mode()
def maps_of_rows(
    encoder: nn.Module, store: Store, rows: Int64[np.ndarray, " row"], device: torch.device, stretches: int = STRETCHES
) -> Float16[Tensor, "row stretch channel"]:
    """Feature maps of rows by the encoder in evaluation, averaged over equal stretches of time."""
    was_training = encoder.training
    encoder.eval()
    parts: list[Tensor] = []
    try:
        for start in track(range(0, len(rows), _ROWS_AT_ONCE), "Feature maps", unit="batches"):
            units = torch.from_numpy(store.ecg_units(rows[start : start + _ROWS_AT_ONCE])).to(device)
            encoded: Any = encoder(*network_input(units))
            parts.append(F.adaptive_avg_pool1d(encoded.feature_map.float(), stretches).transpose(1, 2).half().cpu())
    finally:
        encoder.train(was_training)
    return torch.cat(parts)


def fit_attention(
    maps: Float16[Tensor, "row stretch channel"], group: Cohort, seed: int, fit: AttentionFit = AttentionFit()
) -> Float64[np.ndarray, "row label"]:
    """Log odds of all rows by the head whose epoch is the best on the validation fold, trained on the training folds.

    Channels are standardised on the training rows.
    """
    learnt, train = LearntLabels(group, group.train), torch.from_numpy(np.flatnonzero(group.train))
    generator = torch.Generator().manual_seed(seed)
    head = AttentionHead(maps.shape[2], fit.heads, len(group.names), generator)
    head.bias.data = torch.from_numpy(-np.log(negatives_per_positive(group, group.train))).float()
    centre, spread = _scale(maps[train])
    truth, known = torch.from_numpy(learnt.truth), torch.from_numpy(group.known)
    ones, optimizer = torch.ones(len(group.names)), make_optimizer([(head, 1.0)], fit.rate, fit.weight_decay)
    batches = -(-len(train) // fit.batch_size)
    updates, best, kept = batches * fit.epochs, -1.0, copy.deepcopy(head)

    def scores(rows: Tensor) -> Float64[np.ndarray, "some label"]:
        with torch.inference_mode():
            parts = [head((maps[part].float() - centre) / spread) for part in rows.split(1024)]
        return torch.cat(parts).double().numpy()

    for epoch in range(fit.epochs):
        order = train[torch.randperm(len(train), generator=generator)]
        for number, rows in enumerate(order.split(fit.batch_size)):
            set_rate(optimizer, rate_at(epoch * batches + number, updates, updates // 20, fit.rate))
            optimizer.zero_grad()
            said = head((maps[rows].float() - centre) / spread)
            label_loss(said, truth[rows], known[rows], ones).backward()
            optimizer.step()
        quality = learnt.quality(scores(torch.from_numpy(np.flatnonzero(group.valid))))
        if quality > best:
            best, kept = quality, copy.deepcopy(head)
    head = kept
    return scores(torch.arange(len(maps)))


def _scale(maps: Float16[Tensor, "row stretch channel"]) -> tuple[Float[Tensor, " channel"], Float[Tensor, " channel"]]:
    """Mean and standard deviation of every channel over rows and time; 1 where it never differs."""
    whole = maps.float().flatten(0, 1)
    spread = whole.std(dim=0)
    return whole.mean(dim=0), torch.where(spread > 1e-6, spread, 1.0)
