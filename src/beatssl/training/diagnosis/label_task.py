"""Fine-tuning as a task of the training loop: labels of records, learnt by gradient."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from beatssl.inference.device import to_device
from beatssl.losses.gather import gather, gather_with_grad
from beatssl.training.diagnosis.learnable import Learnable
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
    truth: Float[Tensor, "row label"]
    known: Bool[Tensor, "row label"]


@dataclass
class LabelTask:
    """Learns what labels say of their rows `used`; see `training.task.Task`.

    The validation fold is evaluated `epochs` times, evenly spaced, and before the first update where the model is
    initialised from a probe; the labels' `quality` chooses the weights. Raises ValueError where there are fewer than
    two rows.
    """

    model: nn.Module
    trained: Groups
    inputs: Inputs
    labels: Learnable
    record_id: np.ndarray
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

    def __post_init__(self) -> None:
        self.chosen_by = self.labels.chosen_by
        self.rows = np.flatnonzero(self.labels.used)
        self.size = min(self.batch_size, len(self.rows))
        if self.size < 2:
            raise ValueError(
                f"{self.size} rows to learn from; two at least are needed: pass more folds or a larger label share"
            )
        self.updates_per_epoch = max(1, len(self.rows) // self.size // self.accumulate)
        self.updates = max(self.epochs * self.updates_per_epoch, self.least_updates)
        self._every = math.ceil(self.updates / self.epochs)

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
            truth, known = torch.from_numpy(self.labels.truth[at]), torch.from_numpy(self.labels.group.known[at])
            yield LabelBatch(at, self.inputs.read(at), truth, known)

    def views(self, batch: LabelBatch, generator: torch.Generator, update: int) -> tuple[Tensor, ...]:
        """The model's arguments, augmented."""
        return self.inputs.augmented(batch.read, generator)

    def losses(self, model: nn.Module, batch: LabelBatch, seen: tuple[Tensor, ...]) -> Losses:
        """Over the rows of all processes."""
        scores = gather_with_grad(model(*seen).float())
        return Losses(self.labels.loss(scores, gather(batch.truth), gather(batch.known)))

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
        """Quality on the validation fold."""
        return {self.chosen_by: self.labels.quality(self.score(model, self.labels.group.valid))}

    def suspects(self, batch: LabelBatch, seen: tuple[Tensor, ...]) -> list[str]:
        """All records of the batch."""
        return [str(name) for name in self.record_id[batch.at]]

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        """The classifier is kept when training is done."""

    @torch.inference_mode()
    def score(
        self, model: nn.Module, which: Bool[np.ndarray, " row"], precise: bool = False
    ) -> Float64[np.ndarray, "which label"]:
        """Scores of the rows `which`, as they are, in order; in float32 where `precise`."""
        model.eval()
        rows = np.flatnonzero(which)
        parts: list[np.ndarray] = [np.zeros((0, len(self.labels.group.names)))]
        for start in range(0, len(rows), _EVALUATED_AT_ONCE):
            read = to_device(self.inputs.read(rows[start : start + _EVALUATED_AT_ONCE]), self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half and not precise):
                found: Tensor = model(*self.inputs.plain(read))
            parts.append(found.double().cpu().numpy())
        return np.concatenate(parts)
