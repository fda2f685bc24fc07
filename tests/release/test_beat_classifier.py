"""Training of the beat classifier's two passes on a few made beats of DS1's names."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.beats.classes.class_features import class_features
from beatssl.beats.classes.classifier import FIBRILLATION_WEIGHTS
from beatssl.beats.classes.fibrillation import FIBRILLATION
from beatssl.beats.classes.networks import load_networks
from beatssl.beats.classes.second_pass import ShapedBeats
from beatssl.records.mitdb import DS1
from beatssl.release import beat_classifier
from beatssl.release.beat_classifier import TrainBeatClassifierConfig, train_two_passes
from beatssl.release.beat_classifier_card import write_model_card
from beatssl.release.beat_training_data import FeaturedBeats, Version, featured_beats, read_marked

CONFIG = TrainBeatClassifierConfig(mitdb=Path(), nets=2, hidden=(8,), epochs=1, folds=3)


def made(record: str, rng: np.random.Generator, beats: int = 40) -> FeaturedBeats:
    """Beats of which a fifth are wide and early: V."""
    time = np.arange(-32, 48)
    is_v = rng.random(beats) < 0.2
    width = np.where(is_v, 6.0, 2.0)[:, None]
    own = (np.exp(-0.5 * (time / width) ** 2) + rng.normal(0, 0.02, (beats, 80)))[:, None].astype(np.float32)
    prev = np.where(is_v, 0.5, 0.8).astype(np.float32)
    dominant = np.repeat(own[~is_v].mean(axis=0, keepdims=True), beats, axis=0)
    shapes = ShapedBeats(own, np.ones((beats, 80), bool), dominant, prev, np.roll(prev, -1), np.zeros(beats, np.int32))
    return FeaturedBeats(record, class_features(shapes), np.where(is_v, 2, 0), shapes)


def test_no_network_sees_the_record_whose_probabilities_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    training = [made(record, rng) for record in DS1]
    views = {"whole": [made(record, rng) for record in DS1]}
    trained_on: list[frozenset[str]] = []
    fit = beat_classifier.fit

    def noted(some, used, config):  # type: ignore[no-untyped-def]
        trained_on.append(frozenset(beats.record for beats in some))
        return fit(some, used, config)

    monkeypatch.setattr(beat_classifier, "fit", noted)
    of_fibrillation = load_networks(FIBRILLATION_WEIGHTS, [FIBRILLATION])[0]
    found = train_two_passes(training, [np.ones(40, bool)] * len(DS1), views, of_fibrillation, CONFIG)
    folds = [frozenset(beat_classifier._FOLD_ORDER[k::3]) for k in range(3)]
    others = [frozenset(DS1) - fold for fold in folds]
    assert trained_on == [*others, frozenset(DS1), *others, frozenset(DS1)]
    assert len(found.left_out["whole"]) == 1 + CONFIG.nets
    assert all(len(true) == 40 * len(DS1) for true, _ in found.left_out["whole"])
    assert "odds_v_1_before" in found.classifier.second.features
    assert "odds_v" not in found.classifier.first.features
    one = views["whole"][0]
    assert one.shapes is not None
    assert found.classifier.probabilities(one.shapes).shape == (40, 4)


def test_the_card_states_counts_and_the_spread_of_seeds(tmp_path: Path) -> None:
    true = np.array([0, 0, 1, 2])
    right = np.log(np.eye(4)[[0, 0, 1, 2]] + 1e-3)
    wrong = np.log(np.eye(4)[[0, 1, 1, 2]] + 1e-3)
    figures = {"DS2": {"ten-second records": beat_classifier._figures([(true, right), (true, right), (true, wrong)])}}
    write_model_card(tmp_path / "card.md", {"seed": 1}, (np.zeros(4), np.ones(4)), figures, {"II": 0.9931, "V1": 0.98})
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "sensitivity of S 1.000 ± 0.000" in card
    assert "macro F1 0.889 ± 0.111" in card
    assert "second pass [1.0, 1.0, 1.0, 1.0]" in card
    assert "(AUROC on fold 8: II 0.993, V1 0.980)" in card


def test_s_is_found_as_often_as_is_as_good() -> None:
    """Two S beats that need an offset of 1 and 2, and many N beats that 3 turns into S."""
    true = np.array([0] * 50 + [1, 1])
    probability = np.zeros((52, 4))
    probability[:50, 1], probability[50, 1], probability[51, 1] = np.exp(-2.6), np.exp(-0.9), np.exp(-1.9)
    probability[:, 0] = 1
    left_out = {"whole": (true, np.log(probability + 1e-9))}
    found = beat_classifier._sensitive_offset(left_out, np.array([0.0, 0.0, -1.0, -1.0]))
    assert found.tolist() == [0, 2.5, -1, -1]


def test_versions_of_a_record_keep_its_beats(data_root: Path) -> None:
    (record,) = read_marked(data_root / "mitdb", ["101"])
    for version in (Version(noisy=True, mix="first"), Version(retimed=True, whole=True)):
        seen = featured_beats(record, version, np.random.default_rng(0))
        assert len(seen.beat_class) == len(record.beat_class)
        if version.retimed:
            assert (seen.beat_class == 1).sum() > (record.beat_class == 1).sum()
