"""Training one segmenter: batches with their marks moved along, the loss over what is marked, the best weights kept."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int16, Int64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor, nn

from beatssl.inference.decimation import Decimation, decimation_factor
from beatssl.inference.model_config import Provenance
from beatssl.inference.segmenter import EcgSegmenter, build_decoder
from beatssl.models.decoder import DecoderConfig
from beatssl.models.encoder import Encoder
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.training.loop import NotFinite, seeded
from beatssl.training.optim import follow, rate_at
from beatssl.training.segmentation.marks import MARK_HZ, MarkedRows, targets
from beatssl.views.registry import ViewsConfig, build_views
from beatssl.views.timing import Retiming
from beatssl.views.view import Composed, Signals

_WAVES = WAVE_CLASSES[1:]

VIEWS = ViewsConfig(
    temporal_scaling=0.4, wave_amplitude=0.2, amplitude=1.0, noise=0.1, wander=0.1, lead_mask=0.6
)  # fmt: skip
"""Mild: marks are of single leads, so that turning the dipole, which mixes leads, and strong noise cost accuracy."""


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FitConfig:
    """How a segmenter is trained."""

    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The network on top of the encoder."""
    train: Literal["all", "decoder"] = "decoder"
    """decoder: the encoder stays as it is; all: it is trained too, at a lower rate."""
    updates: Annotated[int, Field(ge=1)] = 2000
    """Weight updates, however many records there are."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    """Records a weight update, all their leads."""
    rate: Annotated[float, Field(gt=0)] = 3e-3
    """Highest learning rate of AdamW for the decoder."""
    encoder_rate: Annotated[float, Field(gt=0)] = 0.3
    """Factor on it for the encoder."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Of AdamW, on kernels alone."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the updates over which the rate rises."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Decay of the running average of the weights, which is what is judged and kept."""
    views: ViewsConfig = VIEWS
    """How records are changed in training; where a view moves time, the marks move too."""
    nameless: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the records of a batch that lose the names of some or all of their leads."""
    few: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Share of the records of a batch that keep one to three leads alone."""
    smooth: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the records of a batch that keep the encoder's band alone, where the store's is wider."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the network's arithmetic; the loss is always float32."""
    beside_updates: Annotated[int, Field(ge=1)] = 3500
    """Where a store is learnt beside: weight updates on its measured waves alone, before all others."""
    beside_weight: Annotated[float, Field(ge=0)] = 0.2
    """And of its loss beside that of the marks."""
    judge_every: Annotated[int, Field(ge=1)] = 200
    """Updates between two looks at the choosing records."""

    def __post_init__(self) -> None:
        if self.views.share != 1:
            raise ValueError(f"views.share {self.views.share}: marks move with every record here; leave it at 1")


@runtime_checkable
class TrainingRows(Protocol):
    """Rows with their waves: `MarkedRows`, or `MeasuredRows`, which are read as they are asked for."""

    def __len__(self) -> int: ...

    def take(self, at: Int64[np.ndarray, " some"]) -> MarkedRows:
        """Some of them, by their place, in rising order."""
        ...


@dataclass(frozen=True)
class Beside:
    """Rows whose waves nobody marked but `prepare` measured, and a segmenter that has learnt them alone.

    What is trained begins as that segmenter. In each update it sees as many of these rows as of the marked ones,
    through a head of their own that is not kept: measured waves are the same in all leads and less exact, but from many
    more people.
    """

    rows: TrainingRows
    start: EcgSegmenter


@dataclass(frozen=True)
class Judged:
    """How well the choosing records went after some updates: sample F1 on the grid of marks, by the likeliest class."""

    updates: int
    f1: dict[str, float]

    @property
    def macro(self) -> float:
        return float(np.mean(list(self.f1.values())))


@dataclass(frozen=True)
class Fitted:
    """The segmenter after its best number of updates, and what was seen on the way."""

    segmenter: EcgSegmenter
    best: Judged
    history: tuple[Judged, ...]


