import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from beatssl.inference.source import keep_encoder, open_encoder
from beatssl.models.encoded import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store
from beatssl.studies import compare as module
from beatssl.studies.compare import CompareConfig, compare, names_of
from beatssl.studies.predictions import read_figures, read_predictions
from beatssl.training.diagnosis.probe import ProbeConfig, config_hash, probe

TINY = EncoderConfig(width=0.25, depth=0.5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "store"
    prepare(PrepareConfig("synthetic", "24", folder, workers=1, clusters=3))
    return Store(folder)


@pytest.fixture
def store(prepared, copied_with):
    """24 records, three of its patients in each fold from 1 to 6."""
    number = pd.factorize(prepared.records["patient_id"])[0]
    return copied_with(prepared, records=prepared.records.assign(fold=number % 6 + 1))


@pytest.fixture
def config(store, tmp_path):
    keep_encoder(
        tmp_path / "run", build_encoder(TINY, 7), store,
        {"method": "beatssl", "folds": "1-5", "pretraining": [{"store": "synthetic", "rows": 20}]},
    )  # fmt: skip
    return CompareConfig(
        store.path, encoders=(str(tmp_path / "run"), "random"), out=tmp_path / "out", network=TINY, train_folds="1-4",
        valid_fold=5, test_fold=6, bootstrap_draws=20, predictions=tmp_path / "kept",
    )  # fmt: skip


def test_a_line_an_encoder_and_the_differences_to_the_first(config):
    found = compare(config)
    assert found == json.loads((config.out / "compare.json").read_text())
    assert list(found["encoders"]) == ["run", "random"]
    for name, line in found["encoders"].items():
        own = json.loads((config.out / name / "metrics.json").read_text())
        assert line["macro_auroc"] == own["macro_auroc"]
        assert line["ci95"] == own["ci95"]
    assert found["encoders"]["run"]["pretraining_rows"] == 20
    assert found["encoders"]["run"]["pretraining_set"] == "synthetic"
    assert found["encoders"]["random"]["pretraining_set"] == "none"
    apart = found["first_less_other"]["random"]
    for kind in ("macro_auroc", "macro_auprc", "macro_f1"):
        run, random = (found["encoders"][name][kind] for name in ("run", "random"))
        assert apart[kind] == pytest.approx(run - random, abs=1e-5)
        assert apart["ci95"][kind][0] <= apart["ci95"][kind][1]
    assert not list(config.out.rglob("*.parquet"))


def test_predictions_of_the_same_config_are_used_again_and_no_others(config, monkeypatch):
    first = compare(config)
    probed = []
    monkeypatch.setattr(module, "probe", lambda wanted: probed.append(wanted.encoder) or probe(wanted))
    assert compare(config) == first
    assert probed == []
    compare(replace(config, seed=1))
    assert len(probed) == 2
    store = Store(config.store)
    keep_encoder(config.out.parent / "run", build_encoder(TINY, 8), store, {})
    compare(replace(config, seed=1))
    assert len(probed) == 3  # other weights in the same place, the random encoder as before


def test_a_hash_is_that_of_what_figures_hang_on(config, store, tmp_path):
    wanted = ProbeConfig(store.path, tmp_path / "a", encoder="random", network=TINY)
    one, other = (open_encoder("random", TINY, seed, store) for seed in (0, 1))
    assert config_hash(wanted, one, store) == config_hash(replace(wanted, out=tmp_path / "b"), one, store)
    assert config_hash(wanted, one, store) != config_hash(wanted, replace(other, provenance=one.provenance), store)
    assert config_hash(wanted, one, store) != config_hash(replace(wanted, labels="rhythm"), one, store)


def test_the_validation_fold_alone(config, store, monkeypatch):
    read = []
    plainly = Store.ecg_units
    monkeypatch.setattr(Store, "ecg_units", lambda self, rows: read.extend(np.asarray(rows)) or plainly(self, rows))
    found = compare(replace(config, choose_only=True))
    assert found["folds"] == {"train": [1, 2, 3, 4], "valid": 5, "test": 5}
    assert found["records"]["test"] == found["records"]["valid"] == (store.records["fold"] == 5).sum()
    assert set(store.records["fold"].iloc[read]) == {1, 2, 3, 4, 5}
    table = pd.read_parquet(config.predictions / "run" / "predictions.parquet")
    assert set(table["fold"]) == {5}


def test_folders_of_predictions_are_compared_as_they_are(config, tmp_path):
    first = compare(config)
    there = tuple(str(config.predictions / name) for name in ("run", "random"))
    again = compare(replace(config, encoders=there, predictions=None, out=tmp_path / "again"))
    assert again["first_less_other"] == first["first_less_other"]
    with pytest.raises(ValueError, match="figures of fold 6; with choose_only="):
        compare(replace(config, encoders=there, choose_only=True))
    figures = read_figures(config.predictions / "random")
    (config.predictions / "random" / "metrics.json").write_text(json.dumps(figures | {"label_share": 0.1}))
    with pytest.raises(ValueError, match=r"run and random differ in label_share \(1.0 against 0.1\)"):
        compare(replace(config, encoders=there))


def test_predictions_of_other_records_are_refused(config):
    compare(config)
    at = config.predictions / "random" / "predictions.parquet"
    table = pd.read_parquet(at)
    table.assign(patient="someone").to_parquet(at)
    there = tuple(str(config.predictions / name) for name in ("run", "random"))
    with pytest.raises(ValueError, match="of run and random are of other records"):
        compare(replace(config, encoders=there))


def test_draws_of_labels_are_compared_by_their_means(config):
    found = compare(replace(config, label_share=0.5, draws=2))
    predictions = read_predictions(config.predictions / "run")
    assert len(predictions.test_scores) == 2
    run, random = (found["encoders"][name]["macro_f1"] for name in ("run", "random"))
    assert found["first_less_other"]["random"]["macro_f1"] == pytest.approx(run - random, abs=1e-5)


def test_names():
    assert names_of(["runs/a/checkpoint", "random", "runs/b"], ()) == ("a", "random", "b")
    assert names_of(["x", "y"], ("one", "two")) == ("one", "two")
    with pytest.raises(ValueError, match="two encoders would be called 'a'"):
        names_of(["runs/a", "old/a"], ())
    with pytest.raises(ValueError, match="1 names for 2 encoders"):
        names_of(["x", "y"], ("one",))
    with pytest.raises(ValueError, match="'a/b' is no name"):
        names_of(["x"], ("a/b",))


def test_folders_without_figures_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no metrics.json"):
        read_figures(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(ValueError, match="no figures of a classification"):
        read_figures(tmp_path)
