"""Fine-tuning: an encoder and a head, or the head alone, learn the labels of a store."""

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Bool, Float64, Int64
from torch import Tensor, nn

from beatssl.inference.device import computes_in_bfloat16
from beatssl.inference.embedding import shown_leads
from beatssl.inference.record_model import HeadConfig, RecordModel
from beatssl.inference.row_signals import RowSignals
from beatssl.inference.source import frozen_only
from beatssl.results import read_result
from beatssl.store.labels import Cohort, Rows
from beatssl.store.own_data.sides import parts_of
from beatssl.store.quantities import Quantities
from beatssl.training.diagnosis.config import INVERSE_PENALTIES, FinetuneConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.frozen_inputs import EmbeddedInputs, Frozen, feature_names, frozen_inputs
from beatssl.training.diagnosis.label_task import Inputs, LabelTask
from beatssl.training.diagnosis.learnable import Learnable, learnable
from beatssl.training.diagnosis.number_figures import RegressionFigures
from beatssl.training.diagnosis.probe import fit, spread
from beatssl.training.diagnosis.question import METRICS, Answer, Question, ask, conclude, config_hash
from beatssl.training.loop import train
from beatssl.training.optim import Groups
from beatssl.training.random_streams import WEIGHTS, seed_of, seeded
from beatssl.training.run import start_accelerator
from beatssl.views.registry import build_views
from beatssl.views.view import Composed, Signals


def finetune(config: FinetuneConfig) -> DiagnosisFigures | RegressionFigures:
    """The figures of the encoder with the head it learnt, also written as `out`/metrics.json, with every record's
    probabilities, and the model as `out`/head.

    With a label share below 1, every draw begins anew from the same encoder; figures are the mean over the draws and
    their intervals those of that mean; the model is the first draw's.

    Raises ValueError where the store has no such labels, was prepared otherwise than the encoder expects, or leaves
    fewer than two records to learn from; SplitError where folds overlap or share a patient; NotFinite where a loss or
    gradient is not finite.
    """
    if parts_of(config.split):
        raise ValueError(f"split={config.split!r} is for probe; fine-tune with 'folds', 'column:NAME' or 'random'")
    frozen_only(config.encoder, "finetune")
    question = ask(config)
    _check_trees(config.trees, question.group)
    accelerator = start_accelerator(config.run, config.out, _what_counts(config, question))
    answers = learn(config, question, accelerator)
    figures = conclude(config, question, answers) if accelerator.is_main_process else None
    accelerator.wait_for_everyone()
    kind = RegressionFigures if isinstance(question.group, Quantities) else DiagnosisFigures
    return figures or read_result(config.out / METRICS, kind)


def learn(config: FinetuneConfig, question: Question, accelerator: Accelerator) -> list[Answer]:
    """What is learnt in every round of a question, each anew from the same encoder; logs and states are kept below
    `config.out`. Raises as `finetune`."""
    frozen: tuple[Frozen, ...] = ()
    if config.train == "head" or config.from_probe:
        question.opened.encoder.to(accelerator.device)
        frozen = frozen_inputs(config, question, accelerator.device)
    signals = RowSignals(question.store)
    make = _head_alone if config.train == "head" else _everything
    answers: list[Answer] = []
    for number, (group, used) in enumerate(question.rounds):
        out = config.out if len(question.rounds) == 1 else config.out / f"draw-{number}"
        labels = learnable(group, used, config.balance)
        model, learnt = make(config, question, labels, signals, frozen, accelerator)
        answers.append(_answer(config, question, model, learnt, frozen, out, accelerator))
    return answers


def _what_counts(config: FinetuneConfig, question: Question) -> dict[str, Any]:
    """All that the weights depend on."""
    free = ("out", "run", "bootstrap_draws", "cache", *(("draw_seed",) if config.draw_seed is None else ()))
    values = {name: value for name, value in asdict(config).items() if name not in free}
    values |= {"epochs": config.epoch_count, "least_updates": config.update_minimum}
    made_of = {"store": str(config.store.resolve()), "inputs": config_hash(config, question.opened, question.store)}
    return json.loads(json.dumps({"finetune": values | made_of}, default=str))


