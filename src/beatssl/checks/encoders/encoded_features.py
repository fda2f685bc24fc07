"""What a frozen encoder knows of the record features, beside what diagnoses rely on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from beatssl.checks.encoders.feature_groups import GROUPS, group_of
from beatssl.checks.features import FeatureCheckConfig, boosted_trees
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.source import open_encoder
from beatssl.models.config import EncoderConfig
from beatssl.progress import track
from beatssl.results import FOR_FILES, Number
from beatssl.store.standardise import FeatureStandardiser
from beatssl.store.store import Store
from beatssl.training.diagnosis.figures import macro_auroc
from beatssl.training.diagnosis.probe import scaled
from beatssl.training.diagnosis.ridge import ridge_path

WELL = 0.8
"""R² from which a feature counts as known."""


@dataclass(frozen=True)
class EncodedFeaturesConfig:
    """Folds, penalties of the ridge regression, and the trees whose features are permuted. Fold 9 is not read."""

    train_folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    inner_fold: int = 7
    """Chooses the penalty of each feature."""
    valid_fold: int = 8
    """All figures are of it."""
    inverse_penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    least_rows: int = 20
    """Measured rows of a fold below which a feature has no R²."""
    label_set: str = "superclass"
    trees: FeatureCheckConfig = field(default_factory=FeatureCheckConfig)
    tree_rows: int = 6000
    """Training rows of the trees, drawn at random."""
    tree_rounds: int = 75
    worst: int = 20
    seed: int = 0


@dataclass(frozen=True)
class EncodedFeature:
    """One feature: how much of it the embedding holds, and how much diagnoses rely on it."""

    name: str
    group: str
    r2: Number
    """Of a linear prediction from the embedding."""
    importance: Number
    """What trees of the labels lose of their macro AUROC where the feature's values are permuted."""


@dataclass(frozen=True)
class EncodedGroup:
    """The features of a group."""

    features: int
    median_r2: Number
    share_below: Number
    """Share with an R² under 0.8."""


@dataclass(frozen=True)
class EncodedFeatureFigures:
    """Features predicted linearly from the embedding of a frozen encoder, on the validation fold."""

    encoder: str
    records: dict[str, int]
    """Of the sides train, inner and valid."""
    all_features: EncodedGroup
    groups: dict[str, EncodedGroup]
    trees_macro_auroc: Number
    """Of the trees that importance is measured with."""
    worst: tuple[EncodedFeature, ...]
    """The features with the greatest importance × (1 − R²), the greatest first."""
    features: tuple[EncodedFeature, ...] = field(metadata=FOR_FILES)
    """All of them."""
    pretraining: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The encoder's provenance."""


def check_encoded_features(
    store: Store,
    encoder: str = "default",
    device: Device = "auto",
    config: EncodedFeaturesConfig = EncodedFeaturesConfig(),
) -> EncodedFeatureFigures:
    """R² of every record feature predicted from an encoder's embedding, and its importance for the diagnoses.

    Features are standardised as regression targets are, median beats as 32 principal components. Ridge regression is
    fitted to the training folds, each feature to the rows in which it was measured; the inner fold chooses the penalty.
    Importance is that of permutation (Breiman 2001, "Random forests") for boosted trees on the features.

    Raises ValueError where a fold is empty or the store has no such labels, CheckpointError where the encoder expects
    signals prepared otherwise.
    """
    twelve = store.twelve_leads()
    fold = store.records["fold"].fillna(-1).to_numpy(np.int64)
    sides = {"train": config.train_folds, "inner": (config.inner_fold,), "valid": (config.valid_fold,)}
    rows = np.flatnonzero(np.isin(fold, [each for folds in sides.values() for each in folds]))
    at = {name: np.isin(fold[rows], folds) for name, folds in sides.items()}
    for name, side in at.items():
        if not side.any():
            needed = ", ".join(map(str, sides[name]))
            raise ValueError(
                f"no row of {store.path} is in fold {needed} ({name}); give a store with PTB-XL's folds 1 to 8"
            )
    features, median_mv = store.features.iloc[rows].reset_index(drop=True), store.median_beats_mv(rows)
    scale = FeatureStandardiser.fit(features, median_mv, at["train"])
    standard = scale.transform(features, median_mv)
    opened, where = open_encoder(encoder, EncoderConfig(), config.seed, twelve), torch_device(device)
    embedding = cached_embed(opened.encoder.to(where), twelve, rows, device=where)
    r2 = explained(embedding, standard.values, standard.measured, at["train"], at["inner"], at["valid"], config)
    known = np.where(standard.measured, standard.values, np.float32(np.nan))
    labels = store.targets(config.label_set).to_numpy(bool)[rows]
    auroc, lost = importance(known, labels, at["train"], at["valid"], config)
    every = tuple(
        EncodedFeature(name, group_of(name), float(r2[k]), float(lost[k])) for k, name in enumerate(scale.names)
    )
    return EncodedFeatureFigures(
        encoder=opened.name,
        records={name: int(side.sum()) for name, side in at.items()},
        all_features=summary(every),
        groups={group: summary([one for one in every if one.group == group]) for group in GROUPS},
        trees_macro_auroc=auroc,
        worst=worst(every, config.worst),
        features=every,
        pretraining=opened.provenance,
    )