def fit_segmenter(
    config: FitConfig,
    encoder: Encoder,
    data: TrainingRows,
    judge: Callable[[EcgSegmenter], dict[str, float]] | None,
    preprocessing: Preparation,
    provenance: Provenance,
    seed: int,
    device: torch.device,
    advance: Callable[[float], None] = lambda steps: None,
    encoder_takes: Preparation | None = None,
    beside: Beside | None = None,
) -> Fitted:
    """Train a decoder on `encoder` (and the encoder with it) on marked rows; the encoder given is not changed.

    Where the rows (prepared as `preprocessing`) have twice or four times the rate of what `encoder_takes`, the
    segmenter decimates them for it. Without `encoder_takes` the rows are what it takes.

    `judge` gives sample F1 by wave of the running average on other rows; the best by their mean is kept, without a
    judge the last. The result depends on the seed alone.

    Raises NotFinite where the loss is not finite, ValueError where the encoder takes what the rows cannot give.
    """
    encoder = encoder.maps_only()
    encoder_takes = encoder_takes or preprocessing
    factor = decimation_factor(preprocessing, encoder_takes)
    if factor is None:
        raise ValueError(
            f"rows prepared as {preprocessing} give no signals as {encoder_takes}, which the encoder takes"
        )
    decoder = build_decoder(replace(config.decoder, rate=factor), encoder, seed)
    decimation = Decimation(factor).design(preprocessing, encoder_takes) if factor != 1 else None
    model = EcgSegmenter(encoder, decoder, preprocessing, provenance, decimation).to(device)
    if beside is not None:
        model.load_state_dict(beside.start.state_dict())
    average = copy.deepcopy(model).requires_grad_(False).eval()
    optimizer = _optimizer(model, config)
    batches = _batches(config, data, model.decimation, seed, device)
    other = None if beside is None else _other(config, beside, model, optimizer, seed)
    best, kept, history = Judged(0, dict.fromkeys(_WAVES, float("nan"))), copy.deepcopy(average.state_dict()), []
    _set_training(model, config)
    for update in range(config.updates):
        _set_rates(optimizer, update, config)
        with seeded(_seed(seed, 3, update), device):
            _step(model, optimizer, next(batches), config, other)
        follow(average, model, config.average, update)
        advance(1)
        done = update + 1
        if judge is not None and (done % config.judge_every == 0 or done == config.updates):
            history.append(Judged(done, judge(average)))
            if not history[-1].macro <= best.macro:
                best, kept = history[-1], copy.deepcopy(average.state_dict())
    if judge is None:
        kept = average.state_dict()
    average.load_state_dict(kept)
    return Fitted(average, best, tuple(history))


@dataclass(frozen=True)
class _Batch:
    ecg_mv: Float[Tensor, "record lead time"]
    measured: Bool[Tensor, "record lead"]
    slot: Int[Tensor, "record lead"]
    share: Float[Tensor, "record lead 4 time"]
    counts: Bool[Tensor, "record lead time"]


class _Other(NamedTuple):
    """Batches of measured rows, and the head that learns them."""

    batches: Iterator[_Batch]
    head: nn.Module


def _other(
    config: FitConfig, beside: Beside, model: EcgSegmenter, optimizer: torch.optim.Optimizer, seed: int
) -> _Other:
    """The other head begins as the model's own; `optimizer` moves it too."""
    head = copy.deepcopy(model.decoder.head)
    optimizer.add_param_group({"params": list(head.parameters()), "weight_decay": 0.0, "of": 1.0})
    device = head.weight.device
    return _Other(_batches(config, beside.rows, model.decimation, _seed(seed, 4), device), head)


def _step(
    model: EcgSegmenter, optimizer: torch.optim.Optimizer, batch: _Batch, config: FitConfig, other: _Other | None
) -> None:
    half = torch.autocast(batch.ecg_mv.device.type, torch.bfloat16, enabled=config.precision == "bfloat16")
    if other is None:
        with half:
            scores = model(batch.ecg_mv, batch.measured, batch.slot)
        loss = wave_loss(scores.float(), batch.share, batch.counts)
    else:
        second, leads, records = next(other.batches), int(batch.measured.sum()), len(batch.ecg_mv)
        both = _Batch(*(torch.cat(pair) for pair in zip(vars(batch).values(), vars(second).values(), strict=True)))

        def heads(finest: Tensor) -> Tensor:
            return torch.cat([model.decoder.head(finest[:leads]), other.head(finest[leads:])])

        with half:
            scores = model(both.ecg_mv, both.measured, both.slot, heads).float()
        loss = wave_loss(scores[:records], batch.share, batch.counts)
        loss = loss + config.beside_weight * wave_loss(scores[records:], second.share, second.counts)
    if not abs(float(loss.detach())) < float("inf"):
        raise NotFinite(
            f"the segmenter's loss is {float(loss.detach())}; begin again with a rate below {config.rate:g}"
        )
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def wave_loss(
    scores: Float[Tensor, "record lead 4 time"],
    share: Float[Tensor, "record lead 4 time"],
    counts: Bool[Tensor, "record lead time"],
) -> Float[Tensor, ""]:
    """Cross-entropy of a sample's shares and probabilities, −Σ s log p; the mean over the samples that count."""
    each = -(share * scores.log_softmax(dim=2)).sum(dim=2)
    return torch.where(counts, each, 0.0).sum() / counts.sum().clamp(min=1)


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
    return {
        name: float(2 * both[k] / either[k]) if either[k] else float("nan") for k, name in enumerate(WAVE_CLASSES) if k
    }


