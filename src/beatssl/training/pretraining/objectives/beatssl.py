"""Beat-SSL: contrast of records and of heartbeats towards soft targets, and regression of what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from torch import Tensor, nn

from beatssl.features import BEAT_DEFINITIONS
from beatssl.losses.contrast import SOFTMAX_FORMS, Form, contrast
from beatssl.losses.gather import gather, gather_with_grad
from beatssl.losses.regression import masked_regression
from beatssl.models.encoded import Encoder
from beatssl.models.pooling import valid_steps
from beatssl.models.projector import Projector
from beatssl.models.roi import beat_windows, bins_inside, roi_project
from beatssl.store.standardise import FeatureStandardiser, Standardised
from beatssl.targets.kernel import KernelTargets, kernel_coordinates
from beatssl.targets.soft import SoftTargets, hard_targets
from beatssl.targets.space import FeatureSpace
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.beat_columns import beat_kinds, chances, less_median
from beatssl.training.pretraining.columns import Columns, Rows
from beatssl.training.pretraining.diagnostics import Compared, contrast_figures, contrast_warnings
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.registry import preset as views_preset
from beatssl.views.view import Signals

RECORD_SCALE, BEAT_SCALE = "record_scale.safetensors", "beat_scale.safetensors"
DIFFERENCE_SCALE = "beat_difference_scale.safetensors"

Weight = Annotated[float, Field(ge=0)]
_SEEN = 0.5
"""Least share of a beat's bins that must lie within the record, in both views, for the beat to count."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Contrast:
    """One contrast of two views of every item, an item being a record or a beat."""

    weight: Weight = 1.0
    """Share in the total loss (for beats the method's λ); 0 leaves the contrast out."""
    form: Form = "soft_2"
    """How targets weigh pairs; see `losses.contrast`."""
    targets: Literal["features", "identity", "classes", "clusters"] = "features"
    """What makes two items alike: measured features, nothing (each is like itself alone), beat class, beat shape."""
    soft: SoftTargets = field(default_factory=SoftTargets)
    """Similarity of two sets of features; used with targets="features"."""
    components: Annotated[int, Field(ge=0)] = 0
    """Principal components of the features that are compared, spectrally scaled; 0: the features as they are."""
    spectral_scaling: Annotated[float, Field(ge=-0.5, le=0)] = -0.25
    """Power of a component's variance by which it is scaled: −0.5 whitens, 0 leaves it; see `targets.space`."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Divides the cosines."""
    bias: float = -10.0
    """Added to the logits of form="sigmoid"."""
    pairs: Literal["all", "within", "between"] = "all"
    """Beats that are compared, beside a beat's own two views: all, those of one record, or those of different ones."""
    hard_negatives: Weight = 0.0
    """How much more unlike items weigh that lie near; of the forms with a softmax; see `losses.contrast`."""

    def __post_init__(self) -> None:
        if self.hard_negatives and self.form not in SOFTMAX_FORMS:
            raise ValueError(f"hard_negatives are of the forms {', '.join(SOFTMAX_FORMS)}, not of {self.form!r}")

    @property
    def needs_features(self) -> bool:
        """Whether targets are made of measured features."""
        return self.weight > 0 and self.targets == "features"


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class BeatSSLSettings:
    """The weights and targets of the losses."""

    rhythm: Contrast = field(default_factory=Contrast)
    """Record against record."""
    beat: Contrast = field(default_factory=Contrast)
    """Beat against beat, over all records of the batch."""
    regression: Weight = 0.0
    """Weight of predicting the record features from the embedding, linearly."""
    kernel: KernelTargets = field(default_factory=KernelTargets)
    """Coordinates of soft similarity that are regression targets too; at `regression` 0 there are none."""
    beat_regression: Weight = 0.0
    """Weight of predicting each chosen beat's features from its part of the feature map, linearly."""
    beat_differences: bool = False
    """Whether what is predicted of a beat includes how each of its features differs from the median of its record."""
    beat_draw: Literal["evenly", "unlike"] = "evenly"
    """Which beats of a record are chosen: any, or rather those whose features differ from the others of the record."""
    anchor: Literal["view", "signal", "self"] = "view"
    """What a view is contrasted with: another view of its record; the untouched signal, on which the features were
    measured; or itself: there is one view of each record, and other records alone say what it should be like."""
    regress_from: Literal["views", "signal"] = "views"
    """Embeddings that features are predicted from: all that are contrasted, or the untouched signal's (one more pass of
    the encoder where it is not the anchor)."""
    projector_layers: Annotated[int, Field(ge=0)] = 1
    """Hidden layers of the projectors; 0: the embedding itself must hold what is contrasted, linearly."""
    projector_hidden: Annotated[int, Field(ge=1)] = 512
    projector_out: Annotated[int, Field(ge=1)] = 128
    beat_bins: Annotated[int, Field(ge=1)] = 8
    """Bins that a beat's part of the feature map is pooled into."""
    beat_shape: Annotated[int, Field(ge=0)] = 32
    """Principal components of the median beat among the record features."""
    schedule: Literal["constant", "contrast_first", "regression_first"] = "constant"
    """How weights go over the run. contrast_first: those of the contrasts from twice what is stated to 0, linearly, and
    those of the regressions from 0 to twice; regression_first: the reverse."""

    def __post_init__(self) -> None:
        if self.rhythm.targets in ("classes", "clusters"):
            raise ValueError(f"rhythm targets {self.rhythm.targets!r} are of beats; choose features or identity")
        if self.rhythm.pairs != "all":
            raise ValueError(f"rhythm pairs {self.rhythm.pairs!r} are of beats; records are compared with all others")
        if self.schedule != "constant" and not (self.contrasts and self.regresses):
            raise ValueError(f"schedule {self.schedule!r} goes between contrast and regression; give both a weight")
        hard = any(c.weight and c.targets == "identity" for c in (self.rhythm, self.beat))
        if self.anchor == "self" and hard:
            raise ValueError("with anchor 'self' an item has no other view to be like; choose anchor view or signal")
        if self.beat_differences and not self.beat_regression:
            raise ValueError("beat_differences are predicted as beat_regression weighs them; give that a weight")
        if self.beat_draw == "unlike" and not (self.beat.weight or self.beat_regression):
            raise ValueError("beat_draw 'unlike' is of no effect without beats; give beat or beat_regression a weight")
        if not any((self.rhythm.weight, self.beat.weight, self.regression, self.beat_regression)):
            raise ValueError("every part of the objective has weight 0; give one of them a weight")

    @property
    def contrasts(self) -> bool:
        """Whether two views of each record are needed."""
        return bool(self.rhythm.weight or self.beat.weight)

    @property
    def signal_apart(self) -> bool:
        """Whether the untouched signal is encoded beside the two that are contrasted, or alone."""
        return self.regresses and self.regress_from == "signal" and not (self.contrasts and self.anchor == "signal")

    @property
    def regresses(self) -> bool:
        return bool(self.regression or self.beat_regression)