@dataclass(frozen=True)
class RecordInputs:
    """Signals of a cohort's rows."""

    signals: RowSignals
    row: Int64[np.ndarray, " row"]
    views: Composed
    shown: Bool[Tensor, " lead"]
    """Leads that records keep in evaluation."""

    def read(self, at: Int64[np.ndarray, " some_row"]) -> Signals:
        return self.signals(self.row[at])

    def augmented(self, read: Signals, generator: torch.Generator) -> tuple[Tensor, ...]:
        seen = self.views(read, generator)
        return seen.ecg_mv, seen.lead_mask, seen.valid

    def plain(self, read: Signals) -> tuple[Tensor, ...]:
        return read.ecg_mv * self.shown[:, None], read.lead_mask & self.shown, read.valid


@dataclass(frozen=True)
class _Learnt:
    """What is trained of a model."""

    model: nn.Module
    groups: Groups
    inputs: Inputs
    labels: Learnable


def _everything(
    config: FinetuneConfig,
    question: Question,
    labels: Learnable,
    signals: RowSignals,
    frozen: tuple[Frozen, ...],
    accelerator: Accelerator,
) -> tuple[RecordModel, _Learnt]:
    """The encoder and the head learn together: initialised from the probe on the frozen encoder's embeddings, or fresh,
    embeddings standardised batch by batch on the way."""
    model = _model(config, question, labels, copy.deepcopy(question.opened.encoder))
    if config.from_probe:
        values = frozen[0].embedding
        line, _ = fit(values, labels, INVERSE_PENALTIES)
        model.head.standardise_as(*spread(values[labels.used]))
        model.head.be_linear(line.weight, line.bias)
    model = model.to(accelerator.device)
    shown = shown_leads(question.store, config.shown_leads).to(accelerator.device)
    inputs = RecordInputs(signals, question.group.row, build_views(config.views), shown)
    groups = (model.encoder, config.optim.encoder_rate), (model.head, 1.0)
    return model, _Learnt(model, groups, inputs, labels)


def _head_alone(
    config: FinetuneConfig,
    question: Question,
    labels: Learnable,
    signals: RowSignals,
    frozen: tuple[Frozen, ...],
    accelerator: Accelerator,
) -> tuple[RecordModel, _Learnt]:
    """The head learns from embeddings and features that were made once, standardised by the rows used."""
    model = _model(config, question, labels, question.opened.encoder).to(accelerator.device).eval()
    model.head.standardise_as(*spread(frozen[0].embedding[labels.used]))
    if model.head.features is not None and frozen[0].features is not None:
        model.head.features.fit(frozen[0].features[labels.used])
    if model.head.trees is not None:
        _grow_trees(model, labels, frozen, config.seed)
    inputs = EmbeddedInputs.of(frozen, model.head)
    learning = nn.Sequential(model.head.dropout, model.head.scores)
    return model, _Learnt(learning, ((learning, 1.0),), inputs, labels)


