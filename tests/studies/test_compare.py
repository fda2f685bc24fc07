import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.inference.source import keep_encoder, open_encoder
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.results import read_result, to_json, write_result
from beatssl.store.store import Store
from beatssl.studies import compare as module
from beatssl.studies.compare import Comparison, compare, names_of
from beatssl.studies.config import CompareConfig
from beatssl.studies.predictions import read_figures, read_predictions
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures, Folds
from beatssl.training.diagnosis.probe import config_hash, probe

TINY = EncoderConfig(width=0.25, depth=0.5)
RESULTS = Path(__file__).resolve().parents[2] / "results" / "ptb-xl"


@pytest.fixture
def config(folded, tmp_path):
    keep_encoder(
        tmp_path / "run", build_encoder(TINY, 7), folded,
        {"method": "beatssl", "folds": "1-5", "pretraining": [{"store": "synthetic", "rows": 20}]},
    )  # fmt: skip
    return CompareConfig(
        folded.path, encoders=(str(tmp_path / "run"), "random"), out=tmp_path / "out", network=TINY, train_folds="1-4",
        valid_fold=5, test_fold=6, bootstrap_draws=20, predictions=tmp_path / "kept",
    )  # fmt: skip


def test_a_line_an_encoder_and_the_differences_to_the_first(config):
    found = compare(config)
    assert to_json(found) == json.loads((config.out / "compare.json").read_text())
    assert found == read_result(config.out / "compare.json", Comparison)
    assert list(found.encoders) == ["run", "random"]
    for name, line in found.encoders.items():
        own = read_result(config.out / name / "metrics.json", DiagnosisFigures)
        assert line.macro_auroc == own.macro_auroc
        assert line.ci95 == own.ci95
    assert found.encoders["run"].pretraining_rows == 20
    assert found.encoders["run"].pretraining_set == "synthetic"
    assert found.encoders["random"].pretraining_set == "none"
    apart = found.first_less_other["random"]
    for kind in ("macro_auroc", "macro_auprc", "macro_f1"):
        run, random = (getattr(found.encoders[name], kind) for name in ("run", "random"))
        assert getattr(apart, kind) == pytest.approx(run - random, abs=1e-5)
        low, high = getattr(apart.ci95, kind)
        assert low <= high
    assert not list(config.out.rglob("*.parquet"))


def test_predictions_of_the_same_config_are_used_again_and_no_others(config, monkeypatch):
    first = compare(config)
    probed = []
    monkeypatch.setattr(module, "probe", lambda wanted: probed.append(wanted.encoder) or probe(wanted))
    assert compare(config) == first
    assert probed == []
    with pytest.raises(ValueError, match=r"another config .*compare.seed: 0 against 1.*overwrite=True"):
        compare(replace(config, seed=1))
    assert probed == []
    compare(replace(config, seed=1, overwrite=True))
    assert len(probed) == 2
    store = Store(config.store)
    keep_encoder(config.out.parent / "run", build_encoder(TINY, 8), store, {})
    compare(replace(config, seed=1))
    assert len(probed) == 3  # other weights in the same place, the random encoder as before


def test_a_hash_is_of_what_figures_depend_on(config, folded, tmp_path):
    wanted = ProbeConfig(folded.path, tmp_path / "a", encoder="random", network=TINY)
    one, other = (open_encoder("random", TINY, seed, folded) for seed in (0, 1))
    assert config_hash(wanted, one, folded) == config_hash(
        replace(wanted, out=tmp_path / "b", device="cpu"), one, folded
    )
    assert config_hash(wanted, one, folded) != config_hash(wanted, replace(other, provenance=one.provenance), folded)
    assert config_hash(wanted, one, folded) != config_hash(replace(wanted, labels="rhythm"), one, folded)


def test_the_validation_fold_alone(config, folded, monkeypatch):
    read = []
    plainly = Store.ecg_units
    monkeypatch.setattr(Store, "ecg_units", lambda self, rows: read.extend(np.asarray(rows)) or plainly(self, rows))
    found = compare(replace(config, validation_only=True))
    assert found.folds == Folds((1, 2, 3, 4), valid=5, test=5)
    assert found.records.test == found.records.valid == (folded.records["fold"] == 5).sum()
    assert set(folded.records["fold"].iloc[read]) == {1, 2, 3, 4, 5}
    table = pd.read_parquet(config.predictions / "run" / "predictions.parquet")
    assert set(table["fold"]) == {5}


def test_folders_of_predictions_are_compared_as_they_are(config, tmp_path):
    first = compare(config)
    there = tuple(str(config.predictions / name) for name in ("run", "random"))
    again = compare(replace(config, encoders=there, predictions=None, out=tmp_path / "again"))
    assert again.first_less_other == first.first_less_other
    other = replace(config, encoders=there, out=tmp_path / "other")
    with pytest.raises(ValueError, match="figures of fold 6; with validation_only="):
        compare(replace(other, validation_only=True))
    figures = read_figures(config.predictions / "random")
    write_result(config.predictions / "random" / "metrics.json", replace(figures, label_share=0.1))
    with pytest.raises(ValueError, match=r"run and random differ in label_share \(1.0 against 0.1\)"):
        compare(other)
    assert not other.out.exists()  # nothing that would block the corrected command


def test_predictions_of_other_records_are_refused(config, tmp_path):
    compare(config)
    at = config.predictions / "random" / "predictions.parquet"
    table = pd.read_parquet(at)
    table.assign(patient="someone").to_parquet(at)
    there = tuple(str(config.predictions / name) for name in ("run", "random"))
    with pytest.raises(ValueError, match="of run and random are of other records"):
        compare(replace(config, encoders=there, out=tmp_path / "other"))


def test_draws_of_labels_are_compared_by_their_means(config):
    found = compare(replace(config, label_share=0.5, draws=2))
    predictions = read_predictions(config.predictions / "run")
    assert len(predictions.test_scores) == 2
    run, random = (found.encoders[name].macro_f1 for name in ("run", "random"))
    assert found.first_less_other["random"].macro_f1 == pytest.approx(run - random, abs=1e-5)


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
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"metrics.json holds no DiagnosisFigures: .*; make it again"):
        read_figures(tmp_path)


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("compare.json")) + sorted(RESULTS.rglob("metrics.json")), ids=str)
def test_the_results_in_the_repository_can_be_read(path):
    kind = Comparison if path.name == "compare.json" else DiagnosisFigures
    written, read = json.loads(path.read_text()), to_json(read_result(path, kind))
    assert not written.keys() - read.keys()
    assert all(read[name] == value for name, value in written.items() if name != "per_class")
    for name, of_label in written.get("per_class", {}).items():
        assert all(read["per_class"][name][figure] == value for figure, value in of_label.items())
