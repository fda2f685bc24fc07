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

from beatssl.files import make_folder, write_bytes
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.model_folder import save_model
from beatssl.inference.source import Opened, open_encoder
from beatssl.inference.tensors import hash_of_weights
from beatssl.metrics.calibration import chances
from beatssl.results import to_json, write_result
from beatssl.store.labels import Cohort, cohort, labels_of, parse_folds, validation_only
from beatssl.store.own_data.label_file import is_label_file, label_path
from beatssl.store.own_data.sides import FOLDS, NO_FOLD, Sides, in_parts, parts_of, sided, sides_table
from beatssl.store.splits import take_share
from beatssl.store.store import Store
from beatssl.training.diagnosis.config import DiagnosisConfig
from beatssl.training.diagnosis.cross_validation import calibration_over_parts, figures_over_parts
from beatssl.training.diagnosis.figures import (
    DiagnosisFigures,
    Folds,
    RecordCounts,
    Scores,
    calibration_of,
    choose,
    figures_of,
)

METRICS, PREDICTIONS, HEAD, SPLIT = "metrics.json", "predictions.parquet", "head", "split.csv"


@dataclass(frozen=True)
class Question:
    """A store whose folds are the sides, its labelled rows, the encoder, and the training rows of each draw of labels.

    Of k-fold cross-validation `parts` has the cohort of every part, the same rows on other sides, and there is a draw
    for each.
    """

    store: Store
    group: Cohort
    opened: Opened
    draws: list[Bool[np.ndarray, " row"]]
    sides: Sides
    parts: tuple[Cohort, ...] = ()

    @property
    def rounds(self) -> list[tuple[Cohort, Bool[np.ndarray, " row"]]]:
        """The cohort and the training rows of everything that is learnt."""
        return list(zip(self.parts or [self.group] * len(self.draws), self.draws, strict=True))


@dataclass(frozen=True)
class Answer:
    """The result of one draw of labels: scores of all rows as log odds, the model, and what was chosen for it."""

    scores: Scores
    model: EcgClassifier
    chosen: Mapping[str, Any]


def ask(config: DiagnosisConfig) -> Question:
    """Read labels, sides and encoder.

    Raises ValueError where the store has no such labels or split, or was prepared otherwise than the encoder expects,
    SplitError where sides overlap, are empty or share a patient or waveform.
    """
    make_folder(config.out)
    if parts_of(config.split):
        return _ask_in_parts(config)
    folds = parse_folds(config.train_folds), config.valid_fold, config.test_fold
    store = Store(config.store)
    drawn = config.split.startswith("random")
    sides = sided(store, config.split, folds, labels_of(store, config.labels) if drawn else None, config.seed)
    group = cohort(sides.store, config.labels, sides.train, sides.valid, sides.test, config.keep_unlabelled)
    one_class(group, config.labels)
    group = validation_only(group) if config.validation_only else group
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    return Question(sides.store, group, opened, _draws(store, group, config), sides)


def _ask_in_parts(config: DiagnosisConfig) -> Question:
    """For k-fold cross-validation: part i is tested, part i + 1 validates, the others train."""
    if config.validation_only or config.label_share < 1 or config.shown_leads:
        raise ValueError(
            f"split={config.split!r} takes no validation_only=, label_share= or shown_leads=; leave them out, or split "
            "otherwise"
        )
    count = parts_of(config.split)
    store = Store(config.store)
    store = in_parts(store, count, labels_of(store, config.labels), config.seed)
    parts: list[Cohort] = []
    for test in range(1, count + 1):
        valid = test % count + 1
        train = [part for part in range(1, count + 1) if part not in (valid, test)]
        parts.append(cohort(store, config.labels, train, valid, test, config.keep_unlabelled))
        one_class(parts[-1], config.labels)
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    sides = Sides(store, tuple(range(1, count + 1)), NO_FOLD, NO_FOLD)
    return Question(store, parts[0], opened, [part.train for part in parts], sides, tuple(parts))


