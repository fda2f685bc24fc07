"""A batch and its views to named losses: contrast of records, contrast of beats, regression of measured features."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from torch import Tensor, nn

from beatssl.losses.contrast import Form, contrast
from beatssl.losses.gather import gather, gather_with_grad
from beatssl.losses.regression import masked_regression
from beatssl.models.encoded import Encoder
from beatssl.models.pooling import valid_steps
from beatssl.models.projector import Projector
from beatssl.models.roi import beat_windows, bins_inside, roi_project
from beatssl.targets.kernel import KernelTargets
from beatssl.targets.soft import SoftTargets, hard_targets
from beatssl.training.pretraining.batches import Batch
from beatssl.views.view import Signals

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
    """How alike two sets of features are; read with targets="features"."""
    components: Annotated[int, Field(ge=0)] = 0
    """Principal components of the features that are compared, evened out; 0: the features as they are."""
    evenness: Annotated[float, Field(ge=-0.5, le=0)] = -0.25
    """Power of a component's variance by which it is scaled: −0.5 whitens, 0 leaves it; see `targets.space`."""
    temperature: Annotated[float, Field(gt=0)] = 0.1
    """Divides the cosines."""
    bias: float = -10.0
    """Added to the logits of form="sigmoid"."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class ObjectiveConfig:
    """What pretraining asks of the encoder."""

    rhythm: Contrast = field(default_factory=Contrast)
    """Record against record."""
    beat: Contrast = field(default_factory=Contrast)
    """Beat against beat, over all records of the batch."""
    regression: Weight = 0.0
    """Weight of telling the record features from the embedding, linearly."""
    kernel: KernelTargets = field(default_factory=KernelTargets)
    """Coordinates of soft similarity that are told beside the features, by `regression`; at weight 0 none are."""
    beat_regression: Weight = 0.0
    """Weight of telling each chosen beat's features from its part of the feature map, linearly."""
    anchor: Literal["view", "signal", "self"] = "view"
    """What a view is contrasted with: another view of its record, or the untouched signal, on which the features were
    measured; self: there is one view of each record, and other records alone tell what it should be like."""
    regress_from: Literal["views", "signal"] = "views"
    """Embeddings that features are told from: all that are contrasted, or the untouched signal (one more pass of the
    encoder where it is not the anchor)."""
    projector_layers: Annotated[int, Field(ge=0)] = 1
    """Hidden layers of the projectors; 0: the embedding itself must hold what is contrasted, linearly."""
    projector_hidden: Annotated[int, Field(ge=1)] = 512
    projector_out: Annotated[int, Field(ge=1)] = 128
    beat_bins: Annotated[int, Field(ge=1)] = 8
    """Bins that a beat's part of the feature map is read into."""

    def __post_init__(self) -> None:
        if self.rhythm.targets in ("classes", "clusters"):
            raise ValueError(f"rhythm targets {self.rhythm.targets!r} are of beats; choose features or identity")
        hard = any(c.weight and c.targets == "identity" for c in (self.rhythm, self.beat))
        if self.anchor == "self" and hard:
            raise ValueError("with anchor 'self' an item has no other view to be like; choose anchor view or signal")
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
class Contrasted:
    """What a contrast compared: two views of every item over all processes, and the targets (None: each for itself)."""

    z_a: Float[Tensor, "n d"]
    z_b: Float[Tensor, "n d"]
    targets: Float[Tensor, "n n"] | None


@dataclass
class Outcome:
    """Named losses, their weighted sum, and what the contrasts compared, by name."""

    total: Float[Tensor, ""]
    losses: dict[str, Float[Tensor, ""]]
    contrasted: dict[str, Contrasted]


@dataclass
class _Passed:
    """One version of the batch's records, encoded."""

    signals: Signals
    feature_map: Float[Tensor, "record channel step"]
    embedding: Float[Tensor, "record embedding"]
    stride: int


