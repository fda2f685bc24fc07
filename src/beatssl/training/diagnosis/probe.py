"""The linear probe: logistic or ridge regression on the embeddings of a frozen encoder."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from beatssl.inference.device import torch_device
from beatssl.inference.embedding import embed
from beatssl.inference.record_model import HeadConfig, RecordModel
from beatssl.models.encoder import Encoder
from beatssl.store.labels import Cohort, validation_only
from beatssl.store.outputs import asked_of, check_folder, open_folder
from beatssl.store.store import Store
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.learnable import Learnable, learnable
from beatssl.training.diagnosis.linear import Linear
from beatssl.training.diagnosis.number_figures import RegressionFigures
from beatssl.training.diagnosis.question import METRICS as METRICS
from beatssl.training.diagnosis.question import PREDICTIONS as PREDICTIONS
from beatssl.training.diagnosis.question import Answer, Question, ask, conclude, embeddings
from beatssl.training.diagnosis.question import config_hash as config_hash


def probe(config: ProbeConfig) -> DiagnosisFigures | RegressionFigures:
    """The figures of one encoder, also written as `out`/metrics.json, with every record's probabilities and the head.

    With a label share below 1, figures are the mean over the draws and their intervals those of that mean; each draw's
    own figures are in `draws`; the head is the first draw's. With split="kfold:5" each part of the records is tested by
    a model of the others; figures are means over the parts, and the head is the first part's.

    Raises ValueError where the store has no such labels or split, or was prepared otherwise than the encoder expects,
    SplitError where sides overlap, are empty or share a patient or waveform.
    """
    asked = asked_of("probe", config, ("batch_size",))
    check_folder(config.out, asked, config.overwrite)
    question = ask(config)
    encoder = question.opened.encoder
    device = torch_device(config.device)
    encoder.to(device)
    values = embeddings(question, config, config.batch_size, device)
    encoder.cpu()
    answers: list[Answer] = []
    for group, used in question.rounds:
        labels = learnable(group, used)
        line, quality = fit(values, labels, config.inverse_penalties)
        scores = line.scores(scaled(values, used))
        model = _model(question, labels, encoder, line, values[used])
        answers.append(Answer(scores, model, {"inverse_penalty": line.inverse_penalty, labels.chosen_by: quality}))
    open_folder(config.out, asked, config.overwrite)
    return conclude(config, question, answers)


def valid_auroc(
    encoder: Encoder,
    store: Store,
    group: Cohort,
    inverse_penalties: Sequence[float] = (1e-3, 1e-2),
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> float:
    """Macro AUROC of a linear probe on the validation fold, to follow a run. The test fold is not read."""
    part = validation_only(group)
    values = embed(encoder, store, part.row, batch_size, device, "Probing")
    return fit(values, learnable(part, part.train), inverse_penalties)[1]


def fit(
    values: Float32[np.ndarray, "row feature"], labels: Learnable, inverse_penalties: Sequence[float]
) -> tuple[Linear, float]:
    """The regression fitted to the rows used that is best on the validation fold, and its quality there."""
    standard = scaled(values, labels.used)
    best: tuple[Linear, float] | None = None
    for line in labels.path(standard, inverse_penalties):
        quality = labels.quality(line.scores(standard[labels.group.valid]))
        if best is None or quality > best[1]:
            best = line, quality
    if best is None:
        raise ValueError("no penalty to try; pass at least one in inverse_penalties")
    return best


def scaled(
    values: Float32[np.ndarray, "row feature"], used: Bool[np.ndarray, " row"]
) -> Float32[np.ndarray, "row feature"]:
    """Mean 0 and variance 1 over the rows `used`; a feature that never differs there is 0."""
    mean, variance = spread(values[used])
    return ((values - mean) / np.sqrt(variance)).astype(np.float32)


def spread(
    values: Float32[np.ndarray, "row feature"],
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, " feature"]]:
    """Mean and variance of every feature; infinite variance, so that it counts for nothing, where it never differs."""
    mean, deviation = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    alive = deviation > 1e-6 * np.maximum(1e-6, np.abs(mean))
    return mean, np.where(alive, deviation**2, np.inf)


def _model(
    question: Question, labels: Learnable, encoder: Encoder, line: Linear, values: Float32[np.ndarray, "row feature"]
) -> RecordModel:
    """The encoder with the regression as its head, which gives the scores that the regression gives."""
    model = labels.model(encoder, HeadConfig(question.group.names), question.store.preparation)
    mean, variance = spread(values)
    model.head.standardise_as(mean, variance)
    model.head.be_linear(line.weight, line.bias)
    return model.eval()
