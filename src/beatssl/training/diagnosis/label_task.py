"""Fine-tuning as a task of the training loop: labels of records, learnt by gradient."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from beatssl.inference.device import to_device
from beatssl.losses.gather import gather, gather_with_grad
from beatssl.store.labels import Cohort
from beatssl.training.diagnosis.figures import macro_auroc
from beatssl.training.optim import Groups
from beatssl.training.random_streams import part_of, shuffled
from beatssl.training.task import Losses

_EVALUATED_AT_ONCE = 256


@runtime_checkable
class Inputs(Protocol):
    """What a model takes for the rows of a cohort."""

    def read(self, at: Int64[np.ndarray, " row"]) -> Any:
        """Some rows, by their place in the cohort, on the CPU."""
        ...

    def augmented(self, read: Any, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The model's arguments in training."""
        ...

    def plain(self, read: Any) -> tuple[Tensor, ...]:
        """The model's arguments in evaluation."""
        ...


@dataclass(frozen=True)
class LabelBatch:
    """Rows of a cohort with their labels."""

    at: Int64[np.ndarray, " row"]
    read: Any
    labels: Float[Tensor, "row label"]
    known: Bool[Tensor, "row label"]


@dataclass
class LabelTask:
    """Learns the labels of the rows `used`; see `training.task.Task`.

    The validation fold is evaluated `epochs` times, evenly spaced, and before the first update where the model is
    initialised from a probe; the greatest macro AUROC chooses the weights. Raises ValueError where there are fewer than
    two rows.
    """

    model: nn.Module
    trained: Groups
    inputs: Inputs
    group: Cohort
    record_id: np.ndarray
    used: Bool[np.ndarray, " row"]
    positive: Float64[np.ndarray, " label"]
    """What a positive counts beside a negative, label by label."""
    epochs: int
    least_updates: int
    batch_size: int
    accumulate: int
    half: bool
    """Whether the network's arithmetic is bfloat16 in evaluation too."""
    seed: int
    device: torch.device
    share: tuple[int, int]
    """This process and the number of processes."""
    from_probe: bool = False
    """The model is initialised from a linear probe: it is evaluated at once, and norms keep their statistics."""
    title: str = "Fine-tuning"
    chosen_by: str = "valid_macro_auroc"

    def __post_init__(self) -> None:
        self.rows = np.flatnonzero(self.used)
        self.size = min(self.batch_size, len(self.rows))
        if self.size < 2:
            raise ValueError(
                f"{self.size} rows to learn from; two at least are needed: pass more folds or a larger label share"
            )
        self.updates_per_epoch = max(1, len(self.rows) // self.size // self.accumulate)
        self.updates = max(self.epochs * self.updates_per_epoch, self.least_updates)
        self._every = math.ceil(self.updates / self.epochs)
        self._weights = torch.from_numpy(self.positive).float().to(self.device)

    def groups(self) -> Groups:
        """Encoder and head, or the head alone."""
        return self.trained

    def train_mode(self) -> None:
        """Everything, but for the statistics of batch norm where these are kept."""
        self.model.train()
        if self.from_probe:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.SyncBatchNorm):
                    module.eval()

    def batches(self, first: int, end: int) -> Iterator[LabelBatch]:
        """This process's part of some batches."""
        for number in range(first, end):
            at = self.rows[part_of(shuffled(len(self.rows), self.size, self.seed, number), *self.share)]
            labels, known = torch.from_numpy(self.group.labels[at]).float(), torch.from_numpy(self.group.known[at])
            yield LabelBatch(at, self.inputs.read(at), labels, known)

    def views(self, batch: LabelBatch, generator: torch.Generator, update: int) -> tuple[Tensor, ...]:
        """The model's arguments, augmented."""
        return self.inputs.augmented(batch.read, generator)

    def losses(self, model: nn.Module, batch: LabelBatch, seen: tuple[Tensor, ...]) -> Losses:
        """Cross-entropy over the rows of all processes."""
        scores = gather_with_grad(model(*seen).float())
        return Losses(label_loss(scores, gather(batch.labels), gather(batch.known), self._weights))

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """None."""
        return {}

    def warnings(self, figures: Mapping[str, float]) -> dict[str, str]:
        """None."""
        return {}

    def evaluation_due(self, update: int) -> bool:
        """`epochs` times, and at the start of a model initialised from a probe."""
        return self.from_probe if update == 0 else update % self._every == 0 or update == self.updates

    def evaluate(self, model: nn.Module, update: int) -> dict[str, float]:
        """Macro AUROC on the validation fold."""
        valid, group = self.group.valid, self.group
        return {"valid_macro_auroc": macro_auroc(group.labels[valid], self.score(model, valid), group.known[valid])}

    def suspects(self, batch: LabelBatch, seen: tuple[Tensor, ...]) -> list[str]:
        """All records of the batch."""
        return [str(name) for name in self.record_id[batch.at]]

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        """The classifier is kept when training is done."""

    @torch.inference_mode()
    def score(
        self, model: nn.Module, which: Bool[np.ndarray, " row"], precise: bool = False
    ) -> Float64[np.ndarray, "which label"]:
        """Log odds of the rows `which`, as they are, in order; in float32 where `precise`."""
        model.eval()
        rows = np.flatnonzero(which)
        parts: list[np.ndarray] = [np.zeros((0, len(self.group.names)))]
        for start in range(0, len(rows), _EVALUATED_AT_ONCE):
            read = to_device(self.inputs.read(rows[start : start + _EVALUATED_AT_ONCE]), self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half and not precise):
                found: Tensor = model(*self.inputs.plain(read))
            parts.append(found.double().cpu().numpy())
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
