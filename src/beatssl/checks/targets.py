"""Quality of soft targets before anything is trained: do records of high target similarity share a diagnosis?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from beatssl.checks.target_figures import (
    BatchFigures,
    BeatKernelFigures,
    BeatSpaceFigures,
    BeatTargetFigures,
    BeatWeightFigures,
    KernelFigures,
    SpaceFigures,
    TargetCheckFigures,
    WeightFigures,
)
from beatssl.features.beat_features import BEAT_DEFINITIONS
from beatssl.metrics.classification import auroc
from beatssl.signals.leads import INDEPENDENT
from beatssl.store.standardise import FeatureStandardiser
from beatssl.store.store import Store
from beatssl.targets.diagnostics import TargetFigures, target_figures
from beatssl.targets.similarity import KERNELS, KernelName, cross_similarity, similarity
from beatssl.targets.soft import hard_targets
from beatssl.targets.space import FeatureSpace

_BATCHES_DRAWN = 4
_PAIR_ROWS = 1000


@dataclass(frozen=True)
class TargetCheckConfig:
    """What is compared with what."""

    label_set: str = "superclass"
    train_folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    valid_fold: int = 8
    references: int = 4000
    """Training rows that those of the validation fold are compared with, at most."""
    queries: int = 2200
    exponents: tuple[float, ...] = (1.0, 5.0, 10.0, 15.0, 20.0, 50.0)
    batches: tuple[int, ...] = (256, 512)
    neighbours: int = 50
    components: int = 64
    powers: tuple[float, ...] = (0.0, -0.25, -0.5)
    """Exponents of spectral scaling (−0.5 whitens); see `FeatureSpace`."""
    beat_components: int = 32
    beat_records: int = 128
    """Records whose beats make up a batch of beats."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Labelled rows: those asked about (the validation fold) and those compared with (training folds)."""

    rows: Int64[np.ndarray, " row"]
    labels: Bool[np.ndarray, "row label"]
    train: Int64[np.ndarray, " train"]
    queries: Int64[np.ndarray, " query"]
    references: Int64[np.ndarray, " reference"]


@dataclass(frozen=True, slots=True)
class _Space:
    """Rows as a kernel compares them."""

    values: Float[Tensor, "row feature"]
    measured: Float[Tensor, "row feature"]
    kernels: tuple[KernelName, ...] = tuple(name for name in KERNELS if name != "correlation")

    def between(self, one: Int64[np.ndarray, " n"], other: Int64[np.ndarray, " m"], kernel: KernelName) -> Tensor:
        return cross_similarity(
            self.values[one], self.values[other], self.measured[one], self.measured[other], kernel
        )  # fmt: skip


def check_targets(store: Store, config: TargetCheckConfig = TargetCheckConfig()) -> TargetCheckFigures:
    """Figures of soft targets per feature set, kernel and exponent, for records and for beats.

    Rows of the validation fold are compared with training rows; scales and components are fitted on training rows.
    Beats are those of `beat_records` records, all at once.

    Raises ValueError where the store has no such labels or a side is empty.
    """
    rng = np.random.default_rng(config.seed)
    cohort = _labelled(store, config, rng)
    spaces = _record_spaces(store, cohort, config)
    sharing = cohort.labels[cohort.queries].astype(np.float32) @ cohort.labels[cohort.references].T > 0
    return TargetCheckFigures(
        label_set=config.label_set,
        queries=len(cohort.queries),
        references=len(cohort.references),
        pairs_sharing=float(sharing.mean()),
        records={name: _of_space(space, cohort, sharing, config) for name, space in spaces.items()},
        beats=_of_beats(store, cohort, config),
    )


def _labelled(store: Store, config: TargetCheckConfig, rng: np.random.Generator) -> _Labelled:
    entries = store.labels[store.labels["label_set"] == config.label_set]
    if entries.empty:
        known = ", ".join(sorted(store.labels["label_set"].unique())) or "none"
        raise ValueError(f"the store has no labels of set {config.label_set!r}; it has {known}")
    names = sorted(entries["label"].unique())
    table = np.zeros((len(store.records), len(names)), bool)
    table[entries["row"].to_numpy(np.int64), [names.index(label) for label in entries["label"]]] = True
    rows = np.flatnonzero(table.any(axis=1))
    fold = store.records["fold"].fillna(-1).to_numpy(np.int64)[rows]
    train, queries = np.flatnonzero(np.isin(fold, config.train_folds)), np.flatnonzero(fold == config.valid_fold)
    if len(train) < 2 or not len(queries):
        raise ValueError(
            f"{len(train)} labelled rows in the training folds {config.train_folds}, {len(queries)} in fold "
            f"{config.valid_fold}; the store has folds {sorted(set(fold.tolist()))}"
        )
    return _Labelled(
        rows, table[rows], train,
        rng.permutation(queries)[: config.queries], rng.permutation(train)[: config.references],
    )  # fmt: skip


