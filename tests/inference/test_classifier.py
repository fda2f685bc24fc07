"""The classifier: its head, its probabilities, and how it is kept."""

import json

import numpy as np
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.model_folder import save_model
from beatssl.inference.record_model import Head
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.signals.preparation import Preparation

TINY = EncoderConfig(width=0.25, depth=0.5)


def test_a_linear_head_gives_the_scores_it_was_given():
    rng = np.random.default_rng(0)
    values = rng.normal(3, [1, 1e-3, 1e-2], (50, 3)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 2)).astype(np.float32), np.array([0.5, -1], np.float32)
    head = Head(3, HeadConfig(("a", "b"))).eval()
    head.standardise_as(values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64))
    head.be_linear(weight, bias)
    standard = (values - values.mean(axis=0, dtype=np.float64)) / values.std(axis=0, dtype=np.float64)
    with torch.no_grad():
        found = head(torch.from_numpy(values)).numpy()
    assert np.allclose(found, standard @ weight + bias, atol=1e-3)


def classifier() -> EcgClassifier:
    encoder = build_encoder(TINY, 3)
    model = EcgClassifier(encoder, HeadConfig(("A", "B"), hidden=4), Preparation(100.0, 0.5, 40.0), {"seed": 3})
    model.decide(np.array([2.0, 0.5]), np.array([0.3, 1.0]))
    return model.eval()


def test_a_classifier_comes_back_and_tells_a_record_as_a_file_gives_it(tmp_path):
    model = classifier()
    model.save_pretrained(tmp_path / "kept")
    back = EcgClassifier.from_pretrained(tmp_path / "kept")
    assert (back.labels, back.config, back.provenance) == (("A", "B"), model.config, {"seed": 3})
    assert back.thresholds.tolist() == pytest.approx([0.3, 1.0])
    ecg_mv = np.random.default_rng(0).normal(size=(3, 2500)).astype(np.float32)
    predicted = back.predict(ecg_mv, ("V2", "II", "I"), 250.0, check="off")
    assert predicted == model.predict(ecg_mv, ("V2", "II", "I"), 250.0, check="off")
    with torch.no_grad():
        odds = back(*back.on_device(back.prepared(ecg_mv[None], ("V2", "II", "I"), 250.0, check="off")))[0].numpy()
    assert predicted == pytest.approx(dict(zip("AB", 1 / (1 + np.exp(-odds / [2.0, 0.5])), strict=True)), rel=1e-5)
    with pytest.raises(ValueError, match="the record: holds no finite sample"):
        back.predict(np.full((1, 1000), np.nan, np.float32), ("V1",), 100.0)
    nothing = back.probabilities(
        torch.zeros(2, 12, 500), torch.eye(12, dtype=torch.bool)[:2] & torch.tensor([[True], [False]])
    )
    assert nothing.isnan().tolist() == [[False, False], [True, True]]


def test_another_kind_or_another_head_is_refused(tmp_path):
    encoder = build_encoder(TINY)
    save_model(tmp_path / "encoder", BeatEncoder(encoder, Preparation(100.0, 0.5, 40.0), {}))
    with pytest.raises(CheckpointError, match="holds a saved encoder, not the classifier asked for"):
        EcgClassifier.from_pretrained(tmp_path / "encoder")
    classifier().save_pretrained(tmp_path / "kept")
    path = tmp_path / "kept" / "config.json"
    good = json.loads(path.read_text())
    for change, named in (({"layers": 3}, "(?s)does not know.*layers"), ({"hidden": 5}, "has the shape")):
        path.write_text(json.dumps(good | {"head": good["head"] | change}))
        with pytest.raises(CheckpointError, match=named):
            EcgClassifier.from_pretrained(tmp_path / "kept")