class Objective(nn.Module):
    """The encoder with the small networks that training needs on top of it.

    `record_features` and `beat_features` are the numbers of features (of records with their kernel coordinates) to
    regress. One class for all objectives: what they differ in are the values of `config`.
    """

    def __init__(self, encoder: Encoder, config: ObjectiveConfig, record_features: int, beat_features: int) -> None:
        super().__init__()
        channels = encoder.channels
        self.config = config
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

    def forward(self, batch: Batch, views: tuple[Signals, ...]) -> Outcome:
        """Losses of a batch, the same in every process: embeddings are gathered over processes with their gradients.

        `views`: two for a contrast; then, for regression from the signal, the untouched one where it is not among
        them; see `training.loop.versions`.
        """
        passed = self._encode(views)
        losses: dict[str, Tensor] = {}
        contrasted: dict[str, Contrasted] = {}
        regressed = passed
        if self.config.regress_from == "signal":
            regressed = passed[-1:] if self.config.signal_apart else passed[:1]
        pair = (passed[:1] * 2 if self.config.anchor == "self" else passed)[:2]
        kept = self._beats_seen(batch, passed)
        if self.config.rhythm.weight:
            contrasted["rhythm"] = self._contrast_records(batch, pair)
        if self.config.beat.weight:
            contrasted["beat"] = self._contrast_beats(batch, pair, kept)
        for name, pairs in contrasted.items():
            how = self.config.rhythm if name == "rhythm" else self.config.beat
            losses[name] = contrast(pairs.z_a, pairs.z_b, pairs.targets, how.form, how.temperature, how.bias)
        if self.config.regression:
            losses["regression"] = self._regress_records(batch, regressed)
        if self.config.beat_regression:
            losses["beat_regression"] = self._regress_beats(batch, regressed, kept)
        total = torch.stack([self.weight_of(name) * loss for name, loss in losses.items()]).sum()
        return Outcome(total, losses, contrasted)

    def embed(self, signals: Signals) -> Float[Tensor, "record embedding"]:
        """The records' embeddings, as the probe sees them."""
        return self._encode((signals,))[0].embedding

    def weight_of(self, name: str) -> float:
        """The weight of a named loss in the total."""
        c = self.config
        weights = {"rhythm": c.rhythm.weight, "beat": c.beat.weight}
        return (weights | {"regression": c.regression, "beat_regression": c.beat_regression})[name]

    def _encode(self, views: tuple[Signals, ...]) -> list[_Passed]:
        """All versions in one pass, so that norms over the batch see them together."""
        ecg_mv = torch.cat([view.ecg_mv for view in views])
        lead_mask = torch.cat([view.lead_mask for view in views])
        encoded = self.encoder(ecg_mv, lead_mask)
        feature_map = encoded.feature_map
        embedding = self.encoder.embed(encoded, torch.cat([view.valid for view in views]))
        parts = zip(views, feature_map.chunk(len(views)), embedding.chunk(len(views)), strict=True)
        return [_Passed(view, of_map, of_record, encoded.stride) for view, of_map, of_record in parts]

    def _contrast_records(self, batch: Batch, pair: list[_Passed]) -> Contrasted:
        z = self.project_rhythm(torch.cat([one.embedding for one in pair]))
        z_a, z_b = (gather_with_grad(part) for part in z.chunk(2))
        how = self.config.rhythm
        if how.targets == "identity":
            return Contrasted(z_a, z_b, None)
        return Contrasted(z_a, z_b, how.soft(gather(batch.record_target), gather(batch.record_certain)))

    def _contrast_beats(self, batch: Batch, pair: list[_Passed], kept: Bool[Tensor, " chosen"]) -> Contrasted:
        z = self.project_beat(torch.cat([self._beat_parts(batch, one)[kept] for one in pair]))
        z_a, z_b = (gather_with_grad(part) for part in z.tensor_split(2))
        how = self.config.beat
        targets: Tensor | None = None
        if how.targets == "features":
            targets = how.soft(gather(batch.beat_target[kept]), gather(batch.beat_certain[kept]))
        elif how.targets != "identity":
            kinds = batch.beat_class if how.targets == "classes" else batch.beat_cluster
            targets = hard_targets(gather(kinds[kept]))
        return Contrasted(z_a, z_b, targets)

    def _regress_records(self, batch: Batch, passed: list[_Passed]) -> Tensor:
        told = gather_with_grad(self.regress(torch.cat([one.embedding for one in passed])))
        values = gather(batch.record_values.repeat(len(passed), 1))
        return masked_regression(told, values, gather(batch.record_measured.repeat(len(passed), 1)))

    def _regress_beats(self, batch: Batch, passed: list[_Passed], kept: Bool[Tensor, " chosen"]) -> Tensor:
        parts = torch.cat([self._beat_parts(batch, one)[kept] for one in passed])
        told = gather_with_grad(self.regress_beat(parts))
        values = gather(batch.beat_values[kept].repeat(len(passed), 1))
        return masked_regression(told, values, gather(batch.beat_measured[kept].repeat(len(passed), 1)))

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
