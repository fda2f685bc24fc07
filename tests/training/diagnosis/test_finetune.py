import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from beatssl.training.diagnosis.label_fit import label_loss, negatives_per_positive

from beatssl.inference.classifier import ClassificationHead, EcgClassifier, HeadConfig
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_folder import CheckpointError, save_model
from beatssl.inference.row_signals import RowSignals
from beatssl.models.encoded import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.signals.preparation import Preparation
from beatssl.store.labels import cohort
from beatssl.store.store import Store
from beatssl.training.diagnosis.finetune import FinetuneConfig, finetune
from beatssl.training.diagnosis.probe import ProbeConfig, probe
from beatssl.views.registry import ViewsConfig

TINY = EncoderConfig(width=0.25, depth=0.5)
FEW = {
    "encoder": "random", "network": TINY, "train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20,
    "epochs": 2, "least_updates": 4, "batch_size": 6, "precision": "float32", "cpu": True,
}  # fmt: skip


@pytest.fixture
def folded(store, monkeypatch):
    """The small store with three of its patients in each fold from 1 to 6, in the order they come."""
    number = pd.factorize(store.records["patient_id"])[0]
    monkeypatch.setattr("beatssl.store.store.Store.records", store.records.assign(fold=number % 6 + 1))
    return Store(store.path)


def reported(folder, store):
    """The saved model's probabilities beside the reported ones."""
    model = EcgClassifier.from_pretrained(folder / "head")
    table = pd.read_parquet(folder / "predictions.parquet").query("draw == 0")
    signals = RowSignals(store)(table["row"].to_numpy())
    found = model.probabilities(signals.ecg_mv, signals.lead_mask, signals.valid).numpy()
    return model, found, table[[f"p_{name}" for name in model.labels]].to_numpy()


@pytest.mark.parametrize(
    "options",
    [
        {"views": ViewsConfig(amplitude=1.0, lead_mask=0.5, temporal_scaling=0.5)},
        {"head": "mlp", "hidden": 8, "balance": 1.0, "average": 0.0, "precision": "bfloat16"},
        {"start": "fresh"},
        {"train": "head", "head": "mlp", "hidden": 8},
        {"train": "head", "balance": 0.5, "label_share": 0.5, "draws": 2},
    ],
)
def test_figures_and_a_model_that_gives_them(folded, tmp_path, options):
    figures = finetune(FinetuneConfig(store=folded.path, out=tmp_path, **FEW | options))
    assert json.loads((tmp_path / "metrics.json").read_text()) == figures
    layout = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe",
                               **{name: FEW[name] for name in list(FEW)[:6]}))  # fmt: skip
    assert set(layout) <= set(figures)
    assert layout["folds"] == figures["folds"]
    looks = figures["chosen"][0]["looks"]
    assert figures["chosen"][0]["valid_macro_auroc"] == max(look["valid_macro_auroc"] for look in looks)
    model, found, expected = reported(tmp_path, folded)
    assert np.allclose(found, expected, atol=1e-4)
    assert model.labels == tuple(figures["per_class"])
    assert model.provenance["figures"]["macro_auroc"] == figures["macro_auroc"]


def test_training_repeats_itself_and_moves_the_encoder_or_not(folded, tmp_path):
    kept = {}
    for name, train in (("one", "all"), ("again", "all"), ("head", "head")):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path / name, train=train, **FEW))
        kept[name] = EcgClassifier.from_pretrained(tmp_path / name / "head")
    fresh = build_encoder(TINY, 0).state_dict()
    one, again, head = (kept[name].state_dict() for name in kept)
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert all(torch.equal(value, head[f"encoder.{name}"]) for name, value in fresh.items())
    assert not all(torch.equal(value, one[f"encoder.{name}"]) for name, value in fresh.items())


