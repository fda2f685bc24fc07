"""What probe and finetune share: labels and rows read, an encoder opened, and results written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.model_folder import save_model
from beatssl.inference.source import Opened, open_encoder
from beatssl.inference.tensors import hash_of_weights
from beatssl.metrics.calibration import chances
from beatssl.results import to_json, write_result
from beatssl.store.labels import Cohort, cohort, parse_folds, validation_only
from beatssl.store.splits import take_share
from beatssl.store.store import Store
from beatssl.training.diagnosis.config import DiagnosisConfig
from beatssl.training.diagnosis.figures import (
    DiagnosisFigures,
    Folds,
    RecordCounts,
    Scores,
    calibration_of,
    choose,
    figures_of,
)

METRICS, PREDICTIONS, HEAD = "metrics.json", "predictions.parquet", "head"


@dataclass(frozen=True)
class Question:
    """A store, its labelled rows, the encoder, and the training rows of each draw of labels."""

    store: Store
    group: Cohort
    opened: Opened
    draws: list[Bool[np.ndarray, " row"]]


@dataclass(frozen=True)
class Answer:
    """The result of one draw of labels: scores of all rows as log odds, the model, and what was chosen for it."""

    scores: Scores
    model: EcgClassifier
    chosen: Mapping[str, Any]


def ask(config: DiagnosisConfig) -> Question:
    """Read labels, folds and encoder.

    Raises ValueError where the store has no such labels or was prepared otherwise than the encoder expects, SplitError
    where folds overlap or share a patient.
    """
    store = Store(config.store)
    group = cohort(
        store, config.labels, parse_folds(config.train_folds), config.valid_fold, config.test_fold,
        config.keep_unlabelled,
    )  # fmt: skip
    group = validation_only(group) if config.validation_only else group
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    return Question(store, group, opened, _draws(store, group, config))


def embeddings(
    question: Question, config: DiagnosisConfig, batch_size: int = 256, device: torch.device | str = "cpu"
) -> Float32[np.ndarray, "row embedding"]:
    """Of the cohort's rows by the frozen encoder; validation and test rows with the `shown_leads` alone, if any."""
    group, encoder, store = question.group, question.opened.encoder, question.store
    values = cached_embed(encoder, store, group.row, batch_size, device, cache=config.cache)
    if config.shown_leads:
        held_out = group.valid | group.test
        values[held_out] = cached_embed(
            encoder, store, group.row[held_out], batch_size, device, config.shown_leads, config.cache
        )
    return values


def conclude(config: DiagnosisConfig, question: Question, answers: Sequence[Answer]) -> DiagnosisFigures:
    """The figures, written to `out` as metrics.json with every record's probabilities and the first draw's model.

    With a label share below 1, figures are the mean over the draws and their intervals those of that mean; each draw's
    own figures are in `draws`.
    """
    group, opened = question.group, question.opened
    scores = [answer.scores for answer in answers]
    people = question.store.records.iloc[group.row]
    figures = DiagnosisFigures(
        encoder=opened.name,
        config_hash=config_hash(config, opened, question.store),
        seed=config.seed,
        labels=config.labels,
        label_share=config.label_share,
        shown_leads=config.shown_leads,
        folds=Folds(
            parse_folds(config.train_folds),
            config.valid_fold,
            config.valid_fold if config.validation_only else config.test_fold,
        ),
        records=RecordCounts(
            train=int(np.mean([used.sum() for used in question.draws])),
            valid=int(group.valid.sum()),
            test=int(group.test.sum()),
            dropped=group.dropped,
        ),
        **vars(figures_of(group, people, scores, config.seed, config.bootstrap_draws)),
        **vars(calibration_of(group, scores)),
        chosen=tuple(answer.chosen for answer in answers),
        pretraining=opened.provenance,
    )
    config.out.mkdir(parents=True, exist_ok=True)
    _predictions(question, scores).to_parquet(config.out / PREDICTIONS, index=False)
    _keep(config, question, answers[0], figures)
    write_result(config.out / METRICS, figures)
    return figures


def config_hash(config: DiagnosisConfig, opened: Opened, store: Store) -> str:
    """Twelve hexadecimal digits of all that the figures depend on: config, weights and store."""
    weights, made = hash_of_weights(opened.encoder), [store.manifest[name] for name in ("config", "inputs")]
    made_of = [_settings(config), opened.name, opened.provenance, weights, *made]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _settings(config: DiagnosisConfig) -> dict[str, Any]:
    """The config without paths, device and logging, which the figures do not depend on."""
    free = ("out", "store", "encoder", "device", "run", "overwrite", "cache")
    return {name: value for name, value in asdict(config).items() if name not in free}


def _draws(store: Store, group: Cohort, config: DiagnosisConfig) -> list[Bool[np.ndarray, " row"]]:
    """The training rows of each draw."""
    if config.label_share >= 1:
        return [group.train]
    train = group.row[group.train]
    rngs = [np.random.default_rng([config.seed, draw]) for draw in range(config.draws)]
    return [np.isin(group.row, take_share(store.records, train, config.label_share, rng)) for rng in rngs]


def _keep(config: DiagnosisConfig, question: Question, answer: Answer, figures: DiagnosisFigures) -> None:
    """The model with its temperatures, thresholds and figures, as `out`/head."""
    chosen = choose(question.group, answer.scores)
    answer.model.decide(chosen.temperatures, chosen.threshold_chances)
    kept = ("config_hash", "folds", "records", "macro_auroc", "macro_f1", "ci95")
    answer.model.provenance = {
        "pretraining": question.opened.provenance,
        "head": {"store": question.store.kind, **_settings(config)},
        "figures": {name: to_json(getattr(figures, name)) for name in kept},
    }
    save_model(config.out / HEAD, answer.model)


def _predictions(question: Question, scores: Sequence[Scores]) -> pd.DataFrame:
    """A line a record and draw of the validation and the test fold: calibrated probabilities, and the truth."""
    group = question.group
    held_out = group.valid | group.test
    people = question.store.records.iloc[group.row[held_out]]
    parts: list[pd.DataFrame] = []
    for draw, score in enumerate(scores):
        chance = chances(score[held_out], choose(group, score).temperatures)
        columns: dict[str, Any] = {
            "row": group.row[held_out], "record_id": people["record_id"].to_numpy(),
            "patient": group.patient[held_out], "fold": people["fold"].to_numpy(), "draw": draw,
        }  # fmt: skip
        columns |= {f"p_{name}": chance[:, k] for k, name in enumerate(group.names)}
        for k, name in enumerate(group.names):
            known, true = group.known[held_out, k], group.labels[held_out, k]
            columns[f"true_{name}"] = true if known.all() else pd.arrays.BooleanArray(true, ~known)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