@dataclass
class _Passed:
    """One version of the batch's records, encoded."""

    signals: Signals
    feature_map: Float[Tensor, "record channel step"]
    embedding: Float[Tensor, "record embedding"]
    stride: int


class BeatSSL(Objective):
    """The encoder with projectors for the contrasts and linear layers for the regressions.

    `record_features` and `beat_features` are the numbers of features (of records with their kernel coordinates) to
    predict.
    """

    def __init__(
        self, encoder: Encoder, config: BeatSSLSettings, record_features: int = 0, beat_features: int = 0
    ) -> None:
        super().__init__()
        channels = encoder.channels
        self.config = config
        self.progress = 0.0
        self.encoder: Encoder = encoder
        sizes = config.projector_hidden, config.projector_out, config.projector_layers
        if config.rhythm.weight:
            self.project_rhythm = Projector(encoder.embedding_size, *sizes)
        if config.beat.weight:
            self.project_beat = Projector(channels * config.beat_bins, *sizes)
        if config.regression:
            self.regress = nn.Linear(encoder.embedding_size, record_features)
        if not (config.rhythm.weight or config.regression):
            encoder.embedding.requires_grad_(False)  # of no part in the loss, which processes must agree on
        if config.beat_regression:
            self.regress_beat = nn.Linear(channels * config.beat_bins, beat_features)

    def views(self, make: ViewMaker) -> tuple[Signals, ...]:
        """Two views for a contrast (one with anchor "self"); then, for regression from the signal, the untouched one
        where it is not among them."""
        config, self.progress = self.config, make.progress
        made: tuple[Signals, ...] = ()
        if config.contrasts or config.regress_from == "views":
            first = make.signal() if config.anchor == "signal" else make.view()
            made = (first,) if config.anchor == "self" else (first, make.view())
        return (*made, make.signal()) if config.signal_apart else made

    def forward(self, batch: Batch, views: tuple[Signals, ...]) -> Losses:
        """Losses of a batch, the same in every process: embeddings are gathered over processes with their gradients."""
        passed = self._encode(views)
        losses: dict[str, Tensor] = {}
        compared: dict[str, Compared] = {}
        regressed = passed
        if self.config.regress_from == "signal":
            regressed = passed[-1:] if self.config.signal_apart else passed[:1]
        pair = (passed[:1] * 2 if self.config.anchor == "self" else passed)[:2]
        kept = self._beats_seen(batch, passed)
        if self.config.rhythm.weight:
            compared["rhythm"] = self._contrast_records(batch, pair)
        if self.config.beat.weight:
            compared["beat"] = self._contrast_beats(batch, pair, kept)
        for name, pairs in compared.items():
            how = self.config.rhythm if name == "rhythm" else self.config.beat
            weighing = how.form, how.temperature, how.bias, pairs.pairs, how.hard_negatives
            losses[name] = contrast(pairs.z_a, pairs.z_b, pairs.targets, *weighing)
        if self.config.regression:
            losses["regression"] = self._regress_records(batch, regressed)
        if self.config.beat_regression:
            losses["beat_regression"] = self._regress_beats(batch, regressed, kept)
        total = torch.stack([self.weight_of(name) * loss for name, loss in losses.items()]).sum()
        return Losses(total, losses, compared)

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures of each contrast: embeddings and targets."""
        return contrast_figures(losses.details)

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """Collapse, views too weak or too strong, targets too flat or too sharp."""
        return contrast_warnings(figures, batch_size, ("rhythm", "beat"))

    def weight_of(self, name: str) -> float:
        """The weight of a named loss in the total, at the place of the run that `views` was asked for."""
        c = self.config
        contrasts = {"rhythm": c.rhythm.weight, "beat": c.beat.weight}
        stated = (contrasts | {"regression": c.regression, "beat_regression": c.beat_regression})[name]
        if c.schedule == "constant":
            return stated
        rises = (name in contrasts) == (c.schedule == "regression_first")
        return stated * 2 * (self.progress if rises else 1 - self.progress)

    def _encode(self, views: tuple[Signals, ...]) -> list[_Passed]:
        """All versions in one pass, so that norms over the batch see them together."""
        ecg_mv = torch.cat([view.ecg_mv for view in views])
        lead_mask = torch.cat([view.lead_mask for view in views])
        encoded = self.encoder(ecg_mv, lead_mask)
        feature_map = encoded.feature_map
        embedding = self.encoder.embed(encoded, torch.cat([view.valid for view in views]))
        parts = zip(views, feature_map.chunk(len(views)), embedding.chunk(len(views)), strict=True)
        return [_Passed(view, of_map, of_record, encoded.stride) for view, of_map, of_record in parts]

    def _contrast_records(self, batch: Batch, pair: list[_Passed]) -> Compared:
        z = self.project_rhythm(torch.cat([one.embedding for one in pair]))
        z_a, z_b = (gather_with_grad(part) for part in z.chunk(2))
        how = self.config.rhythm
        if how.targets == "identity":
            return Compared(z_a, z_b, None)
        return Compared(z_a, z_b, how.soft(gather(batch.record["compared"]), gather(batch.record["certain"])))

    def _contrast_beats(self, batch: Batch, pair: list[_Passed], kept: Bool[Tensor, " chosen"]) -> Compared:
        z = self.project_beat(torch.cat([self._beat_parts(batch, one)[kept] for one in pair]))
        z_a, z_b = (gather_with_grad(part) for part in z.tensor_split(2))
        how = self.config.beat
        pairs: Bool[Tensor, "n n"] | None = None
        if how.pairs != "all":
            row = torch.from_numpy(batch.row).to(kept.device)[batch.beat_record[batch.chosen][kept]]
            same = hard_targets(gather(row)) > 0
            pairs = same if how.pairs == "within" else ~same
        targets: Tensor | None = None
        if how.targets == "features":
            targets = how.soft(gather(batch.beat["compared"][kept]), gather(batch.beat["certain"][kept]), pairs)
        elif how.targets != "identity":
            kinds = batch.beat["class"] if how.targets == "classes" else batch.beat["cluster"]
            targets = hard_targets(gather(kinds[kept]))
        return Compared(z_a, z_b, targets, pairs)

    def _regress_records(self, batch: Batch, passed: list[_Passed]) -> Tensor:
        predicted = gather_with_grad(self.regress(torch.cat([one.embedding for one in passed])))
        values = gather(batch.record["target"].repeat(len(passed), 1))
        return masked_regression(predicted, values, gather(batch.record["measured"].repeat(len(passed), 1)))

    def _regress_beats(self, batch: Batch, passed: list[_Passed], kept: Bool[Tensor, " chosen"]) -> Tensor:
        parts = torch.cat([self._beat_parts(batch, one)[kept] for one in passed])
        predicted = gather_with_grad(self.regress_beat(parts))
        values = gather(batch.beat["target"][kept].repeat(len(passed), 1))
        return masked_regression(predicted, values, gather(batch.beat["measured"][kept].repeat(len(passed), 1)))

    def _beat_parts(self, batch: Batch, one: _Passed) -> Float[Tensor, "chosen channel_bins"]:
        begin, end, steps, record = self._windows(batch, one)
        return roi_project(one.feature_map, record, begin, end, self.config.beat_bins, steps).flatten(1)

    def _beats_seen(self, batch: Batch, passed: list[_Passed]) -> Bool[Tensor, " chosen"]:
        """Which of the chosen beats lie within the record in every version of it."""
        seen = torch.ones_like(batch.chosen, dtype=torch.bool)
        for one in passed if self.config.beat.weight or self.config.beat_regression else ():
            begin, end, steps, record = self._windows(batch, one)
            inside = bins_inside(begin, end, steps[record], self.config.beat_bins)
            seen &= inside.float().mean(dim=1) >= _SEEN
        return seen

    def _windows(self, batch: Batch, one: _Passed) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Begin and end of the chosen beats' windows in steps, the steps of every record, and whose beat it is."""
        signals = one.signals
        begin, end = beat_windows(signals.beat_at, signals.beat_record, signals.fs_hz)
        steps = valid_steps(signals.valid, one.stride, one.feature_map.shape[2])
        of = batch.chosen
        return begin[of] / one.stride, end[of] / one.stride, steps, signals.beat_record[of]


