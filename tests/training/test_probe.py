import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.dataset.splits import SplitError
from beatssl.dataset.store import Store
from beatssl.models.encoded import Encoded, EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.embedding import embed
from beatssl.training.labels import cohort, labels_of_csv, parse_folds
from beatssl.training.probe import INVERSE_PENALTIES, ProbeConfig, fit, probe, scaled, valid_auroc

FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20}


@pytest.fixture
def folded(store, monkeypatch):
    """The small store with three of its patients in each fold from 1 to 6, in the order they come."""
    number = pd.factorize(store.records["patient_id"])[0]
    monkeypatch.setattr("beatssl.dataset.store.Store.records", store.records.assign(fold=number % 6 + 1))
    return Store(store.path)  # one that has not read its table yet


class Averages(torch.nn.Module):
    """An encoder that hands its signals through, one sample in ten, so that embeddings are known."""

    def forward(self, ecg_mv, lead_mask):
        return Encoded(ecg_mv[:, :, ::10], [], 10)


def test_embeddings_are_mean_and_maximum_over_time(store):
    rows = [5, 1, 20]
    found = embed(Averages(), store, rows, batch_size=2)
    ecg_mv = store.ecg_mv(rows)[:, :, ::10]
    assert np.allclose(found, np.concatenate([ecg_mv.mean(axis=2), ecg_mv.max(axis=2)], axis=1), atol=1e-5)


def test_embedding_leaves_the_encoder_in_training_or_not(store):
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5)).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    one, two = (embed(encoder, store, [0, 1, 2, 3], size) for size in (2, 4))
    assert np.allclose(one, two, atol=1e-4)
    assert encoder.training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_metrics_in_the_layout_of_the_protocol(folded, tmp_path):
    figures = probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS))
    assert json.loads((tmp_path / "metrics.json").read_text()) == figures
    expected = ["encoder", "config_hash", "seed", "labels", "label_share", "folds", "records", "macro_auroc",
                "macro_auprc", "macro_f1", "per_class", "ci95"]  # fmt: skip
    assert set(expected) <= figures.keys()
    assert figures["folds"] == {"train": [1, 2, 3, 4], "valid": 5, "test": 6}
    assert figures["records"].keys() == {"train", "valid", "test", "dropped"}
    assert sum(figures["records"].values()) == len(folded)
    assert figures["ci95"].keys() == {"macro_auroc", "macro_auprc", "macro_f1"}
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["fold"]) == {5, 6}
    assert len(table) == figures["records"]["valid"] + figures["records"]["test"]
    assert table.filter(like="p_").to_numpy().min() >= 0
    names = folded.labels.query("label_set == 'superclass'").groupby("label").size()
    assert set(table.filter(like="true_").columns) == {f"true_{name}" for name in names.index}


def test_the_probe_repeats_itself(folded, tmp_path):
    runs = [probe(ProbeConfig(store=folded.path, out=tmp_path, encoder="random", **FOLDS)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_shares_of_labels_by_patient(folded, tmp_path):
    config = ProbeConfig(store=folded.path, out=tmp_path, encoder="random", label_share=0.5, draws=3, **FOLDS)
    figures = probe(config)
    assert len(figures["draws"]) == 3
    mean = np.mean([draw["macro_auprc"] for draw in figures["draws"]])
    assert np.isclose(figures["macro_auprc"], mean)
    whole = cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)
    assert figures["records"]["train"] < whole.train.sum()
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["draw"]) == {0, 1, 2}


def test_the_reported_fold_takes_no_part(folded):
    group = cohort(folded, "superclass", (1, 2, 3, 4), 5, 6)
    values = np.random.default_rng(0).normal(size=(len(group.row), 12)).astype(np.float32)
    line, quality = fit(values, group, group.train, INVERSE_PENALTIES)
    spoilt = values.copy()
    spoilt[group.test] = np.nan
    again, same = fit(
        spoilt, replace(group, labels=group.labels & ~group.test[:, None]), group.train, INVERSE_PENALTIES
    )
    assert (line.weight == again.weight).all()
    assert quality == same
    encoder = Averages()
    assert 0 <= valid_auroc(encoder, folded, group) <= 1


def test_scaling_is_learnt_on_the_rows_used():
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
    wide.write_text(f"record_id,AF,VT\n{ids[7]},1,0\n{ids[3]},1,1\n{ids[1]},0,0\n")
    for path in (long, wide):
        table, names = labels_of_csv(store, path)
        assert names == ("AF", "VT")
        assert np.argwhere(table).tolist() == [[3, 0], [3, 1], [7, 0]]
    long.write_text("record_id,label\nnobody,VT\n")
    with pytest.raises(ValueError, match=r"1 records of .* 'nobody' first"):
        labels_of_csv(store, long)
    wide.write_text(f"record_id,AF\n{ids[7]},2\n")
    with pytest.raises(ValueError, match="other than 0 and 1"):
        labels_of_csv(store, wide)


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