def _answer(
    config: FinetuneConfig,
    question: Question,
    model: RecordModel,
    learnt: _Learnt,
    frozen: tuple[Frozen, ...],
    out: Path,
    accelerator: Accelerator,
) -> Answer:
    """Train, and score the validation and the test fold."""
    labels, optim = learnt.labels, config.optimization()
    group = labels.group
    labels.begin(model, config.from_probe)
    task = LabelTask(
        model=learnt.model,
        trained=learnt.groups,
        inputs=learnt.inputs,
        labels=labels,
        record_id=question.store.records["record_id"].to_numpy()[group.row],
        epochs=config.epoch_count,
        least_updates=config.update_minimum,
        batch_size=optim.batch_size,
        accumulate=optim.accumulate,
        half=optim.precision == "bfloat16" and computes_in_bfloat16(accelerator.device),
        seed=config.seed,
        device=accelerator.device,
        share=(accelerator.process_index, accelerator.num_processes),
        from_probe=config.from_probe,
    )
    trained = train(task, optim, config.run, config.seed, out, accelerator)
    if trained.best is not None and trained.best["update"] == 0:
        accelerator.print(
            f"warning: {out}: none of {trained.updates} updates was better on the validation fold than the linear "
            "probe that training began from; the model is that probe"
        )
    labels.end(model)
    held_out = group.valid | group.test
    scores: Float64[np.ndarray, "row label"] = np.full(group.known.shape, np.nan)
    scores[held_out] = _with_trees(model, task.score(task.model, held_out, precise=True), frozen[:1], held_out)
    of_sets: dict[str, Float64[np.ndarray, "row label"]] = {}
    for number, name in enumerate(config.lead_sets, start=1):
        assert isinstance(learnt.inputs, EmbeddedInputs)
        task.inputs = EmbeddedInputs(learnt.inputs.values[number : number + 1])
        of_sets[name] = scores.copy()
        found = task.score(task.model, group.test, precise=True)
        of_sets[name][group.test] = _with_trees(model, found, frozen[number:], group.test)
    chosen = {**(trained.best or {}), "evaluations": trained.evaluations}
    return Answer(scores, model.cpu().eval(), chosen, of_sets)


def _check_trees(trees: tuple[str, ...], group: Rows) -> None:
    if trees and not isinstance(group, Cohort):
        raise ValueError(f"trees= are for labels of yes or no; {', '.join(group.names)} are numbers: leave it out")
    if strange := [name for name in trees if name not in group.names]:
        raise ValueError(f"trees=: {strange[0]!r} is no label; pass some of {', '.join(group.names)}")


def _grow_trees(model: RecordModel, labels: Learnable, frozen: tuple[Frozen, ...], seed: int) -> None:
    """Boosted trees on the features of the rows used, as they are and, where there are lead sets, once more with one
    of them each, drawn at random."""
    group, trees = labels.group, model.head.trees
    assert trees is not None
    assert isinstance(group, Cohort)
    rows, at = np.flatnonzero(labels.used), model.head.in_trees
    given = [one.features for one in frozen if one.features is not None]
    values, truth, known = given[0][rows], group.labels[rows][:, at], group.known[rows][:, at]
    if len(given) > 1:
        drawn = np.random.default_rng(seed).integers(1, len(given), len(rows))
        values = np.concatenate([values, np.stack([given[of][row] for of, row in zip(drawn, rows, strict=True)])])
        truth, known = np.tile(truth, (2, 1)), np.tile(known, (2, 1))
    trees.fit(values, truth, known, seed)


def _with_trees(
    model: RecordModel,
    scores: Float64[np.ndarray, "some_row label"],
    frozen: tuple[Frozen, ...],
    rows: Bool[np.ndarray, " row"],
) -> Float64[np.ndarray, "some_row label"]:
    """The head's scores of some rows with those of its trees, if any."""
    if model.head.trees is None or frozen[0].features is None:
        return scores
    features = torch.from_numpy(frozen[0].features[rows]).to(model.head.trees.start.device)
    return model.head.with_trees(torch.from_numpy(scores).to(features.device), features).cpu().numpy()


def _model(config: FinetuneConfig, question: Question, labels: Learnable, encoder: Any) -> RecordModel:
    """The encoder with a fresh head."""
    hidden = config.hidden if config.head == "mlp" else 0
    names = feature_names(config, question.store)
    head = HeadConfig(question.group.names, hidden, config.dropout, names, config.trees)
    with seeded(seed_of(config.seed, WEIGHTS), torch.device("cpu")):
        return labels.model(encoder, head, question.store.preparation)
