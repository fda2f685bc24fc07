from dataclasses import replace

import pytest
import torch

from beatssl.training.pretraining.objectives.masked_reconstruction import METHOD, Masked, MaskedSettings

from .test_contract import objective_on

PRESET = METHOD.presets["masked-reconstruction"]


def test_patches_of_all_leads_are_hidden_and_only_these(rows):
    _, batch, seen = objective_on(rows, PRESET)
    whole = batch.signals().ecg_mv
    assert torch.equal(seen.whole.ecg_mv, whole)
    assert torch.equal(seen.shown.ecg_mv, whole.masked_fill(seen.hidden, 0))
    assert (seen.hidden == seen.hidden[:, :1]).all()
    patches = seen.hidden[:, 0].unflatten(1, (-1, 20))
    assert ((patches.sum(dim=2) == 0) | (patches.sum(dim=2) == 20)).all()
    assert 0.4 < float(patches[:, :, 0].float().mean()) < 0.6


def test_the_embedding_is_of_the_map_alone_which_is_what_learns(rows):
    objective, _, _ = objective_on(rows, PRESET)
    assert objective.encoder.embedding_size == 2 * objective.encoder.channels
    assert all(weight.requires_grad for weight in objective.parameters())


def test_the_loss_is_the_mean_over_hidden_samples_alone(rows):
    objective, batch, seen = objective_on(rows, PRESET)
    objective.eval()
    few = seen.hidden.clone()
    few[1:], few[:, 2:], few[:, :, 400:] = False, False, False
    seen = seen._replace(hidden=few)
    encoded = objective.encoder(seen.shown.ecg_mv, seen.shown.lead_mask)
    steps, stride = objective.reconstruct(encoded.feature_map), encoded.stride
    errors = []
    for record, lead, sample in few.nonzero().tolist():
        found = steps[record, lead * stride + sample % stride, sample // stride]
        errors.append(float((found - 4 * seen.whole.ecg_mv[record, lead, sample]).detach()) ** 2)
    assert steps.shape[1] == 12 * stride
    loss = float(objective(batch, seen).total.detach())
    assert loss == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    louder = replace(seen.whole, ecg_mv=torch.where(seen.hidden, seen.whole.ecg_mv, 100.0))
    assert float(objective(batch, Masked(seen.shown, louder, seen.hidden)).total.detach()) == pytest.approx(loss)
    nothing = Masked(seen.shown, seen.whole, torch.zeros_like(seen.hidden))
    assert float(objective(batch, nothing).total.detach()) == 0


def test_it_learns_to_reconstruct(rows):
    objective, batch, seen = objective_on(rows, PRESET)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = objective(batch, seen).total
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_shares_that_hide_nothing_or_all_are_refused():
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="share"):
            MaskedSettings(share=share)
