import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.losses.contrast import contrast
from beatssl.losses.regression import masked_regression
from beatssl.models.encoded import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.loop import versions
from beatssl.training.pretraining.batches import make_batch
from beatssl.training.pretraining.objectives.beatssl import Contrast, Objective, ObjectiveConfig
from beatssl.training.pretraining.presets import PRESETS, recipe
from beatssl.views.registry import build_views

SMALL = {"projector_hidden": 16, "projector_out": 8, "beat_bins": 4}


def made(data, config):
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return Objective(encoder, config, data.record.values.shape[1], data.beat.values.shape[1])


def batch_of(data, rows=range(8), beats=3):
    return make_batch(data, np.array(list(rows)), slice(None), beats, np.random.default_rng(0))


def small(preset, *changes):
    return recipe(preset, (*changes, *(f"objective.{name}={value}" for name, value in SMALL.items())))


def outcome_of(data, which, batch, seed=0):
    objective = made(data, which.objective)
    return objective, objective(batch, versions(batch, build_views(which.views), objective, seed))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_weight_of_every_preset_gets_a_gradient(data, preset):
    objective, outcome = outcome_of(data, small(preset), batch_of(data))
    outcome.total.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    three = {"rhythm", "beat", "regression"}
    expected = {"simclr": {"rhythm"}, "regression": {"regression"}, "beatssl": three}.get(preset, {"rhythm", "beat"})
    assert outcome.losses.keys() == expected
    assert math.isclose(
        float(outcome.total.detach()),
        sum(objective.weight_of(name) * float(loss.detach()) for name, loss in outcome.losses.items()),
        rel_tol=1e-5,
    )


def test_weights_weigh(data):
    batch = batch_of(data)
    weights = {"rhythm": 1.0, "beat": 0.25, "regression": 2.0, "beat_regression": 0.5}
    paths = {"rhythm": "rhythm.weight", "beat": "beat.weight"}
    changes = [f"objective.{paths.get(name, name)}={weight}" for name, weight in weights.items()]
    _, outcome = outcome_of(data, small("beatssl", *changes), batch)
    assert outcome.losses.keys() == weights.keys()
    expected = sum(weights[name] * float(loss.detach()) for name, loss in outcome.losses.items())
    assert math.isclose(float(outcome.total.detach()), expected, rel_tol=1e-5)


def test_it_contrasts_what_the_config_says(data):
    batch = batch_of(data)
    which = small("paper")
    _, outcome = outcome_of(data, which, batch)
    rhythm, beat = outcome.contrasted["rhythm"], outcome.contrasted["beat"]
    assert rhythm.z_a.shape == (8, 8)
    assert len(beat.z_a) == len(batch.chosen)
    soft = which.objective.rhythm.soft(batch.record_values, batch.record_measured)
    assert torch.allclose(rhythm.targets, soft)
    assert torch.equal(beat.targets.bool(), batch.beat_class[:, None] == batch.beat_class[None])
    expected = contrast(rhythm.z_a, rhythm.z_b, soft, "soft_1", 0.1)
    assert torch.allclose(outcome.losses["rhythm"], expected)


def test_clusters_and_identity_as_beat_targets(data):
    batch = batch_of(data)
    _, clustered = outcome_of(data, small("beatssl", "objective.beat.targets=clusters"), batch)
    assert torch.equal(clustered.contrasted["beat"].targets.bool(), batch.beat_cluster[:, None] == batch.beat_cluster)
    _, own = outcome_of(data, small("beatssl", "objective.beat.targets=identity", "objective.anchor=view"), batch)
    assert own.contrasted["beat"].targets is None