def test_it_begins_where_the_probe_ends(folded, tmp_path):
    asked = {name: FEW[name] for name in list(FEW)[:6]}
    straight = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", **asked))
    tuned = finetune(FinetuneConfig(store=folded.path, out=tmp_path / "tuned", rate=1e-12, average=0.0, **FEW))
    looks = tuned["chosen"][0]["looks"]
    assert [look["update"] for look in looks] == [0, 2, 4]
    assert "loss" not in looks[0]
    for look in looks:
        assert look["valid_macro_auroc"] == pytest.approx(straight["chosen"][0]["valid_macro_auroc"])
    assert tuned["macro_auroc"] == pytest.approx(straight["macro_auroc"])
    one, other = (EcgClassifier.from_pretrained(tmp_path / name / "head").state_dict() for name in ("probe", "tuned"))
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=1e-5), name


def test_the_reported_fold_takes_no_part(folded, tmp_path, monkeypatch):
    def trained(name):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path / name, **FEW))
        return EcgClassifier.from_pretrained(tmp_path / name / "head").state_dict()

    before = trained("before")
    real = RowSignals.__call__
    last = folded.records.index[folded.records["fold"] == 6]

    def spoilt(self, rows):
        signals = real(self, rows)
        signals.ecg_mv[np.isin(rows, last)] = 5.0
        return signals

    monkeypatch.setattr(RowSignals, "__call__", spoilt)
    after = trained("after")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    only = finetune(FinetuneConfig(store=folded.path, out=tmp_path / "choose", choose_only=True, **FEW))
    assert only["folds"]["test"] == 5


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


def test_how_rare_positives_are(folded):
    group = cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)
    unknown = replace(group, known=group.known & (np.arange(len(group.row)) % 3 > 0)[:, None])
    for one in (group, unknown):
        for k, found in enumerate(negatives_per_positive(one, one.train)):
            labels = one.labels[one.train & one.known[:, k], k]
            assert found == pytest.approx(((~labels).sum() + 0.5) / (labels.sum() + 0.5))


def test_a_linear_head_gives_the_scores_it_was_given():
    rng = np.random.default_rng(0)
    values = rng.normal(3, [1, 1e-3, 1e-2], (50, 3)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 2)).astype(np.float32), np.array([0.5, -1], np.float32)
    head = ClassificationHead(3, HeadConfig(("a", "b"))).eval()
    head.standardise_as(values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64))
    head.be_linear(weight, bias)
    standard = (values - values.mean(axis=0, dtype=np.float64)) / values.std(axis=0, dtype=np.float64)
    with torch.no_grad():
        found = head(torch.from_numpy(values)).numpy()
    assert np.allclose(found, standard @ weight + bias, atol=1e-3)


def test_views_on_a_frozen_encoder_are_refused(folded, tmp_path):
    with pytest.raises(ValueError, match="views change what the encoder sees"):
        FinetuneConfig(store=folded.path, out=tmp_path, train="head", views=ViewsConfig(noise=0.5))


def test_one_record_is_too_few(folded, tmp_path):
    records = folded.records
    kept = records[records["fold"] >= 5].index.union(records[records["fold"] == 1].index[:1])
    path = tmp_path / "few.csv"
    path.write_text("record_id,odd\n" + "".join(f"{records['record_id'][row]},{row % 2}\n" for row in kept))
    with pytest.raises(ValueError, match="1 rows to learn from; two at least"):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path, labels=str(path), **FEW))


def classifier():
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
    told = back.predict(ecg_mv, ("V2", "II", "I"), 250.0)
    assert told == model.predict(ecg_mv, ("V2", "II", "I"), 250.0)
    with torch.no_grad():
        odds = back(*back.on_device(back.prepared(ecg_mv[None], ("V2", "II", "I"), 250.0)))[0].numpy()
    assert told == pytest.approx(dict(zip("AB", 1 / (1 + np.exp(-odds / [2.0, 0.5])), strict=True)), rel=1e-5)
    with pytest.raises(ValueError, match="none of the leads V1 holds a signal"):
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
