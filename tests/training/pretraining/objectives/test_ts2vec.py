import pytest
import torch

from beatssl.losses.hierarchical import hierarchical_contrast
from beatssl.training.pretraining.objective import ViewMaker
from beatssl.training.pretraining.objectives import PRESETS
from beatssl.training.pretraining.objectives.ts2vec import Crops, Ts2VecSettings
from beatssl.training.pretraining.presets import preset
from beatssl.views.config import ViewsConfig
from beatssl.views.registry import build_views

from .test_contract import objective_on

UNMASKED = preset("ts2vec", ["objective.mask_share=0"])


def test_compared_steps_are_the_same_samples_of_both_crops(rows):
    _, batch, seen = objective_on(rows, UNMASKED)
    whole = batch.signals().ecg_mv
    assert seen.seen.shape == (8, 2 * 94 - 125)
    assert seen.seen.all()
    assert len(set((seen.first_at - seen.second_at).tolist())) > 2
    for record in range(8):
        length = 8 * seen.seen.shape[1]
        first, second = (
            crop.ecg_mv[record, :, 8 * int(at[record]) :][:, :length]
            for crop, at in ((seen.first, seen.first_at), (seen.second, seen.second_at))
        )
        assert torch.equal(first, second)
        assert any(torch.equal(first, whole[record, :, at : at + length]) for at in range(0, 1000, 8))


def test_whole_steps_are_hidden_in_all_leads_and_in_each_crop_apart(rows):
    _, _, masked = objective_on(rows, PRESETS["ts2vec"])
    blank = [~crop.ecg_mv.unflatten(2, (-1, 8)).any(dim=3).any(dim=1) for crop in (masked.first, masked.second)]
    assert all(0.4 < float(steps.float().mean()) < 0.6 for steps in blank)
    assert 0.4 < float((blank[0] == blank[1]).float().mean()) < 0.6


def test_short_records_are_compared_only_where_they_were_recorded(rows):
    objective, batch, _ = objective_on(rows, UNMASKED)
    whole = batch.signals()
    short = whole.valid.clone()
    short[0], short[1] = 300, 0
    signals = whole.__class__(**(vars(whole) | {"valid": short}))
    made = objective.views(ViewMaker(signals, build_views(ViewsConfig()), 0.0, torch.Generator().manual_seed(3)))
    assert made.seen[0].sum() <= 38
    assert not made.seen[1].any()
    assert made.seen[2:].all()
    assert torch.isfinite(objective(batch, made).total)


def test_the_loss_is_the_contrast_of_the_overlapping_steps(rows):
    objective, batch, seen = objective_on(rows, preset("ts2vec", ["objective.instance=0.3"]))
    objective.eval()
    z = []
    for crop, at in ((seen.first, seen.first_at), (seen.second, seen.second_at)):
        steps = objective.project(objective.encoder(crop.ecg_mv, crop.lead_mask).feature_map)
        z.append(torch.stack([one[:, int(k) : int(k) + 63].T for one, k in zip(steps, at, strict=True)]))
    expected = hierarchical_contrast(*z, seen.seen, 0.1)
    losses = objective(batch, seen)
    total = 0.3 * float(expected.instance.detach()) + 0.7 * float(expected.temporal.detach())
    assert float(losses.total.detach()) == pytest.approx(total, rel=1e-4)
    swapped = Crops(seen.second, seen.first, seen.second_at, seen.first_at, seen.seen)
    assert float(objective(batch, swapped).total.detach()) == pytest.approx(total, rel=1e-4)


def test_it_learns_and_a_collapse_is_warned_of(rows):
    objective, batch, seen = objective_on(rows, PRESETS["ts2vec"])
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    found = []
    for _ in range(8):
        losses = objective(batch, seen)
        found.append(float(losses.total.detach()))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert found[-1] < 0.85 * found[0]
    assert list(objective.warnings({"ts2vec_effective_rank": 1.5, "ts2vec_recognised_share": 1.0}, 64)) == [
        "ts2vec collapse"
    ]


def test_crops_that_need_not_overlap_are_refused():
    with pytest.raises(ValueError, match="crop"):
        Ts2VecSettings(crop=0.5)
