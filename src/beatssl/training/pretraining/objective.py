"""What a pretraining method is: an objective on top of an encoder, the columns it needs, its views, its presets."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from beatssl.models.encoded import Encoder
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns, Rows
from beatssl.training.task import Losses
from beatssl.views.config import ViewsConfig
from beatssl.views.view import Composed, Signals
from beatssl.views.window import window


@dataclass(frozen=True)
class ViewMaker:
    """Makes what an objective is shown of a batch, each time at a window of its own where there are windows."""

    signals: Signals
    augment: Composed
    window_s: float
    generator: torch.Generator
    progress: float = 0.0
    """Share of the run's updates that are done."""

    def signal(self) -> Signals:
        """The records as they were measured."""
        return window(self.signals, self.window_s, self.generator)

    def view(self) -> Signals:
        """The records through the augmentations."""
        return self.augment(self.signal(), self.generator)


class Objective(nn.Module, ABC):
    """An encoder with the small networks that a pretraining method puts on top of it, and the method's loss."""

    encoder: Encoder

    @abstractmethod
    def views(self, make: ViewMaker) -> Any:
        """What the loss compares; `signals` says which records are in it."""

    @abstractmethod
    def forward(self, batch: Batch, views: Any) -> Losses:
        """The losses of a batch, the same in every process: what is compared is gathered over processes."""

    def signals(self, views: Any) -> Sequence[Signals]:
        """The signals among what `views` gave, each of all records of the batch."""
        return views

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures for the log."""
        return {}

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """What a line of the log warns of, by kind, each with its remedy."""
        return {}

    def embed(self, signals: Signals) -> Float[Tensor, "record embedding"]:
        """The records' embeddings, as the probe sees them."""
        return self.encoder.embed(self.encoder(signals.ecg_mv, signals.lead_mask), signals.valid)


@dataclass(frozen=True)
class Preset:
    """Named values: a method with its settings, the augmentations of its views, and windows."""

    method: str
    views: ViewsConfig
    objective: Any
    """The method's settings."""
    window_s: float = 0.0
    """Seconds of a row that a step sees, at a place drawn for each row and view; 0: whole rows."""
    window_share: float = 0.8
    """Share of the updates, from the first on, that see such windows; the last ones see whole rows."""

    def __post_init__(self) -> None:
        if not self.window_s >= 0 or not 0 <= self.window_share <= 1:
            raise ValueError(
                f"window_s {self.window_s}, window_share {self.window_share}; pass a length of 0 or more and a share "
                "from 0 to 1"
            )


@dataclass(frozen=True)
class Method:
    """A pretraining method as its file registers it."""

    name: str
    settings: type[Any]
    """A frozen dataclass whose values `--set objective.…` changes."""
    columns: Callable[[Rows, Any], Columns]
    """What batches carry of the rows, by the settings. Called once, before training."""
    build: Callable[[Encoder, Any, Columns], Objective]
    presets: Mapping[str, Preset]
    """Named values of this method."""


def of_the_map(method: Method) -> Method:
    """The method on the pooled feature map: `NAME-map`, of encoders without the layer that makes embeddings.

    A hard contrast that reaches the feature map through that layer lets the layer take what it asks for, and a probe
    then sees less of the map. `--encoder.embedding 0` does the same to any preset.
    """

    def build(encoder: Encoder, settings: Any, columns: Columns) -> Objective:
        return method.build(encoder.maps_only(), settings, columns)

    name = f"{method.name}-map"
    presets = {f"{preset}-map": replace(values, method=name) for preset, values in method.presets.items()}
    return replace(method, name=name, build=build, presets=presets)