def test_a_beat_that_a_view_moved_out_does_not_count(data):
    which = small("beatssl", "views.time_mask=0", "objective.anchor=view")
    objective = made(data, which.objective)
    batch = batch_of(data)
    views = versions(batch, build_views(which.views), objective, 0)
    gone = views[1].beat_at.clone()
    gone[batch.chosen[0]] = 1e4
    outcome = objective(batch, (views[0], replace(views[1], beat_at=gone)))
    there = objective(batch, views)
    assert len(outcome.contrasted["beat"].z_a) == len(there.contrasted["beat"].z_a) - 1


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("spoilt", ["no beats", "one beat", "a flat record", "no leads", "nothing measured"])
def test_poor_records_give_finite_losses_and_gradients(data, preset, spoilt):
    poor = data
    if spoilt == "no beats":
        poor = replace(data, beat_begin=np.zeros_like(data.beat_begin))
    if spoilt == "one beat":
        poor = replace(data, beat_begin=np.minimum(np.arange(len(data) + 1), 1))
    if spoilt == "a flat record":
        poor = replace(data, units=data.units * (np.arange(24) != 2)[:, None, None].astype(np.int16))
    if spoilt == "no leads":
        poor = replace(data, units=np.where((np.arange(24) == 2)[:, None, None], np.int16(-32768), data.units))
    if spoilt == "nothing measured":
        nothing = replace(data.record, measured=np.zeros_like(data.record.measured))
        poor = replace(data, record=nothing, record_target=replace(data.record_target, certain=nothing.measured))
    which = small(preset, "objective.beat_regression=0.1")
    objective, outcome = outcome_of(poor, which, batch_of(poor))
    assert torch.isfinite(outcome.total)
    outcome.total.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


@pytest.mark.parametrize(("anchor", "passes"), [("view", 3), ("signal", 2), ("self", 2)])
def test_the_encoder_sees_no_version_more_than_the_anchor_needs(data, anchor, passes):
    """Regression from the untouched signal shares its pass where that signal is contrasted."""
    batch = batch_of(data)
    which = small("beatssl", f"objective.anchor={anchor}", "objective.regression=1", "objective.regress_from=signal")
    objective = made(data, which.objective)
    seen = versions(batch, build_views(which.views), objective, 0)
    assert len(seen) == passes
    untouched = batch.signals().ecg_mv
    assert [torch.equal(one.ecg_mv, untouched) for one in seen].index(True) == {"view": 2, "signal": 0, "self": 1}[
        anchor
    ]
    objective.eval()
    told = objective.regress(objective.embed(batch.signals()))
    expected = masked_regression(told, batch.record_values, batch.record_measured)
    torch.testing.assert_close(objective(batch, seen).losses["regression"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_windows_are_drawn_apart_and_features_told_of_them(data, preset):
    which = small(preset)
    batch, objective = batch_of(data), made(data, which.objective)
    seen = versions(batch, build_views(which.views), objective, 0, window_s=4.0)
    assert {one.ecg_mv.shape[2] for one in seen} == {400}
    assert len({tuple(one.beat_at.tolist()) for one in seen}) == len(seen)
    outcome = objective(batch, seen)
    assert torch.isfinite(outcome.total)
    assert (
        outcome.losses.keys() == objective(batch, versions(batch, build_views(which.views), objective, 0)).losses.keys()
    )


def test_with_itself_as_anchor_only_other_records_pull(data):
    batch = batch_of(data)
    which = small("beatssl", "objective.anchor=self", "objective.beat.weight=0")
    objective, outcome = outcome_of(data, which, batch)
    pairs = outcome.contrasted["rhythm"]
    assert torch.equal(pairs.z_a, pairs.z_b)
    assert pairs.targets is not None
    how = objective.config.rhythm
    expected = contrast(pairs.z_a, pairs.z_a, pairs.targets, how.form, how.temperature)
    torch.testing.assert_close(outcome.losses["rhythm"], expected)


def test_a_linear_projector_is_one_matrix(data):
    objective = made(data, small("beatssl", "objective.projector_layers=0").objective)
    assert [type(layer) for layer in objective.project_rhythm.layers] == [torch.nn.Linear]


def test_configs_that_ask_for_nothing_or_nonsense():
    with pytest.raises(ValueError, match="no other view to be like"):
        ObjectiveConfig(rhythm=Contrast(targets="identity"), anchor="self")
    with pytest.raises(ValueError, match="weight 0"):
        ObjectiveConfig(rhythm=Contrast(weight=0.0), beat=Contrast(weight=0.0))
    with pytest.raises(ValueError, match="are of beats"):
        ObjectiveConfig(rhythm=Contrast(targets="classes"))


def test_two_processes_give_the_loss_and_gradients_of_one(store):
    script = Path(__file__).parent / "two_processes.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(store.path)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    compared, apart = done.stdout.split()[-2:]
    assert int(compared) > 40
    assert float(apart) < 1e-5
