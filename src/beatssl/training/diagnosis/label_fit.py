"""Learning labels by gradient: the loop of fine-tuning, which knows inputs, scores and labels, and keeps the best."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from beatssl.progress import progress
from beatssl.store.labels import Cohort
from beatssl.training.diagnosis.figures import macro_auroc
from beatssl.training.loop import NotFinite, seeded
from beatssl.training.optim import follow, rate_at, set_rate
from beatssl.training.pretraining.batches import NETWORK, ORDER, VIEWS, seed_of

_JUDGED_AT_ONCE = 256


@dataclass(frozen=True)
class Pace:
    """How long and how a model learns; fields as in `FinetuneConfig`."""

    epochs: int
    least_updates: int
    batch_size: int
    warmup: float
    clip: float
    average: float
    precision: Literal["float32", "bfloat16"]
    seed: int


Inputs = Callable[[Any, torch.Generator | None], tuple[Tensor, ...]]
"""What a model takes for some rows of a cohort: changed by views where there is a generator, else as they are."""


@dataclass(frozen=True)
class Learner:
    """A model and how its parts are moved: optimizers, each with its highest rate."""

    model: nn.Module
    optimizers: Sequence[tuple[torch.optim.Optimizer, float]]
    inputs: Inputs
    device: torch.device
    settled: bool = False
    """The model is good already: it is judged before the first update too, and norms keep their statistics."""


def learn(
    learner: Learner,
    group: Cohort,
    used: Bool[np.ndarray, " row"],
    weights: Float64[np.ndarray, " label"],
    pace: Pace,
) -> list[dict[str, float]]:
    """Train on the rows `used`, a positive counting `weights` times; the model ends with the weights of the best look.

    The choosing fold is looked at `epochs` times, evenly spaced, and first of all where the model is settled; the look
    with the greatest macro AUROC wins. Returns the looks. Raises ValueError where there are fewer than two rows,
    NotFinite where the loss is none.
    """
    rows = np.flatnonzero(used)
    size = min(pace.batch_size, len(rows))
    if size < 2:
        raise ValueError(f"{size} rows to learn from; two at least are needed: pass more folds or a larger label share")
    updates = max(pace.epochs * (len(rows) // size), pace.least_updates)
    every = math.ceil(updates / pace.epochs)
    average = copy.deepcopy(learner.model).requires_grad_(False) if pace.average else None
    positive = torch.from_numpy(weights).float().to(learner.device)
    looks: list[dict[str, float]] = []
    best: dict[str, Tensor] = {}
    losses: list[float] = []

    def look(judged: nn.Module, update: int) -> None:
        scores = score(judged, learner, group, group.valid, pace.precision)
        quality = macro_auroc(group.labels[group.valid], scores, group.known[group.valid])
        if not looks or quality > max(look["valid_macro_auroc"] for look in looks):
            best.update({name: value.clone() for name, value in judged.state_dict().items()})
        loss = {"loss": float(np.mean(losses))} if losses else {}
        looks.append({"update": update, "valid_macro_auroc": quality} | loss)
        losses.clear()

    if learner.settled:
        look(learner.model, 0)
    with progress("Learning labels", updates, "updates") as advance:
        for update, at in zip(range(updates), _batches(rows, size, pace.seed), strict=False):
            losses.append(_step(learner, group, at, positive, pace, update, updates))
            if average is not None:
                follow(average, learner.model, pace.average, update)
            if (update + 1) % every == 0 or update + 1 == updates:
                look(average or learner.model, update + 1)
            advance(1)
    learner.model.load_state_dict(best)
    learner.model.eval()
    return looks


@torch.inference_mode()
def score(
    model: nn.Module,
    learner: Learner,
    group: Cohort,
    which: Bool[np.ndarray, " row"],
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Float64[np.ndarray, "which label"]:
    """Log odds of the rows `which`, as they are, in order."""
    was_training = model.training
    model.eval()
    rows = np.flatnonzero(which)
    parts: list[np.ndarray] = [np.zeros((0, len(group.names)))]
    for start in range(0, len(rows), _JUDGED_AT_ONCE):
        with _precise(learner.device, precision):
            found: Tensor = model(*learner.inputs(rows[start : start + _JUDGED_AT_ONCE], None))
        parts.append(found.double().cpu().numpy())
    model.train(was_training)
    return np.concatenate(parts)


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


def _step(
    learner: Learner,
    group: Cohort,
    at: Int64[np.ndarray, " row"],
    positive: Float[Tensor, " label"],
    pace: Pace,
    update: int,
    updates: int,
) -> float:
    device = learner.device
    generator = torch.Generator(device).manual_seed(seed_of(pace.seed, VIEWS, update))
    labels = torch.from_numpy(group.labels[at]).float().to(device)
    known = torch.from_numpy(group.known[at]).to(device)
    learner.model.train()
    if learner.settled:
        for module in learner.model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
    with seeded(seed_of(pace.seed, NETWORK, update), device), _precise(device, pace.precision):
        scores: Tensor = learner.model(*learner.inputs(at, generator))
    loss = label_loss(scores, labels, known, positive)
    loss.backward()
    trained = [weight for weight in learner.model.parameters() if weight.requires_grad]
    length = float(nn.utils.clip_grad_norm_(trained, pace.clip or float("inf")))
    if not math.isfinite(length) or not math.isfinite(float(loss.detach())):
        raise NotFinite(
            f"update {update} has the loss {float(loss.detach())} and a gradient of length {length}; "
            "pass a lower rate, or precision='float32'"
        )
    for optimizer, peak in learner.optimizers:
        set_rate(optimizer, rate_at(update, updates, round(pace.warmup * updates), peak))
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())


def _batches(rows: Int64[np.ndarray, " row"], size: int, seed: int) -> Iterator[Int64[np.ndarray, " some_row"]]:
    """Batches without end; each pass shows all rows but the last few, in a new order."""
    epoch = 0
    while True:
        order = np.random.default_rng([seed, ORDER, epoch]).permutation(rows)
        for start in range(0, len(rows) - size + 1, size):
            yield order[start : start + size]
        epoch += 1


def _precise(device: torch.device, precision: str) -> Any:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