def beat_ssl_columns(rows: Rows, config: BeatSSLSettings) -> Columns:
    """What the losses in use need: standardised features as regression targets and as what similarity compares, beat
    classes and clusters.

    Raises ValueError where beats are to be alike by a class or cluster that none of them has.
    """
    record, beat, scales, chance = (
        {},
        beat_kinds(rows.beats, config.beat.targets if config.beat.weight else ""),
        {},
        None,
    )
    if config.regression or config.rhythm.needs_features:
        median_mv = rows.median_beats_mv() if config.beat_shape else None
        scale = FeatureStandardiser.fit(rows.features, median_mv, np.arange(len(rows)), config.beat_shape)
        found = scale.transform(rows.features, median_mv)
        target = _with_coordinates(found, config.kernel if config.regression else KernelTargets())
        record = {"target": target.values, "measured": target.measured, **_compared(found, config.rhythm)}
        scales[RECORD_SCALE] = scale
    if config.beat_regression or config.beat.needs_features or config.beat_draw == "unlike":
        table = rows.beats[[name for name in BEAT_DEFINITIONS if name in rows.beats.columns]]
        scales[BEAT_SCALE], found = _standardised(table)
        beat |= {"target": found.values, "measured": found.measured, **_compared(found, config.beat)}
        if config.beat_differences or config.beat_draw == "unlike":
            scale, differences = _standardised(less_median(table, rows.beats["row"].to_numpy(np.int64)))
            if config.beat_differences:
                both = zip((found.values, found.measured), (differences.values, differences.measured), strict=True)
                beat |= dict(zip(("target", "measured"), map(np.hstack, both), strict=True))
                scales[DIFFERENCE_SCALE] = scale
            chance = chances(differences) if config.beat_draw == "unlike" else None
    return Columns(record, beat, scales, chance)


