"""probe and finetune on the sides that a user chooses, and by cross-validation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from beatssl.inference.classifier import EcgClassifier
from beatssl.models.config import EncoderConfig
from beatssl.reports.draw import draw
from beatssl.results import read_result, to_json
from beatssl.store.splits import SplitError
from beatssl.studies.compare import compare
from beatssl.studies.config import CompareConfig
from beatssl.studies.predictions import read_predictions
from beatssl.training.diagnosis.config import FinetuneConfig, ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.finetune import finetune
from beatssl.training.diagnosis.probe import probe

TINY = {"encoder": "random", "network": EncoderConfig(width=0.25, depth=0.5), "device": "cpu", "bootstrap_draws": 50}


@pytest.fixture
def config(store, tmp_path) -> ProbeConfig:
    return ProbeConfig(store=store.path, out=tmp_path / "out", **TINY)


def test_a_random_split_is_saved_and_taken_again(config, tmp_path):
    figures = probe(replace(config, split="random:50,25,25", seed=3))
    assert figures.split == "random:50,25,25"
    sides = pd.read_csv(tmp_path / "out" / "split.csv").set_index("record_id")["split"]
    assert (sides.value_counts()[["train", "valid", "test"]] - (12, 6, 6)).abs().max() <= 1
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert (sides[table["record_id"]].to_numpy() == np.where(table["fold"] == 2, "test", "valid")).all()
    again = probe(replace(config, split=str(tmp_path / "out" / "split.csv"), out=tmp_path / "again", seed=3))
    assert again.macro_auroc == figures.macro_auroc
    assert (
        read_predictions(tmp_path / "again").record_id.tolist() == read_predictions(tmp_path / "out").record_id.tolist()
    )
    assert len(draw(tmp_path / "out")) == 3


def test_a_patient_on_two_sides_of_a_column_is_refused(config, store, copied_with):
    words = np.array(["train", "valid", "test"])[np.arange(len(store)) % 3]
    copy = copied_with(store, records=store.records.assign(patient_id="one", side=words))
    with pytest.raises(SplitError, match="1 patients stand in both train and valid"):
        probe(replace(config, store=copy.path, split="column:side"))


def test_a_store_without_folds_says_what_to_do(config, store, copied_with):
    copy = copied_with(store, records=store.records.assign(fold=pd.array([None] * len(store), dtype="Int32")))
    with pytest.raises(SplitError, match="they have none: pass split='random' or split='column:NAME'"):
        probe(replace(config, store=copy.path))


def test_cross_validation_tests_every_record_once(config, tmp_path, store):
    figures = probe(replace(config, split="kfold:4"))
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert sorted(table["row"]) == list(range(len(store)))
    assert figures.records.test == len(store)
    assert len(figures.draws) == 4
    assert to_json(figures) == to_json(read_result(tmp_path / "out" / "metrics.json", DiagnosisFigures))
    for name, one in figures.per_class.items():
        known = [part.per_class[name].auroc for part in figures.draws if np.isfinite(part.per_class[name].auroc)]
        assert np.isclose(one.auroc, np.mean(known))
        low, high = one.auroc_ci95
        assert low <= one.auroc <= high
        assert one.positives == table[f"true_{name}"].sum()
    low, high = figures.ci95.macro_auroc
    assert low < figures.macro_auroc < high or low == high
    parts = pd.read_csv(tmp_path / "out" / "split.csv").set_index("record_id")["split"]
    assert (parts[table["record_id"]].to_numpy() == table["fold"].to_numpy()).all()
    assert EcgClassifier.from_pretrained(tmp_path / "out").labels == tuple(figures.per_class)
    with pytest.raises(ValueError, match="predictions are of cross-validation"):
        draw(tmp_path / "out")


@pytest.mark.parametrize("what", [{"validation_only": True}, {"label_share": 0.5}, {"shown_leads": ("II",)}])
def test_what_cross_validation_does_not_take(what, config):
    with pytest.raises(ValueError, match="split='kfold:4' takes no validation_only="):
        probe(replace(config, split="kfold:4", **what))


def test_finetune_and_compare_take_a_split(store, tmp_path):
    given = {"store": store.path, "split": "random", **TINY}
    device = given.pop("device")
    config = FinetuneConfig(out=tmp_path / "finetune", epochs=1, least_updates=2, **given)
    figures = finetune(replace(config, run=replace(config.run, device=device)))
    assert figures.split == "random"
    assert (tmp_path / "finetune" / "split.csv").is_file()
    compared = compare(
        CompareConfig(
            store=store.path, encoders=("random", str(tmp_path / "finetune")), out=tmp_path / "compare", split="random",
            network=TINY["network"], device="cpu", bootstrap_draws=20,
        )
    )  # fmt: skip
    assert compared.split == "random"
    for verb, other in ((finetune, config), (compare, CompareConfig(store.path, ("random",), tmp_path / "compare"))):
        with pytest.raises(ValueError, match="split='kfold:5' is for probe"):
            verb(replace(other, split="kfold:5"))
