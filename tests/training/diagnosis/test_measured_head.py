"""A head that sees measured features beside the embedding, and records with fewer leads."""

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.measured_features import measure_features
from beatssl.inference.record_model import FeatureScale
from beatssl.results import read_result, to_json
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.config import FinetuneConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.finetune import finetune
from beatssl.training.diagnosis.frozen_inputs import EmbeddedInputs, features_with, leads_of_set

FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20, "encoder": "random"}
TREES = ("NORM", "MI")


@pytest.fixture(scope="module")
def learnt(folded, tmp_path_factory):
    out = tmp_path_factory.mktemp("measured") / "run"
    config = FinetuneConfig(
        store=folded.path, out=out, train="head", head="mlp", hidden=8, features=True, lead_sets=("I,II", "V2"),
        trees=TREES, epochs=2, optim=OptimConfig(batch_size=8),
        run=RunConfig(device="cpu", save_every=1, log_every=1), **FOLDS,
    )  # fmt: skip
    return out, finetune(config)


def test_features_of_stored_signals_are_nearly_those_of_the_store(folded):
    names = [name for name in folded.features.columns if name != "beat_count"]
    rows = np.arange(len(folded))
    samples = folded.records["samples"].to_numpy(np.int64)
    found = measure_features(folded.ecg_mv(rows), folded.leads, folded.preparation, names, samples)
    kept = folded.features[names].to_numpy(np.float32)
    assert (np.isnan(found) == np.isnan(kept)).mean() > 0.99  # the store rounds signals to 1 µV
    spread = np.nanstd(kept, axis=0)
    apart = np.abs(found - kept)[:, spread > 0] / spread[spread > 0]
    assert np.nanquantile(apart, 0.95) < 0.1


def test_a_record_without_beats_has_no_features(folded):
    names = list(folded.features.columns)
    ecg_mv = np.full((2, 12, 1000), np.nan, np.float32)
    ecg_mv[0] = folded.ecg_mv([0])[0]
    found = measure_features(ecg_mv, folded.leads, folded.preparation, names)
    assert np.isfinite(found[0]).any()
    assert np.isnan(found[1]).all()


def test_features_of_leads_withheld_are_not_measurable(folded):
    names = ["r_mv_V2", "r_mv_II", "rate_bpm"]
    names = [next((c for c in folded.features.columns if c == name), folded.features.columns[0]) for name in names]
    found = features_with(folded, np.arange(4), ("II",), names, cache=False)
    of_v2 = [k for k, name in enumerate(names) if name.endswith("V2")]
    assert np.isnan(found[:, of_v2]).all()
    assert np.isfinite(found[:, names.index("rate_bpm")]).all()


def test_leads_of_a_set():
    assert leads_of_set("I,II") == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert leads_of_set("V2, II") == ("II", "V2")
    with pytest.raises(ValueError, match="'X' is none of the twelve leads; they are I, II"):
        leads_of_set("I,X")


def test_scale_of_features():
    values = np.array([[1.0, np.nan, 5.0], [3.0, np.nan, 5.0], [np.nan, np.nan, 5.0]], np.float32)
    scale = FeatureScale(3)
    scale.fit(values)
    found = scale(torch.tensor([[2.0, torch.nan, 5.0], [1e6, 4.0, torch.nan]]))
    assert torch.isfinite(found).all()
    assert found[0].tolist() == pytest.approx([0, 0, 0, 0, 1, 0], abs=1e-5)
    assert found[1, 0] < 1.1  # far out is cut
    assert found[1, 3:].tolist() == [0, 0, 1]


def test_half_of_the_rows_are_shown_with_a_lead_set():
    inputs = EmbeddedInputs(torch.arange(3.0)[:, None, None].expand(3, 4000, 1).clone())
    (seen,) = inputs.augmented(inputs.read(np.arange(4000)), torch.Generator().manual_seed(0))
    share = [(seen == variant).float().mean().item() for variant in range(3)]
    assert share == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    assert (inputs.plain(inputs.read(np.arange(5)))[0] == 0).all()


def test_the_model_gives_the_probabilities_of_the_table(folded, learnt):
    out, _ = learnt
    model = EcgClassifier.from_pretrained(out)
    assert "rate_bpm" in model.config.features
    assert "beat_count" not in model.config.features
    table = pd.read_parquet(out / "predictions.parquet")
    ecg_mv = folded.ecg_mv(table["row"].to_numpy())
    there = torch.from_numpy(np.isfinite(ecg_mv).any(axis=2))
    samples = torch.from_numpy(folded.records["samples"].to_numpy(np.int64)[table["row"]])
    found = model.probabilities(torch.from_numpy(np.nan_to_num(ecg_mv)), there, samples).numpy()
    apart = np.abs(found - table[[f"p_{name}" for name in model.labels]].to_numpy())
    assert np.median(apart) < 0.01  # features of rounded signals are nearly those of the store
    one = model.predict(ecg_mv[0], folded.leads, folded.fs_hz, already_filtered=True, check="off")
    assert set(one) == set(model.labels)


def test_trees_share_the_score_of_their_labels(learnt):
    model = EcgClassifier.from_pretrained(learnt[0])
    assert model.config.trees == TREES
    embedding, features = torch.randn(300, model.encoder.embedding_size), torch.randn(300, len(model.config.features))
    labels = np.stack([features[:, 0] > 0, features[:, 1] > 0], axis=1)
    model.head.trees.fit(features.numpy(), labels, np.ones_like(labels), 0)  # the cohort is too small for a split
    both, trees = model.head(embedding, features), model.head.trees(features)
    alone = model.head.scores(model.head.standardised(embedding, features))
    assert (trees != trees[:1]).any()
    for number, name in enumerate(model.labels):
        wanted = (alone[:, number] + trees[:, TREES.index(name)]) / 2 if name in TREES else alone[:, number]
        torch.testing.assert_close(both[:, number], wanted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trees": ("MI", "XY")}, "'XY' is no label; pass some of "),
        ({"trees": ("MI",), "labels": "column:age_years"}, "age_years are numbers: leave it out"),
    ],
)
def test_trees_of_what_is_no_label(folded, tmp_path, changes, said):
    config = FinetuneConfig(store=folded.path, out=tmp_path, train="head", features=True, **FOLDS, **changes)
    with pytest.raises(ValueError, match=said):
        finetune(config)


def test_figures_are_given_for_each_lead_set(learnt):
    out, figures = learnt
    assert set(figures.by_leads) == {"I,II", "V2"}
    assert figures.by_leads["V2"]["labels"].labels == len(figures.per_class)
    assert to_json(read_result(out / "metrics.json", DiagnosisFigures).by_leads) == to_json(figures.by_leads)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": True}, "features= and lead_sets= are for a head on a frozen encoder; add train='head'"),
        ({"train": "head", "trees": ("MI",)}, "are grown on the measured features; add features=True"),
        ({"lead_sets": ("II",), "train": "head", "shown_leads": ("II",)}, "leave shown_leads= out"),
    ],
)
def test_what_does_not_go_together(folded, tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        FinetuneConfig(store=folded.path, out=tmp_path, **changes)