def _standardised(table: pd.DataFrame) -> tuple[FeatureStandardiser, Standardised]:
    scale = FeatureStandardiser.fit(table, None, np.arange(len(table)))
    return scale, scale.transform(table)


def _compared(rows: Standardised, how: Contrast) -> dict[str, Float32[np.ndarray, "row component"]]:
    """What similarity compares, features or their components, and how much of each was measured."""
    values, certain = rows.values, rows.measured
    if how.needs_features and how.components:
        space = FeatureSpace.fit(rows.values, how.components, how.spectral_scaling)
        values, certain = space.transform(rows.values, rows.measured)
    return {"compared": values, "certain": certain.astype(np.float32)}


def _with_coordinates(rows: Standardised, kernel: KernelTargets) -> Standardised:
    if kernel.coordinates == 0:
        return rows
    found = kernel_coordinates(rows.values, kernel)
    measured = np.concatenate([rows.measured, np.ones(found.shape, bool)], axis=1)
    return Standardised(np.concatenate([rows.values, found], axis=1), measured)


def build_beat_ssl(encoder: Encoder, config: BeatSSLSettings, columns: Columns) -> BeatSSL:
    """The objective, sized for its columns."""
    sizes = (part["target"].shape[1] if "target" in part else 0 for part in (columns.record, columns.beat))
    return BeatSSL(encoder, config, *sizes)


