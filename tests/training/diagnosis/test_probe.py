import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.embedding import embed
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CheckpointError
from beatssl.metrics.classification import f1
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoded, Encoder
from beatssl.models.encoder import build_encoder
from beatssl.results import printed, read_result, to_json
from beatssl.store.labels import cohort, labels_of, parse_folds
from beatssl.store.splits import SplitError
from beatssl.training.diagnosis.config import INVERSE_PENALTIES, ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures, figures_of
from beatssl.training.diagnosis.learnable import LearntLabels
from beatssl.training.diagnosis.probe import fit, probe, scaled, valid_auroc
from beatssl.training.diagnosis.question import ask

FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20}


class Averages(Encoder):
    """An encoder that hands its signals through, one sample in ten, so that embeddings are known."""

    def __init__(self):
        super().__init__(EncoderConfig(embedding=0), 10, 12, {10: 12})

    def forward(self, ecg_mv, lead_mask):
        return Encoded(ecg_mv[:, :, ::10], [], 10)


def test_embeddings_are_mean_and_maximum_over_time(store):
    rows = [5, 1, 20]
    found = embed(Averages(), store, rows, batch_size=2)
    ecg_mv = store.ecg_mv(rows)[:, :, ::10]
    assert np.allclose(found, np.concatenate([ecg_mv.mean(axis=2), ecg_mv.max(axis=2)], axis=1), atol=1e-5)


def test_withheld_leads_are_as_if_never_recorded(store):
    shown = ("II", "V5")
    found = embed(Averages(), store, [3, 4], leads=shown)
    ecg_mv = store.ecg_mv([3, 4])[:, :, ::10] * np.isin(store.leads, shown)[:, None]
    assert np.allclose(found, np.concatenate([ecg_mv.mean(axis=2), ecg_mv.max(axis=2)], axis=1), atol=1e-5)
    with pytest.raises(ValueError, match="'V9' is no lead of store"):
        embed(Averages(), store, [3], leads=("V9",))


def test_leads_are_withheld_from_validation_and_test_records(folded, tmp_path):
    config = ProbeConfig(store=folded.path, out=tmp_path, encoder="random", shown_leads=("II",), **FOLDS)
    assert probe(config).shown_leads == ("II",)
    head = EcgClassifier.from_pretrained(tmp_path / "head")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    ecg_mv = torch.from_numpy(np.nan_to_num(folded.ecg_mv(table["row"].to_numpy())))
    samples = torch.from_numpy(folded.records["samples"].to_numpy()[table["row"]])
    shown = torch.tensor([name == "II" for name in folded.leads])
    found = head.probabilities(ecg_mv * shown[:, None], shown.expand(len(ecg_mv), -1), samples).numpy()
    assert np.allclose(found, table[[f"p_{name}" for name in head.labels]], atol=2e-4)
    whole = replace(config, out=tmp_path / "all", shown_leads=())
    probe(whole)
    scale = EcgClassifier.from_pretrained(tmp_path / "all").state_dict()  # training saw every lead in both
    assert all(torch.equal(value, head.state_dict()[name]) for name, value in scale.items() if "scale" in name)


def test_thresholds_are_probabilities_in_figures_file_and_head(folded, tmp_path):
    figures = probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS))
    head = EcgClassifier.from_pretrained(tmp_path / "head")
    found = [figures.per_class[name].threshold for name in head.labels]
    assert found == pytest.approx(head.thresholds.tolist(), abs=1e-6)
    assert all(0 <= value <= 1 for value in found)
    written = json.loads((tmp_path / "metrics.json").read_text())["per_class"]
    assert [written[name]["threshold"] for name in head.labels] == pytest.approx(found)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    test = table[table["fold"] == FOLDS["test_fold"]]
    name = head.labels[0]
    assert figures.per_class[name].f1 == pytest.approx(
        f1(test[f"true_{name}"].to_numpy(bool), test[f"p_{name}"].to_numpy() >= found[0])
    )