def explained(
    embedding: Float32[np.ndarray, "row component"],
    values: Float32[np.ndarray, "row feature"],
    measured: Bool[np.ndarray, "row feature"],
    train: Bool[np.ndarray, " row"],
    inner: Bool[np.ndarray, " row"],
    valid: Bool[np.ndarray, " row"],
    config: EncodedFeaturesConfig,
) -> Float64[np.ndarray, " feature"]:
    """R² of each feature on the validation rows, over those in which it was measured; NaN where these are few.

    1 − Σ (y − ŷ)² / Σ (y − mean y)². Of the penalties the one with the greatest R² on the inner rows counts.
    """
    standard, found = scaled(embedding, train), np.full(values.shape[1], np.nan)
    chosen = np.full(values.shape[1], -np.inf)
    at = np.flatnonzero(measured[train].sum(axis=0) >= config.least_rows)
    numbers = values[train].astype(np.float64)[:, at]
    for line in ridge_path(standard[train], numbers, config.inverse_penalties, measured[train][:, at]):
        of_inner, of_valid = (
            r_squared(values[side][:, at], line.scores(standard[side]), measured[side][:, at], config.least_rows)
            for side in (inner, valid)
        )
        better = of_inner > chosen[at]
        chosen[at[better]], found[at[better]] = of_inner[better], of_valid[better]
    return found


def r_squared(
    true: Float32[np.ndarray, "row feature"],
    predicted: Float32[np.ndarray, "row feature"] | Float64[np.ndarray, "row feature"],
    measured: Bool[np.ndarray, "row feature"],
    least_rows: int,
) -> Float64[np.ndarray, " feature"]:
    """R² of each feature over its measured rows; NaN where they are fewer than `least_rows`, or all alike."""
    y = np.where(measured, true, np.nan).astype(np.float64)
    count = measured.sum(axis=0)
    centred = y - np.nansum(y, axis=0) / np.maximum(count, 1)
    spread, left = np.nansum(centred**2, axis=0), np.nansum((y - predicted) ** 2, axis=0)
    usable = (count >= least_rows) & (spread > 1e-9)
    return np.where(usable, 1 - left / np.where(usable, spread, 1.0), np.nan)


def importance(
    values: Float32[np.ndarray, "row feature"],
    labels: Bool[np.ndarray, "row label"],
    train: Bool[np.ndarray, " row"],
    valid: Bool[np.ndarray, " row"],
    config: EncodedFeaturesConfig,
) -> tuple[float, Float64[np.ndarray, " feature"]]:
    """Macro AUROC of boosted trees on the validation rows, and what each feature's permutation among them takes away.

    `values` are NaN where not measured. Rows without a label are left out.
    """
    rng, some = np.random.default_rng(config.seed), labels.any(axis=1)
    rows = np.flatnonzero(train & some)
    rows = np.sort(rng.permutation(rows)[: config.tree_rows])
    usable = [k for k in range(labels.shape[1]) if 0 < labels[rows, k].sum() < len(rows)]
    if not usable:
        raise ValueError(f"no label of {config.label_set!r} differs among the {len(rows)} training rows")
    models = [boosted_trees(config.trees, config.tree_rounds).fit(values[rows], labels[rows, k]) for k in usable]
    held_out = np.array(values[valid & some])
    true = labels[valid & some][:, usable]

    def quality() -> float:
        return macro_auroc(true, np.stack([np.ravel(one.decision_function(held_out)) for one in models], axis=1))

    whole = quality()
    lost = np.zeros(values.shape[1])
    for k in track(range(values.shape[1]), "Permuting", unit="features"):
        own = held_out[:, k].copy()
        held_out[:, k] = rng.permutation(own)
        lost[k] = whole - quality()
        held_out[:, k] = own
    return whole, lost


def summary(features: "tuple[EncodedFeature, ...] | list[EncodedFeature]") -> EncodedGroup:
    """Features that have an R² together."""
    r2 = np.array([one.r2 for one in features])
    r2 = r2[np.isfinite(r2)]
    if not r2.size:
        return EncodedGroup(0, float("nan"), float("nan"))
    return EncodedGroup(int(r2.size), float(np.median(r2)), float((r2 < WELL).mean()))


def worst(features: tuple[EncodedFeature, ...], count: int) -> tuple[EncodedFeature, ...]:
    """The features of greatest importance × (1 − R²)."""
    known = [one for one in features if np.isfinite(one.r2)]
    return tuple(sorted(known, key=lambda one: -one.importance * (1 - one.r2))[:count])
