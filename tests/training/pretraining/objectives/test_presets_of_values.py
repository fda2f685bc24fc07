"""Presets that are values of another method: physioclr, domain-ssl, and those of the pooled feature map."""

import numpy as np
import pytest
import torch

from beatssl.inference.encoder import BeatEncoder
from beatssl.store.standardise import FeatureStandardiser
from beatssl.training.pretraining.objectives import METHODS, PRESETS
from beatssl.training.pretraining.pretrain import pretrain

from .test_contract import objective_on


def test_physioclr_takes_records_with_a_cosine_above_the_threshold_for_positives(rows):
    objective, batch, views = objective_on(rows, PRESETS["physioclr"], at=range(24))
    losses = objective(batch, views)
    targets = losses.details["rhythm"].targets.numpy()
    scale = FeatureStandardiser.fit(rows.features, rows.median_beats_mv(), np.arange(24), 32)
    found = scale.transform(rows.features, rows.median_beats_mv())
    values, measured = found.values[batch.row], found.measured[batch.row].astype(float)
    for i in range(0, 24, 5):
        for j in range(24):
            if i == j:
                continue
            common = measured[i] * measured[j]
            size = np.sqrt((values[i] ** 2 * common).sum() * (values[j] ** 2 * common).sum())
            cosine = (values[i] * values[j] * common).sum() / size * np.sqrt(common.mean())
            if abs(cosine - 0.25) > 1e-5:
                assert targets[i, j] == (cosine >= 0.25), (i, j)
    others = targets[~np.eye(24, dtype=bool)]
    assert 0 < others.mean() < 1
    assert list(losses.parts) == ["rhythm"]


def test_domain_ssl_predicts_the_measurements_that_have_a_name(rows):
    values = PRESETS["domain-ssl"].objective
    target = METHODS["regression"].columns(rows, values).record["target"]
    more = METHODS["regression"].columns(rows, PRESETS["regression"].objective).record["target"]
    assert target.shape[1] + values.__class__().beat_shape >= more.shape[1] > target.shape[1]
    assert np.allclose(target, more[:, : target.shape[1]], atol=1e-6)
    objective, batch, views = objective_on(rows, PRESETS["domain-ssl"])
    assert torch.equal(views[0].ecg_mv, batch.signals().ecg_mv)
    assert list(objective(batch, views).parts) == ["regression"]


@pytest.mark.parametrize("name", ["simclr", "cmsc", "vicreg"])
def test_the_map_is_the_embedding(rows, name):
    objective, _, _ = objective_on(rows, PRESETS[f"{name}-map"])
    layered, _, _ = objective_on(rows, PRESETS[name])
    assert objective.encoder.embedding_size == 2 * objective.encoder.channels
    assert objective.encoder.config.embedding == 0
    assert not list(objective.encoder.embedding.parameters())
    assert layered.encoder.embedding_size == layered.encoder.config.embedding == 1024
    for weight, same in zip(objective.encoder.stages.parameters(), layered.encoder.stages.parameters(), strict=True):
        assert torch.equal(weight, same)
    assert PRESETS[f"{name}-map"].objective == PRESETS[name].objective


def test_a_run_on_the_map_keeps_an_encoder_of_the_map(config):
    made = pretrain(config(preset="simclr-map", epochs=1))
    encoder = BeatEncoder.from_pretrained(made.out / "checkpoint").encoder
    assert encoder.config.embedding == 0
    assert encoder.embedding_size == 2 * encoder.channels