def test_embedding_leaves_the_encoder_in_training_or_not(store):
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5)).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    one, two = (embed(encoder, store, [0, 1, 2, 3], size) for size in (2, 4))
    assert np.allclose(one, two, atol=1e-4)
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_metrics_in_the_layout_of_the_protocol(folded, tmp_path):
    figures = probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS))
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written == to_json(figures) == to_json(read_result(tmp_path / "metrics.json", DiagnosisFigures))
    expected = ["encoder", "config_hash", "seed", "labels", "label_share", "folds", "records", "macro_auroc",
                "macro_auprc", "macro_f1", "per_class", "ci95"]  # fmt: skip
    assert set(expected) <= written.keys()
    assert written["folds"] == {"train": [1, 2, 3, 4], "valid": 5, "test": 6}
    assert written["records"].keys() == {"train", "valid", "test", "dropped"}
    assert sum(written["records"].values()) == len(folded)
    assert written["ci95"].keys() == {"macro_auroc", "macro_auprc", "macro_f1"}
    assert not {"draws", "chosen", "reliability", "pretraining"} & printed(figures).keys()
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["fold"]) == {5, 6}
    assert len(table) == figures.records.valid + figures.records.test
    assert table.filter(like="p_").to_numpy().min() >= 0
    names = folded.labels.query("label_set == 'superclass'").groupby("label").size()
    assert set(table.filter(like="true_").columns) == {f"true_{name}" for name in names.index}


def test_the_head_gives_the_probabilities_in_the_predictions(folded, tmp_path):
    figures = probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS))
    head = EcgClassifier.from_pretrained(tmp_path / "head")
    assert head.labels == tuple(figures.per_class)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    ecg_mv = folded.ecg_mv(table["row"].to_numpy())
    samples = torch.from_numpy(folded.records["samples"].to_numpy()[table["row"]])
    there = torch.from_numpy(np.isfinite(ecg_mv).any(axis=2))
    found = head.probabilities(torch.from_numpy(np.nan_to_num(ecg_mv)), there, samples).numpy()
    assert np.allclose(found, table[[f"p_{name}" for name in head.labels]], atol=2e-4)
    provenance = json.loads((tmp_path / "head" / "config.json").read_text())["provenance"]
    assert provenance["figures"]["macro_auroc"] == figures.macro_auroc
    for name, own in provenance["figures"]["per_class"].items():
        assert own["auroc"] == (figures.per_class[name].auroc if np.isfinite(figures.per_class[name].auroc) else None)
        assert 0 <= own["training_prevalence"] <= 1
    with pytest.raises(CheckpointError, match="holds a saved classifier, not the encoder asked for"):
        BeatEncoder.from_pretrained(tmp_path / "head")


def test_the_probe_repeats_itself(folded, tmp_path):
    runs = [probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS)) for _ in range(2)]
    assert to_json(runs[0]) == to_json(runs[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_encoder_runs_on_a_gpu(folded, tmp_path):
    config = ProbeConfig(store=folded.path, out=tmp_path, encoder="random", device="cpu", **FOLDS)
    probe(config)
    tables = [pd.read_parquet(tmp_path / "predictions.parquet")]
    probe(replace(config, device="cuda"))
    tables.append(pd.read_parquet(tmp_path / "predictions.parquet"))
    assert np.allclose(*(table.filter(like="p_") for table in tables), atol=0.02)


def test_a_device_that_is_not_there_is_refused(folded, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda': PyTorch finds no GPU"):
        probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", device="cuda", **FOLDS))


def test_shares_of_labels_by_patient(folded, tmp_path):
    config = ProbeConfig(store=folded.path, out=tmp_path, encoder="random", label_share=0.5, draws=3, **FOLDS)
    figures = probe(config)
    assert len(figures.draws) == 3
    assert np.isclose(figures.macro_auprc, np.mean([draw.macro_auprc for draw in figures.draws]))
    for name, mean in figures.per_class.items():
        assert np.isnan([*mean.auroc_ci95, mean.threshold]).all()
        assert np.isclose(mean.f1, np.mean([draw.per_class[name].f1 for draw in figures.draws]), equal_nan=True)
    whole = cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)
    assert figures.records.train < whole.train.sum()
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["draw"]) == {0, 1, 2}


def test_several_seeds_learn_from_the_same_labels_where_the_draws_have_a_seed_of_their_own(folded, tmp_path):
    small = EncoderConfig(width=0.25, depth=0.5)
    shared = {"store": folded.path, "encoder": "random", "network": small, "label_share": 0.5, "draws": 2, **FOLDS}
    first, own, same = (
        ask(ProbeConfig(out=tmp_path, seed=seed, draw_seed=draw_seed, **shared)).draws
        for seed, draw_seed in ((0, None), (1, None), (1, 0))
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, own)


def test_the_test_fold_takes_no_part(folded):
    group = cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)
    values = np.random.default_rng(0).normal(size=(len(group.row), 12)).astype(np.float32)
    line, quality = fit(values, LearntLabels(group, group.train), INVERSE_PENALTIES)
    spoilt = values.copy()
    spoilt[group.test] = np.nan
    lied = replace(group, labels=group.labels & ~group.test[:, None])
    again, same = fit(spoilt, LearntLabels(lied, group.train), INVERSE_PENALTIES)
    assert (line.weight == again.weight).all()
    assert quality == same
    encoder = Averages()
    assert 0 <= valid_auroc(encoder, folded, group) <= 1


