"""Settings of segmenter training."""

from dataclasses import asdict, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.store.config import FOLDS
from beatssl.training.config import OptimConfig, RunConfig, Share
from beatssl.views.config import ViewsConfig

VIEWS = ViewsConfig(
    temporal_scaling=0.4, wave_amplitude=0.2, amplitude=1.0, noise=0.1, wander=0.1, lead_mask=0.6
)  # fmt: skip
"""Mild: marks are of single leads, so that turning the dipole, which mixes leads, and strong noise cost accuracy."""

FOLD_COUNT = 5
"""Parts that patients are cut into unless it is said otherwise."""

OPTIM = OptimConfig(batch_size=4, encoder_rate=0.3, warmup=0.1, average=0.995, precision="bfloat16")
"""How segmenters are optimized unless it is said otherwise: records of a batch come with all their leads."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class HeartChanges:
    """Shares of the rows of a batch that are changed to those of other hearts; each row draws its changes apart."""

    faster: Share = 0.4
    """Beats follow one another sooner, and T becomes shorter."""
    rate: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (70.0, 210.0)
    """The rates that are aimed at, in beats a minute; a row stays slower where its own waves leave no room."""
    long_pr: Share = 0.15
    """The time between P and QRS longer by up to 0.2 s."""
    wide_qrs: Share = 0.1
    """QRS longer by up to 80 %."""
    small_p: Share = 0.25
    """P smaller in all leads, down to three tenths."""
    no_p: Share = 0.08
    """No P in any lead."""
    no_t: Share = 0.04
    """No T in any lead."""
    st_t: Share = 0.15
    """ST raised or lowered by up to 0.3 mV, T smaller, taller or inverted, in each lead by its own amount."""
    not_conducted: Share = 0.05
    """One P in two, three or four without QRS and T after it."""
    noisy: Share = 0.2
    """Noise as of a Holter recorder, 0 to 24 dB below the QRS."""

    def times(self, factor: float) -> "HeartChanges":
        """All shares times a factor."""
        shares = {one.name: factor * getattr(self, one.name) for one in fields(self) if one.name != "rate"}
        return replace(self, **shares)


UNCHANGED = HeartChanges(
    faster=0, long_pr=0, wide_qrs=0, small_p=0, no_p=0, no_t=0, st_t=0, not_conducted=0, noisy=0
)  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FitConfig:
    """How a segmenter is trained."""

    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """The network on top of the encoder."""
    train: Literal["all", "decoder"] = "decoder"
    """decoder: the encoder stays as it is; all: it is trained too, at a lower rate."""
    updates: Annotated[int, Field(ge=1)] = 2000
    """Weight updates, however many records there are."""
    optim: Annotated[OptimConfig, tyro.conf.arg(name="")] = OPTIM
    """Optimization."""
    views: ViewsConfig = VIEWS
    """How records are augmented; where a view moves time, the marks move too."""
    hearts: HeartChanges = field(default_factory=HeartChanges)
    """How records are changed to those of other hearts, marks and all, before any view."""
    nameless: Share = 0.3
    """Share of the records of a batch that lose the names of some or all of their leads."""
    few: Share = 0.25
    """Share of the records of a batch that keep one to three leads alone."""
    smooth: Share = 0.2
    """Share of the records of a batch that keep the encoder's band alone, where the store's is wider."""
    cotrain_updates: Annotated[int, Field(ge=1)] = 3500
    """With co-training: weight updates on the pseudo-labels alone, before all others."""
    cotrain_weight: Annotated[float, Field(ge=0)] = 0.5
    """With co-training: weight of the pseudo-labels' loss; that of the marks has 1."""
    kept_before: Share = 0.15
    """With co-training: share of the weights from before the marks in the mean of both that is kept: what few marked
    records make a network forget of other hearts comes back."""
    evaluate_every: Annotated[int, Field(ge=1)] = 200
    """Updates between two evaluations on the validation records."""

    def __post_init__(self) -> None:
        if self.views.share != 1:
            raise ValueError(f"views.share {self.views.share}: marks move with every record here; leave it at 1")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SegmentConfig:
    """Train a segmenter of P, QRS and T waves in every lead, and report it over folds.

    One network a fold. Each is trained on all folds but two; the update whose weights are kept is chosen on the fold
    after the test fold, and every record is tested once. A run that was stopped goes on where it was.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store with wave marks in every lead, such as LUDB's."""
    out: Path
    """Folder for metrics.json, waves.parquet and the segmenters."""
    encoder: str = "default"
    """Run or checkpoint; "default": the bundled weights; "random": an untrained network."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Which network, and how large, where the encoder is random."""
    fit: Annotated[FitConfig, tyro.conf.arg(name="")] = field(default_factory=FitConfig)
    """How each network is trained."""
    split: str = FOLDS
    """folds: as many parts as the next option says; kfold:5: parts drawn at random by patient; column:NAME of numbers:
    these parts. With random, random:70,15,15 (shares), column:NAME of train, valid and test, or a CSV file of record_id
    and split there is one network, of fold 2. It is saved as split.csv."""
    fold_count: Annotated[int, Field(ge=3)] = FOLD_COUNT
    """Parts that the patients are cut into; of LUDB by record number."""
    only: tuple[int, ...] = ()
    """The folds to test; none named: all."""
    validation_only: bool = False
    """Give the figures of the validation records and do not read the test records: for choosing between
    configurations. Of all folds these are every record once too."""
    cotrain: Path | None = None
    """A store without marks, such as PTB-XL's, whose waves as `prepare` measured them are pseudo-labels for
    co-training: less exact, but of many more people. At the rate of the marked one, or a half or a quarter of it.
    People of the marked store take no part."""
    cotrain_folds: str = "1-8"
    """The folds of it that are used; where it has none, all its rows are."""
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training patients whose marks are used, drawn at random."""
    final: bool = False
    """Also keep one segmenter for use: with co-training, whose networks are initialised alike, the mean of all folds'
    weights; else, or of some folds alone, one more that is trained on all records."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of weights, order, views, the draw of patients and a random encoder."""
    run: Annotated[RunConfig, tyro.conf.arg(name="")] = field(default_factory=RunConfig)
    """How the run is carried out and logged."""

    def __post_init__(self) -> None:
        if self.split != FOLDS:
            if self.fold_count != FOLD_COUNT:
                raise ValueError(f"fold_count={self.fold_count} and split={self.split!r} both say the parts; pass one")
        elif wrong := [fold for fold in self.only if not 0 <= fold < self.fold_count]:
            raise ValueError(f"only={wrong[0]} of {self.fold_count} folds; they count from 0 to {self.fold_count - 1}")

    def what_counts(self) -> dict[str, Any]:
        """All that a fold's network depends on."""
        values = {name: value for name, value in asdict(self).items() if name not in ("out", "only", "final", "run")}
        places = {name: str(place.resolve()) for name in ("store", "cotrain") if (place := getattr(self, name))}
        from beatssl.store.own_data.sides import asked_split

        del values["split"]
        if not self.validation_only:
            del values["validation_only"]
        return values | places | asked_split(self.split)