def _record_spaces(store: Store, cohort: _Labelled, config: TargetCheckConfig) -> dict[str, _Space]:
    """Measured features; their principal components, scaled; the median beat's components; the median beat."""
    features = store.features.iloc[cohort.rows].reset_index(drop=True)
    median_mv = store.median_beats_mv(cohort.rows)
    scale = FeatureStandardiser.fit(features, median_mv, cohort.train)
    known = scale.transform(features, median_mv)
    shape = len(scale.names) - len(scale.beat_axes)
    spaces = {"features": _space(known.values[:, :shape], known.measured[:, :shape])}
    for power in config.powers:
        learnt = FeatureSpace.fit(known.values[cohort.train], config.components, power)
        spaces[f"{len(learnt.scale)} components, power {power:g}"] = _space(
            *learnt.transform(known.values, known.measured)
        )
    if len(scale.beat_axes):
        spaces["median-beat components"] = _space(known.values[:, shape:], known.measured[:, shape:])
    wave = median_mv[:, INDEPENDENT].reshape(len(median_mv), -1)
    spaces["median beat"] = _space(np.nan_to_num(wave), np.isfinite(wave), ("correlation",))
    return spaces


def _space(
    values: Float32[np.ndarray, "row feature"],
    measured: Bool[np.ndarray, "row feature"] | Float32[np.ndarray, "row feature"],
    kernels: tuple[KernelName, ...] | None = None,
) -> _Space:
    tensors = torch.from_numpy(np.ascontiguousarray(values)), torch.from_numpy(measured.astype(np.float32))
    return _Space(*tensors) if kernels is None else _Space(*tensors, kernels)


def _of_space(
    space: _Space, cohort: _Labelled, sharing: Bool[np.ndarray, "query reference"], config: TargetCheckConfig
) -> SpaceFigures:
    kernels: dict[str, KernelFigures] = {}
    weights: dict[str, WeightFigures] = {}
    batches: dict[str, dict[str, BatchFigures]] = {f"batches of {size}": {} for size in config.batches}
    asked, compared = cohort.labels[cohort.queries], cohort.labels[cohort.references]
    pairs = sharing[:, :_PAIR_ROWS].ravel()
    for kernel in space.kernels:
        alike = space.between(cohort.queries, cohort.references, kernel)
        nearest = alike.topk(min(config.neighbours, alike.shape[1]), dim=1).indices.numpy()
        kernels[kernel] = KernelFigures(
            share_auroc=_pair_auroc(pairs, alike[:, :_PAIR_ROWS].reshape(-1).numpy()),
            knn_auroc=_macro_auroc(asked, compared[nearest].mean(axis=1)),
        )
        for exponent in _exponents(kernel, config):
            name = f"{kernel} ^{exponent:g}"
            weights[name] = _of_weights(_weights(alike, exponent), sharing, asked, compared)
            for size in config.batches:
                batches[f"batches of {size}"][name] = _of_batches(space, cohort.references, kernel, exponent, size)
    return SpaceFigures(kernels, weights, batches)


def _exponents(kernel: KernelName, config: TargetCheckConfig) -> Sequence[float]:
    """0 and 1 are the same to any power."""
    return (1.0,) if kernel == "threshold" else config.exponents


