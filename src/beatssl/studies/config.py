"""Settings of comparisons, transfer and recalibration."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.models.config import EncoderConfig
from beatssl.store.config import FOLDS


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CompareConfig:
    """Probe several encoders on one store by the protocol, and compare the first with every other.

    Writes `out`/NAME/metrics.json for each and `out`/compare.json: a line an encoder, and the difference of the first
    to each other with an interval over the same bootstrap draws of patients.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store with labels and folds."""
    encoders: tuple[str, ...]
    """Runs, checkpoints, "default", "random" or NAME:PATH (see probe); or folders where probe or finetune wrote
    metrics.json and predictions.parquet, whose predictions are taken as they are. The first is compared with every
    other."""
    out: Path
    """Folder for the figures; it gets no predictions."""
    names: tuple[str, ...] = ()
    """Names of the encoders, in their order; none: the last part of each path."""
    predictions: Path | None = None
    """Folder to keep predictions in, NAME/predictions.parquet: with the same config, weights and store they are used
    again. None: they are not kept."""
    validation_only: bool = False
    """Give the figures of the validation fold and do not read the test fold: for choosing between configurations."""
    labels: str = "superclass"
    """superclass, subclass, all, form, rhythm, another label set of the store, or a CSV file; see probe."""
    split: str = FOLDS
    """folds: the store's, by the next three options; column:NAME, random, random:70,15,15, or a CSV file; see probe."""
    train_folds: str = "1-7"
    """Training folds."""
    valid_fold: int = 8
    """Validation fold: decides penalty and thresholds."""
    test_fold: int = 9
    """Test fold: the figures are of its records."""
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training patients whose labels are used."""
    draws: Annotated[int, Field(ge=1)] = 5
    """How often that share is drawn; a share of 1 is drawn once."""
    shown_leads: tuple[str, ...] = ()
    """Leads kept in validation and test records, as on a device with fewer; training records keep all. Empty: all."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Name and size of the network where an encoder is random."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the draws, the bootstrap and a random encoder."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    device: Device = "auto"
    """Where the encoders run."""
    cache: bool = True
    """Keep embeddings in the user's cache, and take them from there; the numbers are the same."""
    overwrite: bool = False
    """Replace the results of another command in `out`, and predictions of other settings in `predictions`."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TransferConfig:
    """Apply a classifier that was trained on PTB-XL to a store of CinC records, and score it.

    Temperatures and thresholds stay as they were chosen on PTB-XL. Records named HR* are PTB-XL's own: they are refused
    and counted, never scored.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a store prepared with kind cinc."""
    classifier: str
    """Folder that probe or finetune wrote, a saved classifier, or "default"."""
    out: Path
    """Folder for metrics.json and predictions.parquet."""
    label_set: str | None = None
    """superclass, subclass, all, form or rhythm; None: what the classifier was trained on."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the bootstrap."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    device: Device = "auto"
    """Where the classifier runs."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RecalibrateConfig:
    """Fit a saved classifier's temperatures and thresholds to the labels of a new site; its weights stay as they are.

    A label with under ten positives or ten negatives there keeps what it had.
    """

    classifier: tyro.conf.Positional[str]
    """Folder that probe or finetune wrote, a saved classifier, or "default"."""
    store: tyro.conf.Positional[Path]
    """Folder of a store with records of the site."""
    labels: str
    """A CSV file (record_id, and a column of 1, 0 and empty for each label; see probe), a label set of the store, or
    snomed."""
    out: Path
    """Folder for the classifier and recalibration.json."""
    folds: str = ""
    """Folds of the store to fit on, such as 1-8; empty: all of its rows."""
    split: str = FOLDS
    """folds: those of the option above; else the rows of train and valid by column:NAME or a CSV file of record_id and
    split, such as the one that probe and finetune write."""
    device: Device = "auto"
    """Where the classifier runs."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""
