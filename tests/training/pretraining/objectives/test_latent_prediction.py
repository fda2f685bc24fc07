from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.tensors import read_tensors
from beatssl.training.pretraining.objectives import PRESETS
from beatssl.training.pretraining.objectives.latent_prediction import LatentPrediction, LatentSettings
from beatssl.training.pretraining.presets import preset
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.state import STATE

from .test_contract import objective_on

SMALL = ("objective.predictor_channels=16",)


def test_blocks_of_all_leads_are_hidden_and_only_these(rows):
    _, batch, seen = objective_on(rows, PRESETS["latent-prediction"])
    whole = batch.signals().ecg_mv
    assert torch.equal(seen.whole.ecg_mv, whole)
    samples = seen.hidden.repeat_interleave(8, dim=1)[:, None]
    assert torch.equal(seen.shown.ecg_mv, whole.masked_fill(samples, 0))
    for record in seen.hidden.int().tolist():
        assert 12 <= sum(record) <= 48
        runs = "".join(map(str, record)).split("0")
        assert all(len(run) >= 12 for run in runs if run)
    assert len(set(map(tuple, seen.hidden.tolist()))) == 8


def test_predictions_know_nothing_of_what_is_hidden_and_the_loss_counts_hidden_steps_alone(rows):
    objective, batch, seen = objective_on(rows, preset("latent-prediction", SMALL))
    objective.eval()
    losses = objective(batch, seen)
    louder = replace(seen.whole, ecg_mv=torch.where(seen.shown.ecg_mv == 0, 5.0, seen.whole.ecg_mv))
    other = objective(batch, seen._replace(whole=louder))
    assert torch.equal(other.details.predicted, losses.details.predicted)
    assert not torch.equal(other.details.target, losses.details.target)
    latent = objective.target(seen.whole.ecg_mv, seen.whole.lead_mask).feature_map
    places = seen.hidden.nonzero().tolist()
    hidden = torch.stack([latent[record, :, step] for record, step in places])
    wanted = (hidden - hidden.mean(dim=0)) / (hidden.var(dim=0, correction=0) + 1e-6).sqrt()
    made = objective.predict(objective.encoder(seen.shown.ecg_mv, seen.shown.lead_mask).feature_map, seen.hidden)
    total = 0.0
    for (record, step), target in zip(places, wanted, strict=True):
        error = (made[record, :, step] - target).detach().abs()
        total += float(torch.where(error <= 1, error**2 / 2, error - 0.5).sum())
    assert float(losses.total.detach()) == pytest.approx(total / wanted.numel(), rel=1e-4)


def test_what_the_map_holds_where_it_is_hidden_does_not_count(rows):
    objective, _, seen = objective_on(rows, preset("latent-prediction", SMALL))
    feature_map = torch.randn(8, objective.encoder.channels, 125, generator=torch.Generator().manual_seed(0))
    torch.nn.init.ones_(objective.predict.token)
    other = torch.where(seen.hidden[:, None], 9.0, feature_map)
    assert torch.equal(objective.predict(feature_map, seen.hidden), objective.predict(other, seen.hidden))
    assert not torch.equal(objective.predict(feature_map, ~seen.hidden), objective.predict(other, ~seen.hidden))


def test_the_target_follows_the_encoder(rows):
    objective, batch, seen = objective_on(rows, preset("latent-prediction", (*SMALL, "objective.decay=0.9")))
    name = next(name for name, _ in objective.encoder.named_parameters())
    weight, mean = objective.encoder.get_parameter(name), objective.target.get_parameter(name)
    assert torch.equal(weight, mean)
    assert not mean.requires_grad
    with torch.no_grad():
        before = mean.clone()
        weight += 1
    objective(batch, seen)
    assert torch.allclose(mean, 0.9 * before + 0.1 * weight, atol=1e-6)
    assert int(objective.batches) == 1
    objective.eval()
    objective(batch, seen)
    assert int(objective.batches) == 1


def test_the_decay_rises_and_then_stands():
    settings = LatentSettings(decay=0.99, decay_at=10)
    found = [settings.decay_of(batch) for batch in range(12)]
    assert found[0] == 0.9
    assert found[5] == pytest.approx(0.945)
    assert found[10:] == [0.99, 0.99]
    assert all(one <= other for one, other in pairwise(found))
    assert LatentSettings(decay=0.5, decay_at=10).decay_of(0) == 0.5
    assert LatentSettings(decay=0.99).decay_of(0) == 0.99


def test_it_learns(rows):
    objective, batch, seen = objective_on(rows, preset("latent-prediction", SMALL))
    optimizer = torch.optim.AdamW([one for one in objective.parameters() if one.requires_grad], lr=3e-3)
    shares = []
    for _ in range(20):
        losses = objective(batch, seen)
        shares.append(objective.diagnostics(losses)["latent_explained"])
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert shares[-1] > max(0.0, shares[0] + 0.1)


def test_a_collapse_is_warned_of(rows):
    objective, _, _ = objective_on(rows, preset("latent-prediction", SMALL))
    assert list(objective.warnings({"latent_effective_rank": 1.2}, 64)) == ["latent collapse"]
    assert not objective.warnings({"latent_effective_rank": 1.2}, 4)
    assert not objective.warnings({"latent_effective_rank": 9.0}, 64)


def test_a_stopped_run_ends_with_the_same_target_and_keeps_the_encoder_alone(config, tmp_path, monkeypatch):
    """Stopped in the third of four batches, after its target has moved."""
    few = {"preset": "latent-prediction", "set": (*SMALL, "objective.decay_at=3"), "epochs": 1, "save_every": 1}
    whole = pretrain(config(**few, out=tmp_path / "whole"))
    follow = LatentPrediction._follow

    def stopped(objective):
        follow(objective)
        if int(objective.batches) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LatentPrediction, "_follow", stopped)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config(**few))
    resumed = pretrain(config(**few))
    one, other = (read_tensors(run.out / STATE)[0] for run in (whole, resumed))
    assert int(one["model.batches"]) == 4
    assert any(name.startswith("model.target.") for name in one)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any("exp_avg.target." in name for name in one)
    kept = BeatEncoder.from_pretrained(resumed.out / "checkpoint").encoder
    for name, weight in kept.named_parameters():
        assert torch.equal(weight, one[f"model.encoder.{name}"]), name