def one_class(group: Cohort, labels: str) -> tuple[str, ...]:
    """Labels that every known training row has, or none: nothing can be learnt of them.

    Raises ValueError where all labels are such.
    """
    positives = (group.labels & group.known)[group.train].sum(axis=0)
    counts = group.known[group.train].sum(axis=0)
    found = tuple(name for name, k, n in zip(group.names, positives, counts, strict=True) if k in (0, n))
    if len(found) == len(group.names):
        raise ValueError(
            f"labels {labels!r}: of the training rows {positives[0]} of {counts[0]} have {found[0]!r}"
            f"{', and so on' if len(found) > 1 else ''}; both rows with it and rows without it are needed: label some, "
            "or keep rows without a label as negatives (keep_unlabelled=)"
        )
    return found


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
    """The figures, written to `out` as metrics.json with every record's probabilities and the first draw's model, and
    split.csv with the sides where these are not the store's folds.

    With a label share below 1, figures are the mean over the draws and their intervals those of that mean; each draw's
    own figures are in `draws`.
    """
    group, opened, sides = question.group, question.opened, question.sides
    scores = [answer.scores for answer in answers]
    people = question.store.records.iloc[group.row]
    figures = DiagnosisFigures(
        encoder=opened.name,
        config_hash=config_hash(config, opened, question.store),
        seed=config.seed,
        labels=config.labels,
        label_share=config.label_share,
        shown_leads=config.shown_leads,
        one_class=tuple(dict.fromkeys(name for of, _ in question.rounds for name in one_class(of, config.labels))),
        split=config.split,
        folds=Folds(sides.train, sides.valid, sides.valid if config.validation_only else sides.test),
        records=RecordCounts(
            train=int(np.mean([used.sum() for used in question.draws])),
            valid=int(group.valid.sum()),
            test=int(sum(part.test.sum() for part in question.parts or [group])),
            dropped=group.dropped,
        ),
        **_figures(question, people, scores, config),
        chosen=tuple(answer.chosen for answer in answers),
        pretraining=opened.provenance,
    )
    _predictions(question, scores).to_parquet(config.out / PREDICTIONS, index=False)
    if config.split != FOLDS:
        write_bytes(config.out / SPLIT, sides_table(question.store, sides).to_csv(index=False).encode())
    _keep(config, question, answers[0], figures)
    write_result(config.out / METRICS, figures)
    return figures


def _figures(
    question: Question, people: pd.DataFrame, scores: Sequence[Scores], config: DiagnosisConfig
) -> dict[str, Any]:
    """Figures and calibration, of the test fold or over the parts of cross-validation."""
    if question.parts:
        over = figures_over_parts(question.parts, people, scores, config.seed, config.bootstrap_draws)
        return vars(over) | vars(calibration_over_parts(question.parts, scores))
    group = question.group
    figures = figures_of(group, people, scores, config.seed, config.bootstrap_draws)
    return vars(figures) | vars(calibration_of(group, scores))


def config_hash(config: DiagnosisConfig, opened: Opened, store: Store) -> str:
    """Twelve hexadecimal digits of all that the figures depend on: config, own files, weights and store."""
    weights, made = hash_of_weights(opened.encoder), [store.manifest[name] for name in ("config", "inputs")]
    made_of = [_settings(config), opened.name, opened.provenance, weights, *made]
    files = [label_path(text) for text in (config.labels, config.split) if is_label_file(text)]
    made_of += [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _settings(config: DiagnosisConfig) -> dict[str, Any]:
    """The config without paths, device and logging, which the figures do not depend on, nor the usual split."""
    usual = ("split",) if config.split == FOLDS else ()
    free = ("out", "store", "encoder", "device", "run", "overwrite", "cache", *usual)
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
        "figures": {name: to_json(getattr(figures, name)) for name in kept}
        | {"per_class": _of_labels(question, figures)},
    }
    save_model(config.out / HEAD, answer.model)


def _of_labels(question: Question, figures: DiagnosisFigures) -> dict[str, dict[str, float | None]]:
    """What a user of the model wants to know of each label: AUROC on the test fold, and its share of the training rows
    of which it is known."""
    group = question.group
    found: dict[str, dict[str, float | None]] = {}
    for k, name in enumerate(group.names):
        known = group.train & group.known[:, k]
        share = float(group.labels[known, k].mean()) if known.any() else None
        found[name] = {"auroc": to_json(figures.per_class[name].auroc), "training_prevalence": share}
    return found


def _predictions(question: Question, scores: Sequence[Scores]) -> pd.DataFrame:
    """A line a record and draw of the validation and the test fold: calibrated probabilities, and the truth.

    Of cross-validation a line a record, when its part was tested.
    """
    parts: list[pd.DataFrame] = []
    for draw, ((group, _), score) in enumerate(zip(question.rounds, scores, strict=True)):
        held_out = group.test if question.parts else group.valid | group.test
        people = question.store.records.iloc[group.row[held_out]]
        chance = chances(score[held_out], choose(group, score).temperatures)
        columns: dict[str, Any] = {
            "row": group.row[held_out], "record_id": people["record_id"].to_numpy(),
            "patient": group.patient[held_out], "fold": people["fold"].to_numpy(),
            "draw": 0 if question.parts else draw,
        }  # fmt: skip
        columns |= {f"p_{name}": chance[:, k] for k, name in enumerate(group.names)}
        for k, name in enumerate(group.names):
            known, true = group.known[held_out, k], group.labels[held_out, k]
            columns[f"true_{name}"] = true if known.all() else pd.arrays.BooleanArray(true, ~known)
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
