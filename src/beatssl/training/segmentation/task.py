"""Segmentation as a task of the training loop: waves of every lead, from marks and, with co-training, pseudo-labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int16, Int64
from torch import Tensor, nn

from beatssl.inference.decimation import Decimation
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.losses.gather import gather_with_grad
from beatssl.signals.leads import LEADS
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.config import MIN_DURATION_S
from beatssl.training.optim import Groups
from beatssl.training.random_streams import COTRAINING, HEARTS, VIEWS, part_of, seed_of, shuffled
from beatssl.training.segmentation.config import FitConfig, HeartChanges
from beatssl.training.segmentation.heart_changes import changed
from beatssl.training.segmentation.marks import MARK_HZ, MarkedRows, targets, without_edges
from beatssl.training.task import Losses
from beatssl.views.registry import build_views
from beatssl.views.timing import Retiming
from beatssl.views.view import Composed, Signals

_EDGES_S = {"P": 0.03, "QRS": 0.015, "T": 0.03}
"""On either side of a pseudo-label's boundary that nothing is learnt from, in co-training."""

_FALL, _LEAST_CHANGES = (0.3, 0.6), 0.1
"""Between these shares of the updates the marked rows that are changed to those of other hearts become fewer, down to
this part of their share: boundaries become exact again, and pseudo-labelled rows still show such hearts."""


@runtime_checkable
class WaveRows(Protocol):
    """Rows with their waves: `MarkedRows`, or `PseudoLabelledRows`, which are read as they are asked for."""

    def __len__(self) -> int: ...

    def take(self, at: Int64[np.ndarray, " some"]) -> MarkedRows:
        """Some of them, by their place, in rising order."""
        ...


@dataclass(frozen=True)
class WaveBatch:
    """Marked rows, and with co-training half as many with pseudo-labels; which batch of the run it is."""

    marked: MarkedRows
    pseudo: MarkedRows | None
    number: int


@dataclass(frozen=True)
class WaveViews:
    """What the segmenter is shown, and the share of every sample that each wave takes."""

    ecg_mv: Float[Tensor, "record lead time"]
    measured: Bool[Tensor, "record lead"]
    slot: Int[Tensor, "record lead"]
    share: Float[Tensor, "record lead 4 time"]
    counts: Bool[Tensor, "record lead time"]


