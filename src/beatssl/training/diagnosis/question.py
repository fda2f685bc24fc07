"""What probe and finetune share: labels and rows read, an encoder opened, and results written."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32

from beatssl.files import make_folder, write_bytes
from beatssl.inference.adapters.foreign_encoder import ForeignEncoder
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.model_folder import save_model
from beatssl.inference.record_model import RecordModel
from beatssl.inference.source import Opened, open_encoder
from beatssl.inference.tensors import hash_of_weights
from beatssl.results import to_json, write_result
from beatssl.store.labels import Cohort, Rows, cohort, parse_folds, validation_only
from beatssl.store.own_data.label_file import is_label_file, label_path
from beatssl.store.own_data.sides import FOLDS, NO_FOLD, SPLIT, Sides, in_parts, parts_of, sided, sides_table
from beatssl.store.quantities import Quantities, quantities, quantities_of, strata
from beatssl.store.splits import take_share
from beatssl.store.store import Store
from beatssl.training.diagnosis.config import DiagnosisConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures, Folds, RecordCounts, Scores, check_classes
from beatssl.training.diagnosis.number_figures import RegressionFigures
from beatssl.training.diagnosis.reported import Scored, report_labels, report_numbers

METRICS, PREDICTIONS, HEAD = "metrics.json", "predictions.parquet", "head"


@dataclass(frozen=True)
class Question:
    """A store whose folds are the sides, its labelled rows, the encoder, and the training rows of each draw of labels.

    Of k-fold cross-validation `parts` has the cohort of every part, the same rows on other sides, and there is a draw
    for each.
    """

    store: Store
    group: Rows
    opened: Opened
    draws: list[Bool[np.ndarray, " row"]]
    sides: Sides
    parts: tuple[Rows, ...] = ()

    @property
    def rounds(self) -> list[tuple[Rows, Bool[np.ndarray, " row"]]]:
        """The cohort and the training rows of everything that is learnt."""
        return list(zip(self.parts or [self.group] * len(self.draws), self.draws, strict=True))


@dataclass(frozen=True)
class Answer:
    """The result of one draw of labels: the head's scores of all rows, the model, and what was chosen for it."""

    scores: Scores
    model: RecordModel
    chosen: Mapping[str, Any]
    of_lead_sets: Mapping[str, Scores] = field(default_factory=dict[str, Scores])
    """The same with the test rows shown with a set of leads alone."""


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
    by_labels = strata(store, config.labels) if config.split.startswith("random") else None
    sides = sided(store, config.split, folds, by_labels, config.seed)
    group = _rows(config, sides.store, sides.train, sides.valid, sides.test)
    group = validation_only(group) if config.validation_only else group
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    drawn = training_draws(store, group, config.label_share, config.draws, config.seed_of_draws)
    return Question(sides.store, group, opened, drawn, sides)


def _ask_in_parts(config: DiagnosisConfig) -> Question:
    """For k-fold cross-validation: part i is tested, part i + 1 validates, the others train."""
    if config.validation_only or config.label_share < 1 or config.shown_leads:
        raise ValueError(
            f"split={config.split!r} takes no validation_only=, label_share= or shown_leads=; leave them out, or split "
            "otherwise"
        )
    count = parts_of(config.split)
    store = Store(config.store)
    store = in_parts(store, count, strata(store, config.labels), config.seed)
    parts: list[Rows] = []
    for test in range(1, count + 1):
        valid = test % count + 1
        train = [part for part in range(1, count + 1) if part not in (valid, test)]
        parts.append(_rows(config, store, train, valid, test))
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    sides = Sides(store, tuple(range(1, count + 1)), NO_FOLD, NO_FOLD)
    return Question(store, parts[0], opened, [part.train for part in parts], sides, tuple(parts))


def _rows(config: DiagnosisConfig, store: Store, train: Sequence[int], valid: int, test: int) -> Rows:
    """Rows with labels of yes or no, or with numbers."""
    numbers = quantities_of(store, config.labels)
    if numbers is None:
        group = cohort(store, config.labels, train, valid, test, config.keep_unlabelled)
        check_classes(group, config.labels, "training", group.train)
        if not parts_of(config.split):  # else each row is tested by one of the parts
            tested = ("validation", group.valid) if config.validation_only else ("test", group.test)
            check_classes(group, config.labels, *tested)
        return group
    asked = {"keep_unlabelled=": config.keep_unlabelled, "balance=": getattr(config, "balance", 0)}
    if given := [name for name, value in asked.items() if value]:
        raise ValueError(f"{config.labels} holds numbers, {given[0]} is for labels of yes or no; leave it out")
    return quantities(store, numbers, train, valid, test)


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


