import json
from dataclasses import asdict

import pandas as pd
import pytest

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_folder import CheckpointError, shipped
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import keep_encoder
from beatssl.models.encoded import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.release.encoder import ShipEncoderConfig, ship_encoder
from beatssl.release.head import ShipHeadConfig, ship_head
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store
from beatssl.studies.compare import CompareConfig, compare
from beatssl.training.diagnosis.probe import ProbeConfig, probe
from beatssl.training.pretraining.presets import recipe

TINY = EncoderConfig(width=0.25, depth=0.5)
FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ship") / "store"
    prepare(PrepareConfig("synthetic", "24", folder, workers=1, clusters=3))
    return Store(folder)


@pytest.fixture
def store(prepared, copied_with, monkeypatch, tmp_path):
    """24 records, three of its patients in each fold from 1 to 6; and a place of its own for what ships."""
    number = pd.factorize(prepared.records["patient_id"])[0]
    monkeypatch.setattr("beatssl.inference.model_folder.SHIPPED", str(tmp_path / "weights"))
    return copied_with(prepared, records=prepared.records.assign(fold=number % 6 + 1))


@pytest.fixture
def run(store, tmp_path):
    made_of = {
        "method": "beatssl", "folds": "1-5", "pretraining": [{"store": "synthetic", "rows": 20}], "epochs": 1,
        "seed": 3, "recipe": asdict(recipe("beatssl")),
    }  # fmt: skip
    keep_encoder(tmp_path / "run", build_encoder(TINY, 7), store, made_of)
    return tmp_path / "run"


def test_an_encoder_ships_in_half_precision_with_the_figures_of_its_comparison(store, run, tmp_path):
    with pytest.raises(CheckpointError, match="ships no encoder"):
        BeatEncoder.from_pretrained("default")
    compare(CompareConfig(store.path, (str(run), "random"), tmp_path / "figures", network=TINY, **FOLDS))
    out = tmp_path / "weights" / "default"
    assert ship_encoder(ShipEncoderConfig(run, "run", store.path, tmp_path / "figures", out)) == out
    assert shipped(BeatEncoder.kind) == out
    model = BeatEncoder.from_pretrained("default")
    original = BeatEncoder.from_pretrained(run)
    for (name, mine), theirs in zip(model.named_parameters(), original.parameters(), strict=True):
        assert mine.equal(theirs.half().float()), name
    card = (out / "README.md").read_text()
    figures = json.loads((tmp_path / "figures" / "compare.json").read_text())
    assert f"{figures['encoders']['run']['macro_auroc']:.3f} (" in card
    assert f"{figures['first_less_other']['random']['macro_auroc']:+.4f} (" in card
    assert "{" not in card.split("```json")[0]
    with pytest.raises(ValueError, match="has no encoder 'walk'; it has run, random"):
        ship_encoder(ShipEncoderConfig(run, "walk", store.path, tmp_path / "figures", out))


def test_a_classifier_ships(store, run, tmp_path):
    probe(ProbeConfig(store=store.path, out=tmp_path / "probe", encoder=str(run), **FOLDS))
    out = ship_head(ShipHeadConfig(tmp_path / "probe", store.path))
    assert out == tmp_path / "weights" / "superclass"
    assert EcgClassifier.from_pretrained("default").labels == ("NORM", "MI", "STTC", "CD", "HYP")
    assert "| NORM | " in (out / "README.md").read_text()
    with pytest.raises(CheckpointError, match="ships no segmenter"):
        EcgSegmenter.from_pretrained("default")
    with pytest.raises(ValueError, match="neither a classifier nor a segmenter"):
        ship_head(ShipHeadConfig(run, store.path))