@dataclass
class WaveTask:
    """Trains a segmenter on the rows of `data`; see `training.task.Task`.

    `evaluation` gives F1 by wave of a segmenter on other rows, whose mean chooses the weights; without it the last ones
    are kept. Raises ValueError where there are no rows.
    """

    segmenter: EcgSegmenter
    data: WaveRows
    config: FitConfig
    seed: int
    device: torch.device
    share: tuple[int, int] = (0, 1)
    """This process and the number of processes."""
    evaluation: Callable[[EcgSegmenter], dict[str, float]] | None = None
    pseudo: WaveRows | None = None
    title: str = "Training a segmenter"

    def __post_init__(self) -> None:
        self.model: nn.Module = self.segmenter
        if self.config.train == "decoder":
            self.segmenter.encoder.requires_grad_(False)
        for weight in _without_effect(self.segmenter, self.device):
            weight.requires_grad_(False)
        accumulate = self.config.optim.accumulate
        self.size = min(self.config.optim.batch_size, len(self.data))
        self.updates = self.config.updates
        self.updates_per_epoch = max(1, len(self.data) // max(1, self.size) // accumulate)
        self._views = build_views(self.config.views)

    @property
    def chosen_by(self) -> str | None:
        """The mean F1 of P, QRS and T."""
        return None if self.evaluation is None else "macro"

    def groups(self) -> Groups:
        """The decoder, and the encoder unless it stays as it is."""
        parts: list[tuple[nn.Module, float]] = [(self.segmenter.decoder, 1.0)]
        if self.config.train == "all":
            parts.append((self.segmenter.encoder, self.config.optim.encoder_rate))
        return parts

    def train_mode(self) -> None:
        """Everything, or all but the encoder."""
        self.model.train()
        if self.config.train == "decoder":
            self.segmenter.encoder.eval()

    def batches(self, first: int, end: int) -> Iterator[WaveBatch]:
        """This process's part of some batches."""
        for number in range(first, end):
            size, pseudo = self.config.optim.batch_size, None
            if self.pseudo is not None:
                half = -(-size // (2 * self.share[1])) * self.share[1]
                pseudo = self._rows(self.pseudo, half, seed_of(self.seed, COTRAINING), number, self.config.hearts)
                pseudo = without_edges(pseudo, _EDGES_S)
            yield WaveBatch(self._rows(self.data, size, self.seed, number, self._hearts(number)), pseudo, number)

    def _hearts(self, number: int) -> HeartChanges:
        """How the rows of a batch are changed: marked ones ever less towards the end, pseudo-labelled ones always."""
        if not isinstance(self.data, MarkedRows):
            return self.config.hearts
        done = number / (self.updates * self.config.optim.accumulate)
        return self.config.hearts.times(float(np.interp(done, _FALL, (1.0, _LEAST_CHANGES))))

    def _rows(self, data: WaveRows, size: int, seed: int, number: int, hearts: HeartChanges) -> MarkedRows:
        at = shuffled(len(data), min(size, len(data)), seed, number)
        rows = data.take(np.sort(part_of(at, *self.share)))
        return changed(rows, hearts, np.random.default_rng([seed, HEARTS, number, self.share[0]]))

    def views(self, batch: WaveBatch, generator: torch.Generator, update: int) -> tuple[WaveViews, int]:
        """Both kinds of rows, those with marks first, and how many these are."""
        marked = self._seen(batch.marked, generator)
        records = len(marked.ecg_mv)
        if batch.pseudo is None:
            return marked, records
        other = torch.Generator(self.device).manual_seed(
            seed_of(self.seed, COTRAINING, VIEWS, batch.number, self.share[0])
        )
        pairs = zip(vars(marked).values(), vars(self._seen(batch.pseudo, other)).values(), strict=True)
        return WaveViews(*(torch.cat(pair) for pair in pairs)), records

    def _seen(self, rows: MarkedRows, generator: torch.Generator) -> WaveViews:
        seen = augmented(self.config, rows, self._views, generator)
        return smoothed(seen, self.segmenter.decimation, self.config.smooth, generator)

    def losses(self, model: nn.Module, batch: WaveBatch, seen: tuple[WaveViews, int]) -> Losses:
        """The loss over marks; with co-training a part of that over pseudo-labels is added, but for these near their
        boundaries, which the rules place less exactly than the marks."""
        views, marked = seen
        if batch.pseudo is None:
            loss = wave_loss(model(views.ecg_mv, views.measured, views.slot).float(), views.share, views.counts)
            return Losses(loss)
        scores = model(views.ecg_mv, views.measured, views.slot).float()
        own, other = slice(0, marked), slice(marked, None)
        marks = wave_loss(scores[own], views.share[own], views.counts[own])
        pseudo = wave_loss(scores[other], views.share[other], views.counts[other])
        return Losses(marks + self.config.cotrain_weight * pseudo, {"marks": marks, "pseudo": pseudo})

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """None."""
        return {}

    def warnings(self, figures: Mapping[str, float]) -> dict[str, str]:
        """None."""
        return {}

    def evaluation_due(self, update: int) -> bool:
        """Every `evaluate_every` updates, and at the end."""
        due = update % self.config.evaluate_every == 0 or update == self.updates
        return self.evaluation is not None and update > 0 and due

    def evaluate(self, model: nn.Module, update: int) -> dict[str, float]:
        """F1 of each wave on the validation rows, and their mean."""
        assert self.evaluation is not None
        assert isinstance(model, EcgSegmenter)
        found = self.evaluation(model.eval())
        return found | {"macro": float(np.mean(list(found.values())))}

    def suspects(self, batch: WaveBatch, seen: tuple[WaveViews, int]) -> list[str]:
        """All records of the batch."""
        parts = (batch.marked,) if batch.pseudo is None else (batch.marked, batch.pseudo)
        return [str(name) for part in parts for name in part.record_id]

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        """The segmenter is kept when training is done."""


def _without_effect(segmenter: EcgSegmenter, device: torch.device) -> list[nn.Parameter]:
    """Weights that are trained but that no score depends on, such as those of an encoder's feature map where the
    decoder reads its stages alone: several processes would wait for their gradient."""
    trained = [weight for weight in segmenter.parameters() if weight.requires_grad]
    shortest = torch.zeros(1, 1, round(MIN_DURATION_S * segmenter.preparation.fs_hz), device=device)
    there, slot = torch.ones(1, 1, dtype=torch.bool, device=device), torch.zeros(1, 1, dtype=torch.int64, device=device)
    total = segmenter.eval()(shortest, there, slot).sum()
    gradients = torch.autograd.grad(total, trained, allow_unused=True)
    pairs = zip(trained, gradients, strict=True)
    return [weight for weight, gradient in pairs if gradient is None]


def wave_loss(
    scores: Float[Tensor, "record lead 4 time"],
    share: Float[Tensor, "record lead 4 time"],
    counts: Bool[Tensor, "record lead time"],
) -> Float[Tensor, ""]:
    """Cross-entropy of a sample's shares and probabilities, −Σ s log p; the mean over the samples that count, of all
    processes."""
    each = -(share * scores.log_softmax(dim=2)).sum(dim=2)
    total, count = torch.where(counts, each, 0.0).sum(), counts.sum()
    both = gather_with_grad(torch.stack([total, count.to(total)])[None])
    return both[:, 0].sum() / both[:, 1].sum().clamp(min=1)


def sample_f1(
    probability: Float32[np.ndarray, "row lead 4 time"], classes: Int16[np.ndarray, "row lead step"], fs_hz: float
) -> dict[str, float]:
    """F1 of each wave over the known steps of the marks' grid; the likeliest class, probabilities interpolated."""
    steps, time = classes.shape[2], probability.shape[3]
    at = np.clip((np.arange(steps) + 0.5) / MARK_HZ * fs_hz, 0, time - 1)
    low = np.minimum(at.astype(np.int64), time - 2)
    weight = (at - low).astype(np.float32)
    both, either = np.zeros(len(WAVE_CLASSES)), np.zeros(len(WAVE_CLASSES))
    for row, known in zip(probability, classes, strict=True):
        said = (row[:, :, low] * (1 - weight) + row[:, :, low + 1] * weight).argmax(axis=1)
        for index in range(1, len(WAVE_CLASSES)):
            both[index] += np.sum((said == index) & (known == index))
            either[index] += np.sum((said == index) & (known >= 0)) + np.sum(known == index)
    f1 = (float(2 * both[k] / either[k]) if either[k] else float("nan") for k in range(1, len(WAVE_CLASSES)))
    return dict(zip(WAVE_CLASSES[1:], f1, strict=True))


def augmented(config: FitConfig, rows: MarkedRows, views: Composed, generator: torch.Generator) -> WaveViews:
    """Rows as the views show them, with the shares of their waves moved alike."""
    signals = _few_leads(rows.signals(), config.few, generator)
    records, _, time = signals.ecg_mv.shape
    device = signals.ecg_mv.device
    source = torch.arange(time, dtype=torch.float32, device=device).expand(records, -1)
    for view in views.views:
        moved = view.retimed(signals, generator) if isinstance(view, Retiming) else None
        if moved is not None:
            source = moved.source
        signals = moved.read(signals) if moved is not None else view(signals, generator)
    share, known = targets(rows.covered, source, rows.fs_hz)
    inside = torch.arange(time, device=device) < signals.valid[:, None]
    counts = known & inside[:, None] & signals.lead_mask[:, :, None]
    slot = _slots(records, config.nameless, generator, device)
    return WaveViews(signals.ecg_mv, signals.lead_mask, slot, share, counts)


def smoothed(seen: WaveViews, decimation: Decimation | None, share: float, generator: torch.Generator) -> WaveViews:
    """Some records as if they had been sampled at the encoder's rate."""
    if decimation is None:
        return seen
    device = seen.ecg_mv.device
    some = torch.rand((len(seen.ecg_mv), 1, 1), generator=generator, device=device) < share
    return replace(seen, ecg_mv=torch.where(some, decimation.smoothed(seen.ecg_mv), seen.ecg_mv))


def _few_leads(signals: Signals, share: float, generator: torch.Generator) -> Signals:
    """Of some records all leads but one to three taken out."""
    mask = signals.lead_mask
    device = mask.device
    few = torch.rand((len(mask), 1), generator=generator, device=device) < share
    luck = torch.rand(mask.shape, generator=generator, device=device).where(mask, -1.0)
    kept = torch.randint(1, 4, (len(mask), 1), generator=generator, device=device)
    rank = luck.argsort(dim=1, descending=True).argsort(dim=1)
    lead_mask = mask & (~few | (rank < kept))
    return replace(signals, ecg_mv=signals.ecg_mv * lead_mask[:, :, None], lead_mask=lead_mask)


def _slots(
    records: int, nameless: float, generator: torch.Generator, device: torch.device
) -> Int[Tensor, "record lead"]:
    """Each lead's place among the twelve; of some records every lead loses it with a chance that the record draws."""
    chance = torch.rand((records, 1), generator=generator, device=device) * 1.5
    some = torch.rand((records, 1), generator=generator, device=device) < nameless
    lost = some & (torch.rand((records, len(LEADS)), generator=generator, device=device) < chance)
    return torch.arange(len(LEADS), device=device).expand(records, -1).masked_fill(lost, -1)
