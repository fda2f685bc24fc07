"""Encoder, classifier and segmenter answer alike: one record as a file gives it, or several; else they say why not."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl import BeatEncoder, EcgClassifier, EcgSegmenter
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.model_folder import SavedModel
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.store import Store

MODELS = (BeatEncoder, EcgClassifier, EcgSegmenter)


@pytest.fixture(scope="module", params=MODELS, ids=lambda model: model.kind.name)
def model(request: pytest.FixtureRequest) -> SavedModel:
    """The bundled weights, written by version 0.1; not to be changed."""
    return request.param.from_pretrained("default")


@pytest.fixture(scope="module")
def segmenter() -> EcgSegmenter:
    return EcgSegmenter.from_pretrained("default")


@pytest.fixture(scope="module")
def recorded(store: Store) -> np.ndarray:
    """Three records of leads II, V1 and V5."""
    return store.ecg_mv([0, 5, 9])[:, [1, 6, 10]]


SHOWN = ("II", "V1", "V5")


def test_bundled_weights_say_how_their_input_is_prepared(model):
    assert model.preparation == Preparation(*((200.0, 0.5, 80.0) if model.kind.name == "segmenter" else (100, 0.5, 40)))
    assert not model.training


def test_several_records_are_answered_as_each_alone(model, recorded):
    together = model.predict_batch(recorded, SHOWN, 100.0)
    for k, one in enumerate(recorded):
        alone = model.predict(one, SHOWN, 100.0)
        if isinstance(model, BeatEncoder):
            np.testing.assert_allclose(together[k], alone, rtol=1e-3, atol=1e-4)
        elif isinstance(model, EcgClassifier):
            assert together.iloc[k].to_dict() == pytest.approx(alone, abs=1e-5)
        else:
            own = together[together["record"] == k].drop(columns="record").reset_index(drop=True)
            pd.testing.assert_frame_equal(own, alone)


def test_answers_have_names(recorded, segmenter):
    assert BeatEncoder.from_pretrained("default").predict(recorded[0], SHOWN, 100.0).shape == (1024,)
    classifier = EcgClassifier.from_pretrained("default")
    probability = classifier.predict(recorded[0], SHOWN, 100.0)
    assert tuple(probability) == classifier.labels
    assert classifier.labels[:5] == ("NORM", "MI", "STTC", "CD", "HYP")
    assert all(0 < value < 1 for value in probability.values())
    waves = segmenter.predict(recorded[0], ("II", "ECG7", "V5"), 100.0)
    assert set(waves["lead"]) == {"II", "ECG7", "V5"}
    assert set(waves["wave"]) == {"P", "QRS", "T"}
    assert waves[["onset_s", "offset_s"]].max(axis=None) < 10
    assert waves[["onset_confidence", "offset_confidence"]].stack().between(0, 1).all()


def test_a_record_of_a_store_is_not_filtered_again(model, recorded, monkeypatch):
    monkeypatch.setattr("beatssl.signals.preparation.bandpass", lambda *signal: pytest.fail("filtered again"))
    model.predict(recorded[0], SHOWN, 100.0, already_filtered=True)


@pytest.mark.parametrize(
    ("change", "leads", "fs_hz", "named"),
    [
        (lambda x: x.T, SHOWN, 100.0, "shape (1000, 3) with 3 lead names is (time, lead); pass ecg_mv.T"),
        (lambda x: x[:2], SHOWN, 100.0, "shape (2, 1000) with 3 lead names (II, V1, V5); pass a name for each lead"),
        (lambda x: x, SHOWN, 0.0, "fs_hz=0; pass the sampling rate of ecg_mv in Hz"),
        (lambda x: x, SHOWN, -1.0, "fs_hz=-1; pass the sampling rate of ecg_mv in Hz"),
        (lambda x: x, SHOWN, np.nan, "fs_hz=nan; pass the sampling rate of ecg_mv in Hz"),
    ],
)
def test_what_is_no_record_is_refused_in_the_same_words(model, recorded, change, leads, fs_hz, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        model.predict(change(recorded[0]), leads, fs_hz)
    batch = np.stack([change(one) for one in recorded])
    with pytest.raises(ValueError, match=re.escape(named)):
        model.predict_batch(batch, leads, fs_hz)


def test_the_record_of_a_batch_that_is_not_measured_is_named(model, recorded):
    spoilt = recorded.copy()
    spoilt[1] = np.nan
    with pytest.raises(ValueError, match="record 1: holds no finite sample"):
        model.predict_batch(spoilt, SHOWN, 100.0)
    with pytest.raises(ValueError, match="V5 of record 1 holds a signal"):
        model.predict_batch(spoilt, SHOWN, 100.0, check="off")


def test_only_a_segmenter_takes_a_lead_of_no_standard_place(model, recorded):
    if isinstance(model, EcgSegmenter):
        assert len(model.predict(recorded[0, :1], ("belly",), 100.0)) > 10
    else:
        with pytest.raises(ValueError, match="'belly' is no name of an ECG lead"):
            model.predict(recorded[0, :1], ("belly",), 100.0)


def test_weights_of_version_0_1_open_under_their_new_names(segmenter):
    kernel = segmenter.state_dict()["decimation.kernel"]
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert not any(name.startswith("thinning") for name in segmenter.state_dict())


def test_a_segmenter_is_of_the_twelve_leads(segmenter):
    other = replace(segmenter.preparation, leads=())
    with pytest.raises(CheckpointError, match="names the leads as recorded; its encoder takes the twelve"):
        EcgSegmenter(segmenter.encoder, segmenter.decoder, other, {})


def test_the_same_record_by_any_names_of_its_leads(model, recorded):
    if isinstance(model, EcgSegmenter):
        one, other = (model.predict(recorded[0], names, 100.0) for names in (SHOWN, ("MLII", "C1", "lead V5")))
        assert other["lead"].unique().tolist() == ["MLII", "C1", "lead V5"]
        pd.testing.assert_frame_equal(one.drop(columns="lead"), other.drop(columns="lead"))
    elif isinstance(model, EcgClassifier):
        assert model.predict(recorded[0], SHOWN, 100.0) == model.predict(recorded[0], ("MLII", "C1", "V5"), 100.0)
    else:
        named = model.predict(recorded[0], ("MLII", "C1", "V5"), 100.0)
        np.testing.assert_array_equal(named, model.predict(recorded[0], SHOWN, 100.0))


def test_classifier_without_a_measured_lead_gives_nan_below_predict():
    classifier = EcgClassifier.from_pretrained("default")
    mask = torch.zeros(1, len(LEADS), dtype=torch.bool)
    assert classifier.probabilities(torch.zeros(1, 12, 500), mask).isnan().all()


def test_a_file_in_place_of_a_folder_is_called_one(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model.safetensors is a file; pass the folder of a checkpoint"):
        EcgClassifier.from_pretrained(str(tmp_path / "model.safetensors"))