def test_scaling_is_fitted_to_the_rows_used():
    values = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    values[:, 2] = 7
    used = np.arange(50) < 30
    out = scaled(values, used)
    assert np.allclose(out[used].mean(axis=0), 0, atol=1e-5)
    assert np.allclose(out[used].std(axis=0), [1, 1, 0, 1], atol=1e-5)
    assert abs(out[~used, 0].mean()) > 1e-3


def test_labels_of_a_csv_file_long_and_wide(store, tmp_path):
    ids = store.records["record_id"]
    long = tmp_path / "long.csv"
    long.write_text(f"record_id,label\n{ids[3]},VT\n{ids[3]},AF\n{ids[7]},AF\n")
    wide = tmp_path / "wide.csv"
    wide.write_text(f"record_id,AF,VT\n{ids[7]},1,0\n{ids[3]},1,1\n{ids[1]},0,0\n{ids[2]},,1\n{ids[4]},,\n")
    statements, entries = labels_of(store, str(long)), labels_of(store, str(wide))
    for found in (statements, entries):
        assert found.names == ("AF", "VT")
    assert np.argwhere(statements.given).tolist() == [[3, 0], [3, 1], [7, 0]]
    assert np.flatnonzero(statements.known.all(axis=1)).tolist() == [3, 7]
    assert np.argwhere(entries.given).tolist() == [[2, 1], [3, 0], [3, 1], [7, 0]]
    assert np.argwhere(entries.known).tolist() == [[1, 0], [1, 1], [2, 1], [3, 0], [3, 1], [7, 0], [7, 1]]
    long.write_text("record_id,label\nnobody,VT\n")
    with pytest.raises(ValueError, match=r"1 of 1 records of .* 'nobody' first"):
        labels_of(store, str(long))
    wide.write_text(f"record_id,AF\n{ids[7]},2\n")
    with pytest.raises(ValueError, match="'AF' holds whole numbers such as 2"):
        labels_of(store, str(wide))


def test_unknown_labels_are_neither_trained_on_nor_scored(folded, tmp_path):
    truth = folded.targets("superclass")["MI"].to_numpy()
    rng = np.random.default_rng(0)
    known = rng.random(len(folded)) < 0.7
    entry = np.where(known, truth.astype(int).astype(str), "")
    path = tmp_path / "some.csv"
    lines = zip(folded.records["record_id"], entry, rng.integers(0, 2, len(folded)), strict=True)
    path.write_text("record_id,MI,other\n" + "".join(f"{name},{mi},{other}\n" for name, mi, other in lines))
    group = cohort(folded, str(path), (1, 2, 3, 4), 5, 6)
    assert (group.known[:, 0] == known).all()
    values = rng.normal(size=(len(group.row), 6)).astype(np.float32)
    line, quality = fit(values, LearntLabels(group, group.train), (0.01,))
    lied = replace(group, labels=group.labels ^ ~group.known)
    again, same = fit(values, LearntLabels(lied, lied.train), (0.01,))
    assert (line.weight == again.weight).all()
    assert quality == same
    scores = line.scores(values)
    people = folded.records.iloc[group.row]
    figures, of_lies = (figures_of(one, people, [scores], 0, 20) for one in (group, lied))
    assert to_json(figures) == to_json(of_lies)
    few = known[group.row] & group.test
    assert figures.per_class["MI"].positives == truth[group.row][few].sum()
    run = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", encoder="random", labels=str(path), **FOLDS))
    assert run.records.dropped == 0
    table = pd.read_parquet(tmp_path / "probe" / "predictions.parquet")
    assert table["true_MI"].isna().sum() == (~known[table["row"]]).sum() > 0


def test_unlabelled_rows_are_dropped_or_kept_as_negatives(folded, tmp_path):
    path = tmp_path / "few.csv"
    ids = folded.records["record_id"]
    path.write_text("record_id,label\n" + "".join(f"{name},AF\n" for name in ids[::2]))
    dropped = cohort(folded, str(path), (1, 2, 3, 4), 5, 6)
    kept = cohort(folded, str(path), (1, 2, 3, 4), 5, 6, keep_unlabelled=True)
    assert dropped.dropped == 12
    assert len(dropped.row) == 12
    assert (kept.dropped, len(kept.row)) == (0, 24)
    assert kept.labels.sum() == dropped.labels.sum()


