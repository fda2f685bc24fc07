"""Fine-tuning: an encoder and a head, or the head alone, learn the labels of a store."""

import copy
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Bool, Float32, Float64, Int64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from torch import Tensor, nn

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.embedding import shown_leads
from beatssl.inference.row_signals import RowSignals, on_device
from beatssl.training.diagnosis.label_fit import Learner, Pace, learn, negatives_per_positive, score
from beatssl.training.diagnosis.probe import INVERSE_PENALTIES, fit, spread
from beatssl.training.diagnosis.question import Answer, DiagnosisConfig, Question, ask, conclude, embeddings
from beatssl.training.loop import seeded
from beatssl.training.optim import make_optimizer
from beatssl.training.pretraining.batches import WEIGHTS, seed_of
from beatssl.views.registry import ViewsConfig, build_views
from beatssl.views.view import Composed

Share = Annotated[float, Field(ge=0, le=1)]

_PROBE_RATE, _FRESH_RATE = 3e-4, 3e-3

_MOST_WEIGHT = 20.0
"""Of a positive, and of a negative, beside the other."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class FinetuneConfig(DiagnosisConfig):
    """An encoder and a head learn the labels of a store, by gradient.

    The choosing fold chooses the epoch, thresholds and temperatures; only the reported fold's figures are written. From
    scratch is `--encoder random`.
    """

    train: Literal["all", "head"] = "all"
    """all: every weight, those of the encoder at a lower rate; head: the encoder stays as it is."""
    head: Literal["linear", "mlp"] = "linear"
    """mlp: one hidden layer."""
    start: Literal["probe", "fresh"] = "probe"
    """probe: a linear head begins as `probe` would fit it on the same labels, and norms keep the statistics that the
    encoder came with, so that learning begins where the probe ends (Kumar et al., ICLR 2022); fresh: at random weights
    and how frequent labels are, norms by the batch, as from scratch. A hidden layer always begins fresh."""
    hidden: Annotated[int, Field(ge=1)] = 256
    """Width of the hidden layer, where there is one."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of the embedding that is hidden from the head."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """How often every record is seen, and how often the choosing fold is looked at."""
    least_updates: Annotated[int, Field(ge=1)] = 200
    """Updates at least, however few records there are."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Records a weight update."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Highest learning rate of AdamW for the head. None: 3e-4 from where the probe ends, 3e-3 for a fresh head."""
    encoder_rate: Annotated[float, Field(gt=0)] = 0.3
    """Factor on it for the encoder."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Of AdamW, on matrices and kernels alone."""
    warmup: Share = 0.1
    """Share of the updates over which the rate rises."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Longest gradient, over all weights; 0: no limit."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of a running average of the weights, which is then what is judged and kept; 0: none."""
    balance: Share = 0.0
    """A positive counts (negatives / positives)^balance times: 0 leaves labels as they are, 1 makes both sides weigh
    the same. Its shift of the log odds is taken back, so that probabilities stay probabilities."""
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """How records are changed while every weight is trained; by default not at all."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the network's arithmetic while it learns; losses and what is reported are always float32."""
    cpu: bool = False
    """Use no GPU, even where there is one."""

    def __post_init__(self) -> None:
        if self.train == "head" and self.views != ViewsConfig():
            raise ValueError("views change what the encoder sees, and with train='head' it sees every record once; "
                             "leave views out, or train='all'")  # fmt: skip

    @property
    def from_probe(self) -> bool:
        """Whether every weight is trained from where the probe ends."""
        return self.train == "all" and self.start == "probe" and self.head == "linear"

    @property
    def head_rate(self) -> float:
        """`rate`, or what is used in its place."""
        return self.rate or (_PROBE_RATE if self.from_probe else _FRESH_RATE)


def finetune(config: FinetuneConfig) -> dict[str, Any]:
    """The figures of the encoder with the head it learnt, also written as `out`/metrics.json, with every record's
    probabilities, and the model as `out`/head.

    With a label share below 1, every draw begins anew from the same encoder; figures are the mean over the draws and
    their intervals those of that mean; the model is the first draw's.

    Raises ValueError where the store has no such labels, was prepared otherwise than the encoder expects, or leaves
    fewer than two records to learn from; SplitError where folds overlap or share a patient; NotFinite where a loss or
    gradient is not finite.
    """
    question = ask(config)
    device = Accelerator(cpu=config.cpu).device
    values: Float32[np.ndarray, "row feature"] | None = None
    if config.train == "head" or config.from_probe:
        question.opened.encoder.to(device)
        values = embeddings(question, config.shown_leads, device=device)
    if config.train == "head" and values is not None:
        answers = [_head_alone(config, question, used, values, device) for used in question.draws]
    else:
        signals = RowSignals(question.store)
        answers = [_everything(config, question, used, signals, values, device) for used in question.draws]
    return conclude(config, question, answers)