def _weights(alike: Float[Tensor, "n m"], exponent: float) -> Float[Tensor, "n m"]:
    """Rows of S^exponent, normalised; by the largest first, so that high powers do not vanish. Zero rows stay zero."""
    highest = alike.amax(dim=1, keepdim=True)
    weights = (alike / torch.where(highest > 0, highest, 1)) ** exponent
    total = weights.sum(dim=1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def _of_weights(
    weights: Float[Tensor, "query reference"],
    sharing: Bool[np.ndarray, "query reference"],
    labels: Bool[np.ndarray, "query label"],
    of_references: Bool[np.ndarray, "reference label"],
) -> WeightFigures:
    votes = (weights @ torch.from_numpy(of_references.astype(np.float32))).numpy()
    shared = float((weights * torch.from_numpy(sharing)).sum(dim=1).mean())
    usual = of_references.mean(axis=0)
    lifts = [votes[labels[:, k], k].mean() / usual[k] for k in range(len(usual)) if labels[:, k].any() and usual[k] > 0]
    return WeightFigures(shared, float(np.mean(lifts)), _macro_auroc(labels, votes))


def _of_batches(
    space: _Space, rows: Int64[np.ndarray, " row"], kernel: KernelName, exponent: float, size: int
) -> BatchFigures:
    """Target figures of batches of `size` records, mean over four of them (fewer where there are not so many rows)."""
    found: list[TargetFigures] = []
    for start in range(0, min(_BATCHES_DRAWN * size, len(rows)), size):
        batch = rows[start : start + size]
        if len(batch) == size or not start:
            found.append(target_figures(space.between(batch, batch, kernel) ** exponent))
    return BatchFigures(
        entropy=float(np.mean([f.entropy for f in found])),
        positives=float(np.mean([f.effective_positives for f in found])),
        own_weight=float(np.mean([f.own_weight for f in found])),
    )


def _of_beats(store: Store, cohort: _Labelled, config: TargetCheckConfig) -> BeatTargetFigures | None:
    columns = list(BEAT_DEFINITIONS)
    beats = store.beats
    row = beats["row"].to_numpy(np.int64)
    known = np.flatnonzero(np.isin(row, cohort.rows[cohort.references]))
    chosen = np.flatnonzero(np.isin(row, cohort.rows[cohort.queries[: config.beat_records]]))
    if len(known) < 2 or len(chosen) < 2:
        return None
    table = beats[columns]
    scale = FeatureStandardiser.fit(table.iloc[known].reset_index(drop=True), None, np.arange(len(known)))
    training, batch = scale.transform(table.iloc[known]), scale.transform(table.iloc[chosen])
    learnt = FeatureSpace.fit(training.values, config.beat_components)
    spaces = {
        "features": _space(batch.values, batch.measured),
        f"{len(learnt.scale)} components": _space(*learnt.transform(batch.values, batch.measured)),
    }
    at = np.full(len(store.records), -1)
    at[cohort.rows] = np.arange(len(cohort.rows))
    labels = cohort.labels[at[row[chosen]]]
    codes = {"class": np.unique(beats["class"].iloc[chosen].astype(str), return_inverse=True)[1].astype(np.int64)}
    if "cluster" in beats:
        codes["cluster"] = beats["cluster"].iloc[chosen].to_numpy(np.int64)
    pairs = _pairs_of_beats(row[chosen], codes["class"], labels)
    return BeatTargetFigures(
        beats=len(chosen),
        pairs_sharing=_mean(pairs.sharing[~pairs.same_record]),
        hard={name: _of_beat_targets(hard_targets(torch.from_numpy(code)), pairs) for name, code in codes.items()},
        spaces={name: _of_beat_space(space, pairs, config) for name, space in spaces.items()},
    )


@dataclass(frozen=True, slots=True)
class _BeatPairs:
    """What is known of every pair of a batch's beats; the diagonal is False everywhere."""

    same_record: Bool[np.ndarray, "beat beat"]
    same_class: Bool[np.ndarray, "beat beat"]
    sharing: Bool[np.ndarray, "beat beat"]


def _pairs_of_beats(
    record: Int64[np.ndarray, " beat"], code: Int64[np.ndarray, " beat"], labels: Bool[np.ndarray, "beat label"]
) -> _BeatPairs:
    apart = ~np.eye(len(record), dtype=bool)
    shared = labels.astype(np.float32) @ labels.T.astype(np.float32) > 0
    return _BeatPairs((record[:, None] == record) & apart, (code[:, None] == code) & apart, shared & apart)


def _of_beat_space(space: _Space, pairs: _BeatPairs, config: TargetCheckConfig) -> BeatSpaceFigures:
    kernels: dict[str, BeatKernelFigures] = {}
    weights: dict[str, BeatWeightFigures] = {}
    once = np.triu(np.ones_like(pairs.same_record), k=1)
    within, between = once & pairs.same_record, once & ~pairs.same_record
    for kernel in space.kernels:
        alike = similarity(space.values, space.measured, kernel)
        score = alike.numpy()
        kernels[kernel] = BeatKernelFigures(
            record_auroc=_pair_auroc(pairs.same_record[once], score[once]),
            class_in_record_auroc=_pair_auroc(pairs.same_class[within], score[within]),
            share_auroc=_pair_auroc(pairs.sharing[between], score[between]),
        )
        for exponent in _exponents(kernel, config):
            weights[f"{kernel} ^{exponent:g}"] = _of_beat_targets(alike**exponent, pairs)
    return BeatSpaceFigures(kernels, weights)


def _of_beat_targets(targets: Float[Tensor, "beat beat"], pairs: _BeatPairs) -> BeatWeightFigures:
    figures = target_figures(targets)
    weights = _weights(targets.clone().fill_diagonal_(0), 1.0).numpy()
    others = np.where(pairs.same_record, 0, weights)
    total = others.sum(axis=1)
    shared = (others * pairs.sharing).sum(axis=1)[total > 0] / total[total > 0]
    return BeatWeightFigures(
        record_weight=float((weights * pairs.same_record).sum(axis=1).mean()),
        class_weight=float((weights * pairs.same_class).sum(axis=1).mean()),
        shared_weight=_mean(shared),
        entropy=figures.entropy,
        positives=figures.effective_positives,
        own_weight=figures.own_weight,
        near_uniform=figures.near_uniform_rows,
    )


def _pair_auroc(alike: Bool[np.ndarray, " pair"], score: Float32[np.ndarray, " pair"]) -> float:
    return auroc(alike, score.astype(np.float64))


def _macro_auroc(labels: Bool[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"]) -> float:
    """Mean over the labels that some rows have and others have not."""
    return _mean(np.array([auroc(labels[:, k], scores[:, k].astype(np.float64)) for k in range(labels.shape[1])]))


def _mean(values: Bool[np.ndarray, "..."] | Float[np.ndarray, "..."]) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