def conclude(
    config: DiagnosisConfig, question: Question, answers: Sequence[Answer]
) -> DiagnosisFigures | RegressionFigures:
    """The figures, written to `out` as metrics.json with every record's predictions and the first draw's model, and
    split.csv with the sides where these are not the store's folds.

    With a label share below 1, figures are the mean over the draws and their intervals those of that mean; each draw's
    own figures are in `draws`.
    """
    rounds, setup = question.rounds, _setup(config, question, answers)
    numbers = isinstance(question.group, Quantities)
    scored = Scored(
        groups=[group for group, _ in rounds],
        predicted=[answer.model.in_units(answer.scores) for answer in answers],
        of_lead_sets=[
            {name: answer.model.in_units(own) for name, own in answer.of_lead_sets.items()} for answer in answers
        ],
        in_parts=bool(question.parts),
        records=question.store.records,
        seed=config.seed,
        bootstrap_draws=config.bootstrap_draws,
    )
    reported = report_numbers(scored, setup) if numbers else report_labels(scored, setup)
    reported.table.to_parquet(config.out / PREDICTIONS, index=False)
    if config.split != FOLDS:
        write_bytes(config.out / SPLIT, sides_table(question.store, question.sides).to_csv(index=False).encode())
    model = answers[0].model
    if isinstance(model, EcgClassifier) and reported.chosen is not None:
        model.decide(reported.chosen.temperatures, reported.chosen.threshold_chances)
    kept = ("config_hash", "folds", "records", "macro_auroc", "macro_f1", "ci95", "mean_r2", "per_number")
    model.provenance = {
        "pretraining": question.opened.provenance,
        "head": {"store": question.store.kind, **_settings(config)},
        "figures": {name: to_json(value) for name, value in vars(reported.figures).items() if name in kept}
        | _of_labels(question.group, reported.figures),
    }
    if not isinstance(question.opened.encoder, ForeignEncoder):  # what others published is not ours to copy
        save_model(config.out / HEAD, model)
    write_result(config.out / METRICS, reported.figures)
    return reported.figures


def _of_labels(group: Rows, figures: DiagnosisFigures | RegressionFigures) -> dict[str, Any]:
    """What the user of a classifier wants to know of each label: AUROC on the test fold, and its share of the training
    rows of which it is known."""
    if not isinstance(group, Cohort) or not isinstance(figures, DiagnosisFigures):
        return {}
    found: dict[str, Any] = {}
    for k, name in enumerate(group.names):
        known = group.train & group.known[:, k]
        share = float(group.labels[known, k].mean()) if known.any() else None
        found[name] = {"auroc": to_json(figures.per_class[name].auroc), "training_prevalence": share}
    return {"per_class": found}


def _setup(config: DiagnosisConfig, question: Question, answers: Sequence[Answer]) -> dict[str, Any]:
    """What all figures say of how they came about."""
    group, opened, sides = question.group, question.opened, question.sides
    return {
        "encoder": opened.name,
        "config_hash": config_hash(config, opened, question.store),
        "seed": config.seed,
        "labels": config.labels,
        "label_share": config.label_share,
        "shown_leads": config.shown_leads,
        "split": config.split,
        "folds": Folds(sides.train, sides.valid, sides.valid if config.validation_only else sides.test),
        "records": RecordCounts(
            train=int(np.mean([used.sum() for used in question.draws])),
            valid=int(group.valid.sum()),
            test=int(sum(part.test.sum() for part in question.parts or [group])),
            dropped=group.dropped,
        ),
        "chosen": tuple(answer.chosen for answer in answers),
        "pretraining": opened.provenance,
    }


def config_hash(config: DiagnosisConfig, opened: Opened, store: Store) -> str:
    """Twelve hexadecimal digits of all that the figures depend on: config, own files, weights and store."""
    weights, made = hash_of_weights(opened.encoder), [store.manifest[name] for name in ("config", "inputs")]
    made_of = [_settings(config), opened.name, opened.provenance, weights, *made]
    files = [label_path(text) for text in (config.labels, config.split) if is_label_file(text)]
    made_of += [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _settings(config: DiagnosisConfig) -> dict[str, Any]:
    """The config without paths, device and logging, which the figures do not depend on, nor what is as usual."""
    usual = (*(("split",) if config.split == FOLDS else ()), *(("draw_seed",) if config.draw_seed is None else ()))
    free = ("out", "store", "encoder", "device", "run", "overwrite", "cache", *usual)
    return {name: value for name, value in asdict(config).items() if name not in free}


def training_draws(store: Store, group: Rows, share: float, draws: int, seed: int) -> list[Bool[np.ndarray, " row"]]:
    """The training rows of each draw of `share` of the training patients; a share of 1 is drawn once."""
    if share >= 1:
        return [group.train]
    train = group.row[group.train]
    rngs = [np.random.default_rng([seed, draw]) for draw in range(draws)]
    return [np.isin(group.row, take_share(store.records, train, share, rng)) for rng in rngs]
