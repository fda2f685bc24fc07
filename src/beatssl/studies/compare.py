"""Encoders compared: each probed by one protocol, and the paired differences of the first to every other."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.inference.adapters.registry import published
from beatssl.inference.source import CHECKPOINT, open_encoder, stages
from beatssl.metrics.classification import (
    MacroEstimates,
    MacroIntervals,
    best_f1_thresholds,
    macro_figures,
    paired_difference,
    paired_weights,
)
from beatssl.results import write_result
from beatssl.store.labels import labels_of
from beatssl.store.outputs import asked_of, check_folder, open_folder
from beatssl.store.own_data.sides import FOLDS, parts_of
from beatssl.store.store import Store
from beatssl.studies.config import CompareConfig
from beatssl.studies.predictions import METRICS, PREDICTIONS, Predictions, read_figures
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures, Folds, RecordCounts
from beatssl.training.diagnosis.probe import config_hash, probe

COMPARISON = "compare.json"
_MACROS = ("macro_auroc", "macro_auprc", "macro_f1")
_ALIKE = ("labels", "label_share", "shown_leads", "folds")


@plain_dataclass(frozen=True)
class Compared:
    """An encoder's figures as metrics.json has them, and its predictions."""

    figures: DiagnosisFigures
    predictions: Predictions


@plain_dataclass(frozen=True, kw_only=True)
class EncoderFigures(MacroEstimates):
    """An encoder's macro figures, and what it was pretrained on ("none" where it was not)."""

    encoder: str
    method: str
    pretraining_set: str
    pretraining_folds: str
    pretraining_rows: int
    config_hash: str


@plain_dataclass(frozen=True)
class Comparison:
    """The contents of compare.json: figures by name of the encoder, and the first less each other on the same draws."""

    labels: str
    label_share: float
    shown_leads: tuple[str, ...]
    folds: Folds
    records: RecordCounts
    bootstrap_draws: int
    first: str
    encoders: Mapping[str, EncoderFigures]
    first_less_other: Mapping[str, MacroEstimates]
    split: str = FOLDS


def compare(config: CompareConfig) -> Comparison:
    """The contents of compare.json, after probing what has no predictions yet.

    Raises ValueError where two encoders have one name, or where predictions are of other labels, folds or records;
    and whatever `probe` raises.
    """
    if parts_of(config.split):
        raise ValueError(f"split={config.split!r} is for probe; compare with 'folds', 'column:NAME' or 'random'")
    names = names_of(config.encoders, config.names)
    labels_of(Store(config.store), config.labels)  # refuses numbers
    asked = asked_of("compare", config, ("predictions",))
    check_folder(config.out, asked, config.overwrite)
    with tempfile.TemporaryDirectory() as scratch:
        kept = config.predictions or Path(scratch)
        found = {
            name: _compared(config, source, kept / name) for name, source in zip(names, config.encoders, strict=True)
        }
    comparison = comparison_of(found, config.seed, config.bootstrap_draws)
    open_folder(config.out, asked, config.overwrite)
    for name, one in found.items():
        write_result(config.out / name / METRICS, one.figures)
    write_result(config.out / COMPARISON, comparison)
    return comparison


def comparison_of(found: Mapping[str, Compared], seed: int, bootstrap_draws: int) -> Comparison:
    """Figures of each encoder, and the differences of the first to every other (first less other) with 95 % intervals.

    Raises ValueError where their labels, folds or records differ.
    """
    _check_alike(found)
    names = list(found)
    first = found[names[0]]
    weights = paired_weights(first.predictions.patient, bootstrap_draws, np.random.default_rng(seed))
    drawn = {name: _macro_draws(one.predictions, weights) for name, one in found.items()}
    return Comparison(
        split=first.figures.split,
        labels=first.figures.labels,
        label_share=first.figures.label_share,
        shown_leads=first.figures.shown_leads,
        folds=first.figures.folds,
        records=first.figures.records,
        bootstrap_draws=bootstrap_draws,
        first=names[0],
        encoders={name: _encoder_figures(one.figures) for name, one in found.items()},
        first_less_other={name: _difference(drawn[names[0]], drawn[name]) for name in names[1:]},
    )