@dataclass(frozen=True)
class _RecordInputs:
    """Signals of a cohort's rows."""

    signals: RowSignals
    row: Int64[np.ndarray, " row"]
    views: Composed
    shown: Bool[Tensor, " lead"]  # where nothing is learnt
    device: torch.device

    def __call__(self, at: Int64[np.ndarray, " some_row"], generator: torch.Generator | None) -> tuple[Tensor, ...]:
        read = on_device(self.signals(self.row[at]), self.device)
        if generator is not None:
            read = self.views(read, generator)
            return read.ecg_mv, read.lead_mask, read.valid
        return read.ecg_mv * self.shown[:, None], read.lead_mask & self.shown, read.valid


@dataclass(frozen=True)
class _EmbeddedInputs:
    """Embeddings of a cohort's rows, on one scale."""

    values: Tensor

    def __call__(self, at: Int64[np.ndarray, " some_row"], generator: torch.Generator | None) -> tuple[Tensor, ...]:
        return (self.values[torch.from_numpy(at)],)


def _everything(
    config: FinetuneConfig,
    question: Question,
    used: Bool[np.ndarray, " row"],
    signals: RowSignals,
    values: Float32[np.ndarray, "row feature"] | None,
    device: torch.device,
) -> Answer:
    """The encoder and the head learn together: from the probe on `values`, the frozen encoder's embeddings, or fresh,
    their embeddings standardised batch by batch on the way."""
    model = _classifier(config, question, copy.deepcopy(question.opened.encoder))
    if values is not None:
        _begin_as_probe(model, question, used, values)
    model = model.to(device)
    optimizers = [
        (make_optimizer(model.encoder, config.head_rate, config.weight_decay), config.head_rate * config.encoder_rate),
        (make_optimizer(model.head, config.head_rate, config.weight_decay), config.head_rate),
    ]
    shown = shown_leads(question.store, config.shown_leads).to(device)
    inputs = _RecordInputs(signals, question.group.row, build_views(config.views), shown, device)
    return _answer(config, question, used, model, Learner(model, optimizers, inputs, device, values is not None))


def _begin_as_probe(
    model: EcgClassifier,
    question: Question,
    used: Bool[np.ndarray, " row"],
    values: Float32[np.ndarray, "row feature"],
) -> None:
    line, _ = fit(values, question.group, used, INVERSE_PENALTIES)
    model.head.standardise_as(*spread(values[used]))
    model.head.be_linear(line.weight, line.bias)


def _head_alone(
    config: FinetuneConfig,
    question: Question,
    used: Bool[np.ndarray, " row"],
    values: Float32[np.ndarray, "row feature"],
    device: torch.device,
) -> Answer:
    """The head learns from embeddings that were made once, standardised by the rows used."""
    model = _classifier(config, question, question.opened.encoder).to(device).eval()
    model.head.standardise_as(*spread(values[used]))
    with torch.no_grad():
        inputs = _EmbeddedInputs(model.head.scale(torch.from_numpy(values).to(device)))
    learning = nn.Sequential(model.head.dropout, model.head.scores)
    optimizers = [(make_optimizer(learning, config.head_rate, config.weight_decay), config.head_rate)]
    return _answer(config, question, used, model, Learner(learning, optimizers, inputs, device))


def _answer(
    config: FinetuneConfig, question: Question, used: Bool[np.ndarray, " row"], model: EcgClassifier, learner: Learner
) -> Answer:
    group = question.group
    rarity = negatives_per_positive(group, used)
    weights = np.clip(rarity**config.balance, 1 / _MOST_WEIGHT, _MOST_WEIGHT)
    # A probe's scores already know how frequent labels are.
    model.head.shift(np.log(weights if learner.settled else weights / rarity))
    looks = learn(learner, group, used, weights, _pace(config))
    model.head.shift(-np.log(weights))
    held_out = group.valid | group.test
    scores: Float64[np.ndarray, "row label"] = np.full(group.labels.shape, np.nan)
    scores[held_out] = score(learner.model, learner, group, held_out)
    best = max(looks, key=lambda look: look["valid_macro_auroc"])
    return Answer(scores, model.cpu().eval(), best | {"looks": looks})


def _classifier(config: FinetuneConfig, question: Question, encoder: Any) -> EcgClassifier:
    """The encoder with a fresh head."""
    hidden = config.hidden if config.head == "mlp" else 0
    head = HeadConfig(question.group.names, hidden, config.dropout)
    with seeded(seed_of(config.seed, WEIGHTS), torch.device("cpu")):
        return EcgClassifier(encoder, head, question.store.preparation, {})


def _pace(config: FinetuneConfig) -> Pace:
    return Pace(
        config.epochs, config.least_updates, config.batch_size, config.warmup, config.clip, config.average,
        config.precision, config.seed,
    )  # fmt: skip