OFF = Contrast(weight=0.0)
_SOFT = SoftTargets("cosine", 15.0, own_weight=0.5)
_PRESETS = {
    "beatssl": Preset(
        "beatssl",
        views_preset("beatssl"),
        BeatSSLSettings(
            rhythm=Contrast(weight=0.1, soft=_SOFT, components=64),
            beat=Contrast(weight=0.05, soft=_SOFT),
            anchor="self",
            regression=1.0,
            kernel=KernelTargets(256),
        ),
        window_s=5.0,
    ),
    "paper": Preset(
        "beatssl",
        views_preset("3kg"),
        BeatSSLSettings(
            rhythm=Contrast(form="soft_1", soft=SoftTargets("cosine", 50.0)),
            beat=Contrast(form="hard", targets="classes"),
        ),
    ),
}
METHOD = Method("beatssl", BeatSSLSettings, beat_ssl_columns, build_beat_ssl, _PRESETS)
"""Presets:

- beatssl: measured features, and the coordinates of records' soft similarity by them, are regression targets of the
  embedding; soft contrast of records and of beats by the same features, at small weights; one view of each record, for
  most of the updates of five seconds, so that twice as many updates fit into the same time.
- paper: soft_1 rhythm, hard beats by class, exponent 50, 3KG views of rank three, temperature 0.1, λ = 1.
"""