def names_of(encoders: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Names of the encoders: `names`, or the last part of each path that is not just "checkpoint".

    Raises ValueError where the numbers of names and encoders differ, where two names are equal, and where one cannot
    name a folder.
    """
    if names and len(names) != len(encoders):
        raise ValueError(f"{len(names)} names for {len(encoders)} encoders; give each one, or none at all")
    made = tuple(names) or tuple(_last_part(source) for source in encoders)
    if twice := sorted({name for name in made if made.count(name) > 1}):
        raise ValueError(f"two encoders would be called {twice[0]!r}; tell them apart with names=")
    if wrong := [name for name in made if not name or name in (".", "..") or "/" in name]:
        raise ValueError(f"{wrong[0]!r} is no name for a folder; give names without slashes")
    return made


def _last_part(source: str) -> str:
    if found := published(source):
        return found[0].name
    parts = [part for part in Path(source).parts if part != CHECKPOINT]
    return parts[-1] if parts else source


def _compared(config: CompareConfig, source: str, kept: Path) -> Compared:
    """Figures and predictions of one encoder: those in the folder `source`, or kept, or of a probe made now."""
    finished = (Path(source) / PREDICTIONS).is_file()
    folder = Path(source) if finished else kept
    figures = read_figures(folder) if finished else _probed(config, source, kept)
    if config.validation_only and figures.folds.test != figures.folds.valid:
        raise ValueError(
            f"{folder} holds figures of fold {figures.folds.test}; with validation_only= pass predictions that were "
            "made so, or an encoder"
        )
    return Compared(figures, Predictions.of_table(pd.read_parquet(folder / PREDICTIONS), figures.folds))


def _probed(config: CompareConfig, source: str, kept: Path) -> DiagnosisFigures:
    shared = {name: getattr(config, name) for name in _SHARED}
    wanted = ProbeConfig(store=config.store, out=kept, encoder=source, **shared)
    if (kept / METRICS).is_file() and (kept / PREDICTIONS).is_file():
        store = Store(config.store)
        opened = open_encoder(source, config.network, config.seed, store)
        figures = read_figures(kept)
        if figures.config_hash == config_hash(wanted, opened, store):
            return figures
    figures = probe(wanted)
    assert isinstance(figures, DiagnosisFigures)  # numbers were refused
    return figures


_SHARED = (
    "validation_only", "labels", "split", "train_folds", "valid_fold", "test_fold", "label_share", "draws",
    "shown_leads", "network", "seed", "bootstrap_draws", "device", "overwrite", "cache",
)  # fmt: skip
"""Options of a comparison that every probe gets."""


def _macro_draws(
    predictions: Predictions, weights: Float64[np.ndarray, "draw record"]
) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Macro figures of every set of weights, as means over draws of labels."""
    each: list[dict[str, Float64[np.ndarray, " draw"]]] = []
    for valid, test in zip(predictions.valid_scores, predictions.test_scores, strict=True):
        thresholds = best_f1_thresholds(predictions.valid_labels, valid, predictions.valid_known, 0.5)
        each.append(macro_figures(predictions.test_labels, test, thresholds, weights, predictions.test_known))
    return {kind: np.mean([one[kind] for one in each], axis=0) for kind in _MACROS}


def _difference(
    one: Mapping[str, Float64[np.ndarray, " draw"]], other: Mapping[str, Float64[np.ndarray, " draw"]]
) -> MacroEstimates:
    """One less other in each macro figure."""
    pairs = {kind: paired_difference(one[kind], other[kind]) for kind in _MACROS}
    return MacroEstimates(
        **{kind: pair.difference for kind, pair in pairs.items()},
        ci95=MacroIntervals(**{kind: pair.ci95 for kind, pair in pairs.items()}),
    )


def _encoder_figures(figures: DiagnosisFigures) -> EncoderFigures:
    folds = dict.fromkeys(str(one["folds"]) for one in stages(figures.pretraining) if "folds" in one)
    sets: list[dict[str, Any]] = figures.pretraining.get("pretraining", [])
    return EncoderFigures(
        encoder=figures.encoder,
        method=figures.pretraining.get("method", "none"),
        pretraining_set=", ".join(one["store"] for one in sets) or figures.pretraining.get("trained_on", "none"),
        pretraining_folds=" and before ".join(folds) or "none",
        pretraining_rows=sum(one["rows"] for one in sets),
        macro_auroc=figures.macro_auroc,
        macro_auprc=figures.macro_auprc,
        macro_f1=figures.macro_f1,
        ci95=figures.ci95,
        config_hash=figures.config_hash,
    )


def _check_alike(found: Mapping[str, Compared]) -> None:
    (first_name, first), *others = found.items()
    for name, one in others:
        for key in _ALIKE:
            here, there = getattr(one.figures, key), getattr(first.figures, key)
            if here != there:
                raise ValueError(
                    f"{first_name} and {name} differ in {key} ({there} against {here}); compare predictions of one kind"
                )
        if not one.predictions.same_records(first.predictions):
            raise ValueError(f"predictions of {first_name} and {name} are of other records; predict on one store")
