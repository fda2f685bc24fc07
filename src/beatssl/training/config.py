"""How weights are updated and how a run is carried out, apart from PyTorch."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OptimConfig:
    """Optimization, the same for every task."""

    batch_size: Annotated[int, Field(ge=1)] = 64
    """Records of a batch, over all processes."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches a weight update; losses over pairs do not reach across them."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Highest learning rate of AdamW. None: 3e-3, or 3e-4 for fine-tuning initialised from a linear probe."""
    encoder_rate: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the rate for the encoder's weights."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """Of AdamW, on matrices and kernels alone."""
    warmup: Share = 0.05
    """Share of the updates over which the rate rises."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Longest gradient, over all weights; 0: no limit."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running average of the weights, which is then what is evaluated and kept; 0: none."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's arithmetic; losses are always float32. Where a processor or GPU only imitates bfloat16 it
    computes in float32, which is several times as fast there."""


Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RunConfig:
    """How a run is carried out and logged; no weight depends on it."""

    log_every: Count = 10
    """Updates a line of metrics.jsonl."""
    save_every: Count = 100
    """Updates between two states to resume from; a multiple of log_every."""
    tensorboard: bool = False
    """Write TensorBoard files to the run's folder too (needs tensorboard)."""
    device: Device = "auto"
    """auto: a GPU where there is one."""
    overwrite: bool = False
    """Replace the results of another command in the run's folder. A run of the same config goes on all the same."""

    def __post_init__(self) -> None:
        if self.save_every % self.log_every:
            raise ValueError(f"save_every {self.save_every} is no multiple of log_every {self.log_every}; make it one")
