"""Settings of the linear probe and of fine-tuning."""

from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.models.config import EncoderConfig
from beatssl.store.config import FOLDS
from beatssl.training.config import OptimConfig, RunConfig, Share
from beatssl.views.config import ViewsConfig

INVERSE_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

_PROBE_RATE, _FRESH_RATE = 3e-4, 3e-3

_EPOCHS, _LEAST_UPDATES = 10, 200
"""Where neither is given: a small share of the labels needs more than ten passes."""

OPTIM = OptimConfig(encoder_rate=0.3, warmup=0.1, average=0.99, precision="bfloat16")
"""How fine-tuning is optimized unless it is said otherwise."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DiagnosisConfig:
    """Labels of a store, to be predicted by an encoder and a head."""

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store with labels and folds."""
    out: Path
    """Folder for metrics.json, predictions.parquet and the head."""
    encoder: str = "default"
    """Run or checkpoint; "default": the bundled weights; "random": an untrained network. probe and compare also take
    NAME:PATH, the weights of an encoder that others published: ecg-fm or ecgfounder."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Name and size of the network where the encoder is random."""
    labels: str = "superclass"
    """superclass, subclass, all, form, rhythm, another label set of the store, or a CSV file: record_id, and a column
    of 1, 0 and empty (not known) for each label, one column of names, each of which becomes a label, or columns of
    numbers, such as age. my.csv:AF,VT takes some columns of it; column:AF those of the store's records."""
    split: str = FOLDS
    """folds: the store's, by the next three options; column:NAME: train, valid and test, or folds, in a column of the
    store's records; random, or random:70,15,15 (shares): drawn by patient and stratified by label; a CSV file of
    record_id and split; kfold:5 (probe): every part is the test part once."""
    train_folds: str = "1-7"
    """Training folds."""
    valid_fold: int = 8
    """Validation fold: decides penalty or epoch, thresholds and temperatures."""
    test_fold: int = 9
    """Test fold: the figures are of its records."""
    validation_only: bool = False
    """Give the figures of the validation fold and do not read the test fold: for choosing between configurations."""
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training patients whose labels are used."""
    draws: Annotated[int, Field(ge=1)] = 5
    """How often that share is drawn; a share of 1 is drawn once."""
    draw_seed: Annotated[int, Field(ge=0)] | None = None
    """Of these draws alone, so that several seeds learn from the same labels; None: seed."""
    keep_unlabelled: bool = False
    """Keep records without a label in the set, as negatives of every label."""
    shown_leads: tuple[str, ...] = ()
    """Leads kept in validation and test records, as on a device with fewer; training records keep all. Empty: all."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the draws, the bootstrap, a random encoder, and training."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    cache: bool = True
    """Keep the frozen encoder's embeddings in the user's cache, and take them from there; the numbers are the same."""

    @property
    def seed_of_draws(self) -> int:
        return self.seed if self.draw_seed is None else self.draw_seed


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ProbeConfig(DiagnosisConfig):
    """Logistic regression on a frozen encoder's embeddings of a labelled store; ridge regression of numbers.

    Embeddings of whole records are standardised on the training folds. The validation fold decides the penalty, one for
    all labels, and each label's threshold and temperature. Figures are of the test fold.
    """

    inverse_penalties: tuple[float, ...] = INVERSE_PENALTIES
    """Penalties to choose from, as scikit-learn's C; of numbers 1 / alpha of its Ridge."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Records encoded at once."""
    device: Device = "auto"
    """Where the encoder runs; the regression is fitted on the CPU."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FinetuneConfig(DiagnosisConfig):
    """An encoder and a head learn the labels of a store, by gradient.

    The validation fold chooses the update whose weights are kept, thresholds and temperatures; only the test fold's
    figures are written. A run that was stopped goes on when the same command is given again. From scratch is
    `--encoder random --init fresh`.
    """

    train: Literal["all", "head"] = "all"
    """all: every weight, those of the encoder at a lower rate; head: the encoder stays as it is."""
    head: Literal["linear", "mlp"] = "linear"
    """mlp: one hidden layer."""
    init: Literal["probe", "fresh"] = "probe"
    """probe: a linear head is initialised from the linear probe on the same labels, and norms keep the statistics that
    the encoder came with (LP-FT; Kumar et al., ICLR 2022); fresh: random weights and how frequent labels are, norms by
    the batch, as from scratch. A hidden layer is always fresh."""
    hidden: Annotated[int, Field(ge=1)] = 256
    """Width of the hidden layer, where there is one."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of its input that is hidden from the head."""
    features: bool = False
    """The head sees the measured features of a record beside its embedding; with train="head"."""
    trees: tuple[str, ...] = ()
    """Labels that boosted trees on the features score too (NORM MI STTC CD HYP); the log odds are the mean of both."""
    lead_sets: tuple[str, ...] = ()
    """Leads such as I,II that records have on other devices: half of the training records are shown with one of these
    sets alone, and figures are given for each; with train="head"."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """How often every record is seen, and how often the validation fold is evaluated. None: 10 times, and more where
    least_updates asks for it."""
    least_updates: Annotated[int, Field(ge=1)] | None = None
    """Updates at least, however few records there are. None: 200 where epochs are None too, else no least."""
    optim: Annotated[OptimConfig, tyro.conf.arg(name="")] = OPTIM
    """Optimization."""
    balance: Share = 0.0
    """A positive counts (negatives / positives)^balance times: 0 leaves labels as they are, 1 makes both sides weigh
    the same. Its shift of the log odds is taken back, so that probabilities stay probabilities."""
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """How records are augmented while every weight is trained; by default not at all."""
    run: Annotated[RunConfig, tyro.conf.arg(name="")] = field(default_factory=RunConfig)
    """How the run is carried out and logged."""

    def __post_init__(self) -> None:
        if self.train == "head" and self.views != ViewsConfig():
            raise ValueError("views change what the encoder sees, and with train='head' it sees every record once; "
                             "leave views out, or train='all'")  # fmt: skip
        if self.train == "all" and (self.features or self.lead_sets):
            raise ValueError("features= and lead_sets= are for a head on a frozen encoder; add train='head'")
        if self.trees and not self.features:
            raise ValueError("trees= are grown on the measured features; add features=True")
        if self.lead_sets and self.shown_leads:
            raise ValueError("lead_sets= gives figures for each set already; leave shown_leads= out")

    @property
    def epoch_count(self) -> int:
        """`epochs`, or as many as there are by default."""
        return self.epochs or _EPOCHS

    @property
    def update_minimum(self) -> int:
        """`least_updates`, or what holds where it is not given: epochs that were asked for are not exceeded."""
        return self.least_updates or (_LEAST_UPDATES if self.epochs is None else 1)

    @property
    def from_probe(self) -> bool:
        """Whether every weight is trained, initialised from the linear probe."""
        return self.train == "all" and self.init == "probe" and self.head == "linear"

    def optimization(self) -> OptimConfig:
        """`optim` with the rate that is used."""
        return replace(self.optim, rate=self.optim.rate or (_PROBE_RATE if self.from_probe else _FRESH_RATE))