def _batches(
    config: FitConfig, data: TrainingRows, decimation: Decimation | None, seed: int, device: torch.device
) -> Iterator[_Batch]:
    """Batches without end: all rows in random order, then again in another."""
    views, number = build_views(config.views), 0
    while True:
        order = np.random.default_rng(_seed(seed, 1, number)).permutation(len(data))
        for start in range(0, len(order), config.batch_size):
            rows = np.sort(order[start : start + config.batch_size])
            generator = torch.Generator(device).manual_seed(_seed(seed, 2, number * len(data) + start))
            yield _smoothed(
                _batch(config, data.take(rows), views, generator, device), decimation, config.smooth, generator
            )
        number += 1


def _batch(
    config: FitConfig,
    data: MarkedRows,
    views: Composed,
    generator: torch.Generator,
    device: torch.device,
) -> _Batch:
    """Rows as the views show them, with the shares of their waves moved alike."""
    signals = _few_leads(_signals(data, device), config.few, generator)
    records, _, time = signals.ecg_mv.shape
    source = torch.arange(time, dtype=torch.float32, device=device).expand(records, -1)
    for view in views.views:
        moved = view.retimed(signals, generator) if isinstance(view, Retiming) else None
        if moved is not None:
            source = moved.source
        signals = moved.read(signals) if moved is not None else view(signals, generator)
    share, known = targets(data.covered.to(device), source, data.fs_hz)
    inside = torch.arange(time, device=device) < signals.valid[:, None]
    counts = known & inside[:, None] & signals.lead_mask[:, :, None]
    return _Batch(signals.ecg_mv, signals.lead_mask, _slots(records, config.nameless, generator, device), share, counts)


def _smoothed(batch: _Batch, decimation: Decimation | None, share: float, generator: torch.Generator) -> _Batch:
    """Some records as if they had been sampled at the encoder's rate."""
    if decimation is None:
        return batch
    device = batch.ecg_mv.device
    some = torch.rand((len(batch.ecg_mv), 1, 1), generator=generator, device=device) < share
    return replace(batch, ecg_mv=torch.where(some, decimation.smoothed(batch.ecg_mv), batch.ecg_mv))


def _signals(data: MarkedRows, device: torch.device) -> Signals:
    ecg_mv = data.ecg_mv.to(device)
    return Signals(
        ecg_mv=ecg_mv,
        lead_mask=data.lead_mask.to(device),
        valid=torch.full((len(data),), ecg_mv.shape[2], device=device),
        beat_record=torch.from_numpy(data.beat_row).to(device),
        beat_at=torch.from_numpy(data.beat_at).to(device),
        fs_hz=data.fs_hz,
    )


def _few_leads(signals: Signals, share: float, generator: torch.Generator) -> Signals:
    """Of some records all leads but one to three taken out."""
    mask = signals.lead_mask
    device = mask.device
    few = torch.rand((len(mask), 1), generator=generator, device=device) < share
    luck = torch.rand(mask.shape, generator=generator, device=device).where(mask, -1.0)
    kept = torch.randint(1, 4, (len(mask), 1), generator=generator, device=device)
    rank = luck.argsort(dim=1, descending=True).argsort(dim=1)
    lead_mask = mask & (~few | (rank < kept))
    return Signals(
        signals.ecg_mv * lead_mask[:, :, None], lead_mask, signals.valid, signals.beat_record, signals.beat_at,
        signals.fs_hz,
    )  # fmt: skip


def _slots(
    records: int, nameless: float, generator: torch.Generator, device: torch.device
) -> Int[Tensor, "record lead"]:
    """Each lead's place among the twelve; of some records every lead loses it with a chance that the record draws."""
    chance = torch.rand((records, 1), generator=generator, device=device) * 1.5
    some = torch.rand((records, 1), generator=generator, device=device) < nameless
    lost = some & (torch.rand((records, len(LEADS)), generator=generator, device=device) < chance)
    return torch.arange(len(LEADS), device=device).expand(records, -1).masked_fill(lost, -1)


def _optimizer(model: EcgSegmenter, config: FitConfig) -> torch.optim.AdamW:
    """Kernels decay, biases and norms do not; the encoder's groups carry their own factor on the rate."""
    groups: list[dict[str, object]] = []
    for part, factor in ((model.decoder, 1.0), (model.encoder, config.encoder_rate)):
        if part is model.encoder and config.train == "decoder":
            part.requires_grad_(False)
            continue
        weights = list(part.parameters())
        groups.append(
            {"params": [w for w in weights if w.ndim >= 2], "weight_decay": config.weight_decay, "of": factor}
        )
        groups.append({"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0, "of": factor})
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98))


def _set_rates(optimizer: torch.optim.Optimizer, update: int, config: FitConfig) -> None:
    rate = rate_at(update, config.updates, round(config.warmup * config.updates), config.rate)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["of"]


def _set_training(model: EcgSegmenter, config: FitConfig) -> None:
    model.train()
    if config.train == "decoder":
        model.encoder.eval()


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
