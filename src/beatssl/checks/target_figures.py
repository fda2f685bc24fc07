"""Results of the check of soft targets."""

from dataclasses import dataclass, field

from beatssl.results import INLINE, Number


@dataclass(frozen=True)
class KernelFigures:
    """What a kernel is worth, whatever the exponent."""

    share_auroc: Number
    """AUROC of S_ij for "the two share a label"."""
    knn_auroc: Number
    """Macro AUROC of the labels among the nearest neighbours."""


@dataclass(frozen=True)
class WeightFigures:
    """What normalised weights are worth."""

    shared_weight: Number
    """Mean over rows of Σ_j S_ij [i, j share a label] / Σ_j S_ij; of uniform weights it is `pairs_sharing`."""
    label_lift: Number
    """Weight on rows with a label, from rows that have it, over the label's share; mean over labels."""
    vote_auroc: Number
    """Macro AUROC of Σ_j S_ij y_j / Σ_j S_ij."""


@dataclass(frozen=True)
class BatchFigures:
    """How sharp the targets of a batch are, as `target_figures` has it."""

    entropy: Number
    positives: Number
    own_weight: Number


@dataclass(frozen=True)
class SpaceFigures:
    """Figures of one set of record features: by kernel, then by kernel and exponent ("cosine ^10")."""

    kernels: dict[str, KernelFigures]
    weights: dict[str, WeightFigures]
    batches: dict[str, dict[str, BatchFigures]] = field(metadata=INLINE)
    """By the number of records: "batches of 256"."""


@dataclass(frozen=True)
class BeatKernelFigures:
    """AUROC of S_ij for one record, for one class within a record, and, between records, for a shared label."""

    record_auroc: Number
    class_in_record_auroc: Number
    share_auroc: Number


@dataclass(frozen=True)
class BeatWeightFigures:
    """Where the weight of beats' targets lies."""

    record_weight: Number
    """In the own record."""
    class_weight: Number
    """In the own class."""
    shared_weight: Number
    """Of the weight on other records, how much is on those that share a label."""
    entropy: Number
    positives: Number
    own_weight: Number
    near_uniform: Number


@dataclass(frozen=True)
class BeatSpaceFigures:
    """Figures of one set of beat features: by kernel, then by kernel and exponent."""

    kernels: dict[str, BeatKernelFigures]
    weights: dict[str, BeatWeightFigures]


@dataclass(frozen=True)
class BeatTargetFigures:
    """Figures of targets between the beats of one batch."""

    beats: int
    pairs_sharing: Number
    """Of pairs from two records."""
    hard: dict[str, BeatWeightFigures]
    """Of hard targets, by class and by cluster."""
    spaces: dict[str, BeatSpaceFigures] = field(metadata=INLINE)


@dataclass(frozen=True)
class TargetCheckFigures:
    """Figures of soft targets, by set of features."""

    label_set: str
    queries: int
    references: int
    pairs_sharing: float
    records: dict[str, SpaceFigures]
    beats: BeatTargetFigures | None
    """None: fewer than two beats."""
