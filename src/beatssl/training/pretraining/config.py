"""Settings of pretraining."""

from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.models.config import EncoderConfig
from beatssl.store.config import FOLDS
from beatssl.training.config import OptimConfig, RunConfig

if TYPE_CHECKING:
    from beatssl.training.pretraining.objective import Preset


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PretrainConfig:
    """Pretrain an encoder on one store, or on several prepared alike.

    The run folder holds config.json, metrics.jsonl, checkpoint/ and the state to resume from: a run that was stopped,
    however, goes on when the same command is given again.
    """

    stores: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of prepared stores."""
    out: Path
    """Folder of the run."""
    preset: str = "beatssl"
    """Method, views and settings by name: beatssl, paper, simclr, physioclr, regression, domain-ssl,
    masked-reconstruction, cmsc, vicreg, ts2vec or latent-prediction; simclr-map, cmsc-map and vicreg-map embed by the
    pooled feature map alone."""
    set: tuple[str, ...] = ()
    """Values of the preset to change, such as objective.rhythm.soft.exponent=30 or views.time_mask=0."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Which network, and how large."""
    init: str | None = None
    """Run or checkpoint to begin from, or "default" for the bundled weights."""
    folds: str = ""
    """Folds of the stores to train on, such as 1-8; empty: all."""
    split: str = FOLDS
    """folds: those of the option above; else the train side of column:NAME, random, random:70,15,15 or a CSV file of
    record_id and split; see probe. It is saved as split.csv, which probe and finetune take."""
    rows: Annotated[int, Field(ge=2)] | None = None
    """Rows to train on, drawn at random from these folds; None: all."""
    epochs: Annotated[int, Field(ge=1)] = 20
    """How often every row is seen."""
    beats_per_record: Annotated[int, Field(ge=0)] = 4
    """Beats of a row that objectives of beats see, drawn at random; 0: all. Their similarities need
    (2 · batch · beats)² numbers a few times over: 4 MB with 64 rows and 4 beats, 38 MB with about 12."""
    optim: Annotated[OptimConfig, tyro.conf.arg(name="")] = field(default_factory=OptimConfig)
    """Optimization."""
    memory_gb: Annotated[float, Field(ge=0)] = 4.0
    """Signals are held in memory where they need no more than this, else read from the store as they are needed."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of weights, order, beats and views."""
    run: Annotated[RunConfig, tyro.conf.arg(name="")] = field(default_factory=RunConfig)
    """How the run is carried out and logged."""
    probe_every: Annotated[int, Field(ge=0)] = 0
    """Epochs between two linear probes on the first store's labels; 0: none."""
    probe_labels: str = "superclass"
    """Label set of these probes."""
    probe_folds: str = "1-7"
    """Folds that they learn from."""
    probe_valid_fold: int = 8
    """Validation fold, on which they are scored; the test fold is never read while training."""

    def __post_init__(self) -> None:
        from beatssl.store.labels import parse_folds

        if not self.stores:
            raise ValueError("no store to train on; name one")
        if self.optim.batch_size < 2:
            raise ValueError(f"batch size {self.optim.batch_size}; pretraining compares records: pass 2 at least")
        if parse_folds(self.folds) and self.split != FOLDS:
            raise ValueError(
                f"folds={self.folds!r} and split={self.split!r} both say what to train on; pass one of them"
            )
        self.values()

    def values(self) -> "Preset":
        """The preset with what `set` changes."""
        from beatssl.training.pretraining.presets import preset

        return preset(self.preset, self.set)

    def what_counts(self) -> dict[str, Any]:
        """All that the weights depend on: what a run that is resumed must share with the one that was stopped."""
        from beatssl.store.own_data.sides import asked_split

        free = ("out", "run", "memory_gb", "preset", "set", "split")
        kept = {name: value for name, value in asdict(self).items() if name not in free}
        stores = [str(path.resolve()) for path in self.stores]
        return kept | asked_split(self.split) | {"stores": stores, "preset": asdict(self.values())}
