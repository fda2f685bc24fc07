"""What the training loop asks of a task, whatever is learnt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from beatssl.training.optim import Groups

Batch = TypeVar("Batch")
Seen = TypeVar("Seen")


class NotFinite(RuntimeError):
    """A loss or a gradient is infinite or not a number."""


@dataclass
class Losses:
    """The loss to minimise, the named parts it is made of, and what diagnostics may look at."""

    total: Float[Tensor, ""]
    parts: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict[str, Tensor])
    details: Any = None


@runtime_checkable
class Task(Protocol[Batch, Seen]):
    """A model, batches to train it on, and a loss: pretraining, fine-tuning or segmentation.

    A method is called in every process unless it says otherwise; `Seen` is what views make of a batch.
    """

    @property
    def title(self) -> str:
        """Of the progress bar."""
        ...

    @property
    def updates(self) -> int:
        """Weight updates of the whole run."""
        ...

    @property
    def updates_per_epoch(self) -> int:
        """Weight updates in which every record is seen about once."""
        ...

    @property
    def model(self) -> nn.Module:
        """What is trained, on its device. It ends with the weights to keep."""
        ...

    @property
    def chosen_by(self) -> str | None:
        """The figure of `evaluate` whose greatest value chooses the weights that are kept; None: the last are."""
        ...

    def groups(self) -> Groups:
        """The parts of the model that are trained, each with a factor on the learning rate."""
        ...

    def train_mode(self) -> None:
        """Put the model into the state in which it is trained, such as frozen parts into evaluation."""
        ...

    def batches(self, first: int, end: int) -> Iterator[Batch]:
        """This process's part of batches `first` to `end` − 1, on the CPU; a thread may ask for them ahead."""
        ...

    def views(self, batch: Batch, generator: torch.Generator, update: int) -> Seen:
        """What the model is shown of a batch on its device; random numbers come from `generator`."""
        ...

    def losses(self, model: nn.Module, batch: Batch, seen: Seen) -> Losses:
        """The losses of a batch; `model` is the task's, as Accelerate wrapped it."""
        ...

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures for the log of one batch's losses; asked for once every `log_every` updates."""
        ...

    def evaluation_due(self, update: int) -> bool:
        """Whether the weights are to be evaluated after `update` updates (0: before the first)."""
        ...

    def evaluate(self, model: nn.Module, update: int) -> dict[str, float]:
        """Figures of the weights after `update` updates. Called in the first process alone."""
        ...

    def warnings(self, figures: Mapping[str, float]) -> dict[str, str]:
        """What a line of the log warns of, by kind; each kind is printed once."""
        ...

    def suspects(self, batch: Batch, seen: Seen) -> list[str]:
        """Ids of the records that make the loss infinite or not a number, or of all of the batch."""
        ...

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        """Keep the model for use, where that is wanted while training goes on. Called in the first process alone."""
        ...
