import json
import re
from dataclasses import asdict

import pytest

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_folder import CheckpointError, bundled
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import keep_encoder
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.release import encoder as encoder_module
from beatssl.release import head as head_module
from beatssl.release.encoder import BundleEncoderConfig, bundle_encoder
from beatssl.release.head import BundleHeadConfig, bundle_head
from beatssl.studies.compare import compare
from beatssl.studies.config import CompareConfig
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.probe import probe
from beatssl.training.pretraining.presets import preset

TINY = EncoderConfig(width=0.25, depth=0.5)
FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20}


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A folder for bundled weights, in place of the package's own."""
    monkeypatch.setattr("beatssl.inference.model_folder.BUNDLED", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def run(folded, tmp_path):
    made_of = {
        "method": "beatssl", "folds": "1-5", "pretraining": [{"store": "synthetic", "rows": 20}], "epochs": 1,
        "seed": 3, "preset": asdict(preset("beatssl")),
    }  # fmt: skip
    keep_encoder(tmp_path / "run", build_encoder(TINY, 7), folded, made_of)
    return tmp_path / "run"


def test_an_encoder_is_bundled_in_half_precision_with_the_figures_of_its_comparison(folded, weights, run, tmp_path):
    with pytest.raises(CheckpointError, match="no encoder is bundled"):
        BeatEncoder.from_pretrained("default")
    compare(CompareConfig(folded.path, (str(run), "random"), tmp_path / "figures", network=TINY, **FOLDS))
    out = weights / "default"
    assert bundle_encoder(BundleEncoderConfig(run, "run", folded.path, tmp_path / "figures", out)) == out
    assert bundled(BeatEncoder.kind) == out
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
        bundle_encoder(BundleEncoderConfig(run, "walk", folded.path, tmp_path / "figures", out))


def test_a_classifier_is_bundled(folded, weights, run, tmp_path):
    with pytest.raises(CheckpointError):
        EcgClassifier.from_pretrained("default")
    probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", encoder=str(run), **FOLDS))
    out = bundle_head(BundleHeadConfig(tmp_path / "probe", folded.path))
    assert out == weights / "ptbxl"
    assert EcgClassifier.from_pretrained("default").labels == ("NORM", "MI", "STTC", "CD", "HYP")
    assert "| NORM | " in (out / "README.md").read_text()
    with pytest.raises(CheckpointError, match="no segmenter is bundled"):
        EcgSegmenter.from_pretrained("default")
    with pytest.raises(ValueError, match="neither a classifier nor a segmenter"):
        bundle_head(BundleHeadConfig(run, folded.path))


@pytest.mark.parametrize("kind", [BeatEncoder, EcgClassifier, EcgSegmenter])
def test_cards_of_the_bundled_models_are_of_the_present_templates(kind):
    card = (bundled(kind.kind) / "README.md").read_text(encoding="utf-8")
    template = encoder_module._CARD if kind is BeatEncoder else head_module._CARD
    for fixed in re.split(r"\{\w+(?::,)?\}", template):
        assert fixed.strip() in card