@pytest.mark.parametrize(("text", "folds"), [("1-3,8", (1, 2, 3, 8)), ("", ()), ("4", (4,)), ("2, 1", (1, 2))])
def test_folds(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["a", "3-1", "1-", "-2", "1..3"])
def test_no_folds(text):
    with pytest.raises(ValueError, match="are no folds"):
        parse_folds(text)


def test_overlapping_folds_are_refused(folded):
    with pytest.raises(SplitError, match="overlap"):
        cohort(folded, "superclass", (1, 2, 3), 3, 6)


def test_a_label_of_one_class_is_named_or_refused(folded, tmp_path):
    ids = folded.records["record_id"]
    path = tmp_path / "my.csv"
    truth = folded.targets("superclass")["MI"].astype(int)
    path.write_text("record_id,MI,never\n" + "".join(f"{n},{mi},no\n" for n, mi in zip(ids, truth, strict=True)))
    config = ProbeConfig(
        store=folded.path, out=tmp_path / "out", encoder="random", labels=str(path), overwrite=True, **FOLDS
    )
    assert probe(config).one_class == ("never",)
    with pytest.raises(ValueError, match="0 of 14 have 'never'; both rows with it and rows without"):
        probe(replace(config, labels=f"{path}:never"))


def test_the_hash_of_the_config_is_of_what_the_file_of_labels_holds(folded, tmp_path):
    path = tmp_path / "my.csv"
    truth = folded.targets("superclass")["MI"].astype(int).tolist()
    hashes = []
    for entries in (truth, truth, [1 - truth[0], *truth[1:]]):
        lines = zip(folded.records["record_id"], entries, strict=True)
        path.write_text("record_id,MI\n" + "".join(f"{name},{entry}\n" for name, entry in lines))
        config = ProbeConfig(
            store=folded.path, out=tmp_path / "out", encoder="random", labels=str(path), overwrite=True, **FOLDS
        )
        hashes.append(probe(config).config_hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_results_of_another_probe_are_refused(folded, tmp_path):
    config = ProbeConfig(store=folded.path, out=tmp_path / "out", encoder="random", device="cpu", **FOLDS)
    figures = probe(config)
    assert to_json(probe(config)) == to_json(figures)
    with pytest.raises(ValueError, match=r"another config .*: probe.seed: 0 against 1; pass another"):
        probe(replace(config, seed=1))
    assert to_json(read_result(config.out / "metrics.json", DiagnosisFigures)) == to_json(figures)
    assert probe(replace(config, seed=1, overwrite=True)).seed == 1


def test_labels_of_several_sets_and_figures_of_each(folded, copied_with, tmp_path):
    rhythm = folded.labels.drop_duplicates("row").assign(label_set="scp", label="SR")
    rhythm.loc[rhythm["row"] % 3 == 0, "label"] = "AFIB"
    store = copied_with(folded, labels=pd.concat([folded.labels, rhythm]))
    found = labels_of(store, "all+superclass")
    assert found.sets["all"] == found.sets["rhythm"] == ("AFIB", "SR")
    superclasses = folded.targets("superclass")
    for name in found.sets["superclass"]:
        at = found.names.index(name)
        assert (found.given[:, at] == superclasses[name]).all()
        assert (found.known[:, at] == superclasses.any(axis=1)).all()
    config = ProbeConfig(store=store.path, out=tmp_path / "probe", encoder="random", labels="all+superclass", **FOLDS)
    figures = probe(config)
    alone = probe(replace(config, out=tmp_path / "alone", labels="superclass", inverse_penalties=(0.01,)))
    both = probe(replace(config, out=tmp_path / "both", inverse_penalties=(0.01,)))
    assert both.by_set["superclass"].macro_auroc == pytest.approx(alone.macro_auroc, abs=0.02)
    assert figures.by_set["superclass"].labels == 5
    assert figures.by_set["all"].few == ("AFIB", "SR")
    written = read_result(tmp_path / "probe" / "metrics.json", DiagnosisFigures).by_set
    assert to_json(written) == to_json(figures.by_set)


def test_a_name_of_two_sets_is_told_apart(folded, copied_with):
    labels = folded.labels[folded.labels["label_set"].isin(["superclass"])]
    other = labels.assign(label_set="other").iloc[:-3]
    found = labels_of(copied_with(folded, labels=pd.concat([labels, other])), "superclass+other")
    last = labels["label"].iloc[-1]
    assert f"{last} (other)" in found.names
