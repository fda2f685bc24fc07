"""Fine-tuning as a task: its loss, its batches, and its gradients over several processes and batches."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.row_signals import RowSignals
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.labels import Cohort, cohort
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.finetune import RecordInputs
from beatssl.training.diagnosis.frozen_inputs import EmbeddedInputs
from beatssl.training.diagnosis.label_task import LabelTask
from beatssl.training.diagnosis.learnable import LearntLabels, label_loss, negatives_per_positive
from beatssl.training.loop import train
from beatssl.training.run import read_log, start_accelerator
from beatssl.training.task import NotFinite
from beatssl.views.config import ViewsConfig
from beatssl.views.registry import build_views

RUN = RunConfig(log_every=1, save_every=1, device="cpu")


@pytest.fixture(scope="module")
def group(folded) -> Cohort:
    return cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)


@dataclass(frozen=True)
class Made:
    """A task of embeddings that are noise, and what it was made of."""

    task: LabelTask
    values: torch.Tensor


@pytest.fixture
def made(folded, group) -> Callable[..., Made]:
    """`made(epochs=…)`: a linear layer learns labels from noise."""

    def make(**changes: Any) -> Made:
        values = torch.randn(len(group.row), 5, generator=torch.Generator().manual_seed(0))
        model = nn.Linear(5, len(group.names))
        given = {
            "model": model, "trained": ((model, 1.0),), "inputs": EmbeddedInputs(values[None]),
            "record_id": folded.records["record_id"].to_numpy()[group.row], "labels": LearntLabels(group, group.train),
            "epochs": 3, "least_updates": 1, "batch_size": 4, "accumulate": 1,
            "half": False, "seed": 0, "device": torch.device("cpu"), "share": (0, 1),
        }  # fmt: skip
        return Made(LabelTask(**given | changes), values)

    return make


def test_the_loss_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 3, generator=generator)
    labels = (torch.rand(5, 3, generator=generator) < 0.5).float()
    known = torch.rand(5, 3, generator=generator) < 0.7
    weight = torch.tensor([1.0, 3.0, 0.5])
    terms = []
    for i, k in zip(*np.nonzero(known.numpy()), strict=True):
        chance = 1 / (1 + np.exp(-float(scores[i, k])))
        terms.append(-float(weight[k]) * np.log(chance) if labels[i, k] else -np.log(1 - chance))
    assert float(label_loss(scores, labels, known, weight)) == pytest.approx(np.mean(terms), rel=1e-5)
    assert float(label_loss(scores, labels, torch.zeros_like(known), weight)) == 0


def test_how_rare_positives_are(group):
    unknown = replace(group, known=group.known & (np.arange(len(group.row)) % 3 > 0)[:, None])
    for one in (group, unknown):
        for k, found in enumerate(negatives_per_positive(one, one.train)):
            labels = one.labels[one.train & one.known[:, k], k]
            assert found == pytest.approx(((~labels).sum() + 0.5) / (labels.sum() + 0.5))


def test_an_epoch_shows_every_training_row_once_with_its_labels(made, group):
    of = made(accumulate=2)
    task, rows = of.task, np.flatnonzero(group.train)
    whole = len(rows) // 4
    batches = list(task.batches(0, whole))
    seen = np.concatenate([batch.at for batch in batches])
    assert len(set(seen)) == len(seen) == 4 * whole
    assert set(seen) <= set(rows)
    for batch in batches:
        assert torch.equal(batch.read[0], of.values[torch.from_numpy(batch.at)])
        assert torch.equal(batch.truth, torch.from_numpy(group.labels[batch.at]).float())
        assert torch.equal(batch.known, torch.from_numpy(group.known[batch.at]))
    assert task.updates_per_epoch == whole // 2
    parts = [next(made(share=(process, 2)).task.batches(5, 6)).at for process in range(2)]
    np.testing.assert_array_equal(np.concatenate(parts), next(task.batches(5, 6)).at)


@pytest.mark.parametrize(("from_probe", "first"), [(True, [0]), (False, [])])
def test_it_is_evaluated_once_an_epoch_and_at_once_from_a_probe(made, from_probe, first):
    task = made(from_probe=from_probe, epochs=3, least_updates=10).task
    due = [update for update in range(task.updates + 1) if task.evaluation_due(update)]
    assert task.updates == max(10, 3 * task.updates_per_epoch)
    assert len(due) == 3 + len(first)
    assert due[: len(first)] == first
    assert due[-1] == task.updates


@pytest.mark.parametrize("from_probe", [True, False])
def test_norms_keep_their_statistics_from_a_probe_alone(made, group, from_probe):
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, len(group.names)))
    task = made(model=model, trained=((model, 1.0),), from_probe=from_probe).task
    task.train_mode()
    assert [module.training for module in model] == [True, not from_probe, True, True]


def test_scores_are_of_the_rows_in_order_in_the_model_as_evaluated(made, group):
    of = made()
    with torch.no_grad():
        expected = of.task.model(of.values[torch.from_numpy(group.valid)])
    np.testing.assert_allclose(of.task.score(of.task.model, group.valid), expected.numpy(), rtol=1e-6)
    half = made(half=True, model=of.task.model).task
    assert not np.array_equal(half.score(of.task.model, group.valid), expected.numpy())
    np.testing.assert_allclose(half.score(of.task.model, group.valid, precise=True), expected.numpy(), rtol=1e-6)
    assert of.task.score(of.task.model, np.zeros_like(group.valid)).shape == (0, len(group.names))


def test_a_loss_that_is_not_finite_names_update_records_and_remedy(folded, made, group, tmp_path):
    values = torch.zeros(len(group.row), 5)
    first = next(made().task.batches(0, 1)).at
    values[first[1]] = torch.nan
    task = made(inputs=EmbeddedInputs(values[None])).task
    names = ", ".join(str(name) for name in folded.records["record_id"].to_numpy()[group.row[first]])
    with pytest.raises(NotFinite) as caught:
        train(task, OptimConfig(precision="bfloat16"), RUN, 0, tmp_path, start_accelerator(RUN, tmp_path))
    assert "the loss of update 0 is not finite" in str(caught.value)
    assert f"on records {names}; " in str(caught.value)
    assert "lower rate than 0.003 or precision='float32', or leave these records out" in str(caught.value)


@pytest.fixture
def signals_task(folded, made, group) -> Callable[..., LabelTask]:
    """A network without batch norm, but for that of the head, whose statistics are kept as from a probe."""

    def make(**changes: Any) -> LabelTask:
        encoder = build_encoder(EncoderConfig(width=0.25, depth=0.1, norm="group"))
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            model = EcgClassifier(encoder, HeadConfig(group.names), folded.preparation, {})
        inputs = RecordInputs(
            RowSignals(folded), group.row, build_views(ViewsConfig()), torch.ones(12, dtype=torch.bool)
        )
        return made(model=model, trained=((model, 1.0),), inputs=inputs, from_probe=True, **changes).task

    return make


def test_two_accumulated_halves_give_the_gradient_of_the_whole_batch(signals_task, first_gradient, tmp_path):
    found = []
    for accumulate in (1, 2):
        size, out = 8 // accumulate, tmp_path / str(accumulate)
        optim = OptimConfig(batch_size=size, accumulate=accumulate, clip=0.0)
        task = signals_task(batch_size=size, accumulate=accumulate, epochs=1)
        with first_gradient() as gradient:
            train(task, optim, RUN, 0, out, start_accelerator(RUN, out))
        line = next(line for line in read_log(out) if "loss" in line)
        assert line["gradient"] == pytest.approx(float(torch.linalg.vector_norm(gradient[0])), rel=1e-4)
        found.append((gradient[0], line["loss"]))
    (whole, loss), (halves, same) = found
    assert loss == pytest.approx(same, rel=1e-5)
    torch.testing.assert_close(halves, whole, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def test_two_processes_give_the_loss_and_gradients_of_one(folded, forked):
    (line,) = forked(Path(__file__).parent / "two_processes.py", folded.path)
    tensors, apart = line.split()
    assert int(tensors) > 20
    assert float(apart) < 1e-6
