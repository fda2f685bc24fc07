"""Every registered method through the same checks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.pretraining.batches import make_batch
from beatssl.training.pretraining.objective import ViewMaker
from beatssl.training.pretraining.objectives import METHODS, PRESETS
from beatssl.training.pretraining.presets import preset as named
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import read_log
from beatssl.views.registry import build_views

NOT_IN_THE_LOSS = ("encoder.embedding", "target.")
"""Beginnings of the names of weights that a method may leave as they are, or change by itself."""

NARROW = ("objective.projector_hidden=32", "objective.projector_out=16")
QUICK = {
    "beatssl": ("objective.kernel.coordinates=0",),
    "physioclr": ("objective.beat_shape=0",),
    "vicreg": NARROW,
    "vicreg-map": NARROW,
}
"""What is changed of a preset whose columns or projector take long."""


@pytest.fixture(params=PRESETS)
def preset(request):
    return named(request.param, QUICK.get(request.param, ()))


def objective_on(rows, preset, at=range(8), seed=0):
    method = METHODS[preset.method]
    columns = method.columns(rows, preset.objective)
    batch = make_batch(rows, columns, np.array(list(at)), slice(None), 2, np.random.default_rng(0))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        objective = method.build(build_encoder(EncoderConfig(width=0.25, depth=0.5)), preset.objective, columns)
    make = ViewMaker(batch.signals(), build_views(preset.views), 0.0, torch.Generator().manual_seed(seed))
    return objective, batch, objective.views(make)


def test_a_method_is_registered_by_its_name_and_its_presets_name_it():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.presets
        for preset in method.presets.values():
            assert METHODS[preset.method].settings is method.settings


def test_losses_are_finite_and_every_trained_weight_gets_a_gradient(rows, preset):
    objective, batch, views = objective_on(rows, preset)
    losses = objective(batch, views)
    assert torch.isfinite(losses.total)
    assert losses.parts
    losses.total.backward()
    for name, weight in objective.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name
        assert weight.requires_grad or name.startswith(NOT_IN_THE_LOSS), name
    figures = {"loss": float(losses.total.detach())} | objective.diagnostics(losses)
    assert all(np.isfinite(list(figures.values())))
    assert all(isinstance(message, str) for message in objective.warnings(figures, 8).values())


def test_views_follow_from_the_seed_and_show_all_records(rows, preset):
    one, same, other = (objective_on(rows, preset, seed=seed) for seed in (0, 0, 1))
    for first, second in zip(one[0].signals(one[2]), same[0].signals(same[2]), strict=True):
        assert torch.equal(first.ecg_mv, second.ecg_mv)
        assert len(first.ecg_mv) == len(one[1])
        assert one[0].embed(first).shape == (8, one[0].encoder.embedding_size)
    assert len(other[0].signals(other[2])) == len(one[0].signals(one[2]))


def test_a_record_without_leads_and_one_without_beats_do_no_harm(rows, preset):
    units = np.where((np.arange(24) == 2)[:, None, None], np.int16(-32768), rows.units)
    poor = replace(rows, units=units)
    poor.__dict__["beat_begin"] = np.zeros_like(rows.beat_begin)
    objective, batch, views = objective_on(poor, preset)
    total = objective(batch, views).total
    assert torch.isfinite(total)
    total.backward()
    assert all(weight.grad is None or torch.isfinite(weight.grad).all() for weight in objective.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_it_pretrains_in_half_precision_with_an_average_and_is_resumed(config, name):
    few = {"preset": name, "set": QUICK.get(name, ()), "epochs": 1, "precision": "bfloat16", "average": 0.9}
    made = pretrain(config(**few))
    lines = read_log(made.out)
    assert [line["update"] for line in lines] == [1, 2, 3, 4]
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert pretrain(config(**few)) == made


def test_two_processes_give_the_loss_and_gradients_of_one(store, forked):
    lines = forked(Path(__file__).parent / "two_processes.py", store.path)
    assert len(lines) == 4
    for line in lines:
        compared, apart = line.split()
        assert int(compared) > 40
        assert float(apart) < 1e-5
