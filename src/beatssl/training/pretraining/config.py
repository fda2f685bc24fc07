"""What `pretrain` may be told."""

from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.models.encoded import EncoderConfig
from beatssl.store.labels import parse_folds
from beatssl.training.pretraining.presets import Preset, Recipe, recipe

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PretrainConfig:
    """Pretrain an encoder on one store, or on several prepared alike.

    The run folder holds config.json, metrics.jsonl, checkpoint/ and the state to go on from: a run that was stopped,
    however, goes on when the same command is given again.
    """

    stores: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of prepared stores."""
    out: Path
    """Folder of the run."""
    preset: Preset = "beatssl"
    """Views, targets and losses by name; see `training.recipes.recipe`."""
    set: tuple[str, ...] = ()
    """Values of the preset to change, such as objective.rhythm.soft.exponent=30 or views.time_mask=0."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Which network, and how large."""
    init: str | None = None
    """Run or checkpoint to begin from, or "default" for the shipped weights."""
    folds: str = ""
    """Folds of the stores to train on, such as 1-8; empty: all."""
    rows: Annotated[int, Field(ge=2)] | None = None
    """Rows to train on, drawn at random from these folds; None: all."""
    epochs: Count = 20
    """How often every row is seen."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    """Rows contrasted with each other, over all processes."""
    accumulate: Count = 1
    """Batches a weight update; they are not contrasted with each other."""
    beats_per_record: Annotated[int, Field(ge=0)] = 4
    """Beats of a row that are contrasted, drawn at random; 0: all. Their similarities need (2 · batch · beats)² numbers
    a few times over: 4 MB with 64 rows and 4 beats, 38 MB with about 12."""
    rate: Annotated[float, Field(gt=0)] = 3e-3
    """Highest learning rate of AdamW."""
    weight_decay: NotNegative = 0.05
    """Of AdamW, on matrices and kernels alone."""
    warmup: Share = 0.05
    """Share of the updates over which the rate rises."""
    clip: NotNegative = 1.0
    """Longest gradient, over all weights; 0: no limit."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of a running average of the weights, which is then what is probed and kept; 0: none."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the encoder's arithmetic; losses are always float32."""
    beat_shape: Annotated[int, Field(ge=0)] = 32
    """Principal components of the median beat that stand among the record features."""
    memory_gb: NotNegative = 4.0
    """Signals are held in memory where they need no more than this, else read from the store as they are needed."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of weights, order, beats and views."""
    log_every: Count = 10
    """Updates a line of metrics.jsonl."""
    save_every: Count = 100
    """Updates between two states to go on from; a multiple of log_every."""
    probe_every: Annotated[int, Field(ge=0)] = 0
    """Epochs between two linear probes on the first store's labels; 0: none."""
    probe_labels: str = "superclass"
    """Label set of these probes."""
    probe_folds: str = "1-7"
    """Folds that they learn from."""
    probe_valid_fold: int = 8
    """Fold that they are scored on; the reported fold is never looked at while training."""
    tensorboard: bool = False
    """Write TensorBoard files to the run folder too (needs tensorboard)."""
    cpu: bool = False
    """Use no GPU, even where there is one."""

    def __post_init__(self) -> None:
        if not self.stores:
            raise ValueError("no store to train on; name one")
        if self.save_every % self.log_every:
            raise ValueError(f"save_every {self.save_every} is no multiple of log_every {self.log_every}; make it one")
        parse_folds(self.folds)
        self.recipe()

    def recipe(self) -> Recipe:
        """The preset with what `set` changes."""
        return recipe(self.preset, self.set)

    def what_counts(self) -> dict[str, Any]:
        """All that the weights depend on: what a run that goes on must share with the one that was stopped."""
        free = ("out", "log_every", "save_every", "tensorboard", "memory_gb", "cpu", "preset", "set")
        values = {name: value for name, value in asdict(self).items() if name not in free}
        return values | {"stores": [str(path.resolve()) for path in self.stores], "recipe": asdict(self.recipe())}
