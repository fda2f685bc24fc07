from dataclasses import replace

import numpy as np
import pytest

from beatssl.inference.source import keep_encoder
from beatssl.metrics.classification import interval95
from beatssl.models.encoder import build_encoder
from beatssl.results import read_result
from beatssl.store.store import Store
from beatssl.studies.scorecard import tasks as module
from beatssl.studies.scorecard.records import embedded, probe_labels
from beatssl.studies.scorecard.scores import Pretraining
from beatssl.studies.scorecard.sources import EncoderSource, encoder_names, open_source, pretraining_of
from beatssl.studies.scorecard.tasks import TASKS, measure
from beatssl.training.diagnosis.config import ProbeConfig
from beatssl.training.diagnosis.probe import probe

OF_RECORDS = [name for name, task in TASKS.items() if task.store == "ptb-xl"]


def test_every_task_has_its_figures_and_none_reads_the_test_fold(config, stores, monkeypatch):
    read = []
    plainly = Store.ecg_units
    monkeypatch.setattr(Store, "ecg_units", lambda self, rows: read.extend(np.asarray(rows)) or plainly(self, rows))
    fold = Store(stores / "ptb-xl").records["fold"]
    for task in OF_RECORDS:
        found = measure("random", task, config("random", bootstrap_draws=3))
        assert TASKS[task].figure in [one.figure for one in found]
        for one in found:
            assert (one.encoder, one.task, one.reason) == ("random", task, "")
            assert one.chooses == (TASKS[task].chooses and one.figure == TASKS[task].figure)
            assert 0 < one.records <= (fold == 8).sum()
            assert np.isfinite(one.value)
        assert [one.higher_is_better for one in found] == [one.figure != "MAE (years)" for one in found]
    assert set(fold.iloc[read]) == set(range(1, 9))


@pytest.mark.parametrize("task", ["superclass", "lead-II"])
def test_measured_features_stand_in_an_encoders_place(config, task):
    auroc, f1 = measure("features", task, config("features", bootstrap_draws=3))
    assert 0.5 < auroc.value <= 1
    assert auroc.ci95[0] <= auroc.ci95[1]
    assert 0 <= f1.value <= 1


@pytest.mark.parametrize("test", [False, True])
def test_a_probe_has_the_figures_of_the_verb_probe(config, stores, tmp_path, test):
    card = config("random", test=test)
    wanted = ProbeConfig(
        stores / "ptb-xl", tmp_path / "probe", "random", card.network, validation_only=not test, bootstrap_draws=10,
        device="cpu",
    )  # fmt: skip
    auroc, f1 = measure("random", "superclass", card)
    figures = probe(wanted)
    assert (auroc.value, f1.value) == pytest.approx((figures.macro_auroc, figures.macro_f1), abs=1e-5)
    assert auroc.ci95 == pytest.approx(figures.ci95.macro_auroc, abs=1e-5)
    assert auroc.records == figures.records.test


def test_a_share_and_few_leads_are_those_of_the_verb_probe(config, stores, tmp_path):
    card = config("random")
    wanted = ProbeConfig(
        stores / "ptb-xl", tmp_path / "probe", "random", card.network, validation_only=True, bootstrap_draws=10,
        device="cpu", label_share=0.1, shown_leads=("II",),
    )  # fmt: skip
    source = open_source("random", card, Store(stores / "ptb-xl"))
    auroc, _ = probe_labels(source, source.store, card, "superclass", 0.1, ("II",))
    assert auroc.value == pytest.approx(probe(wanted).macro_auroc, abs=1e-5)


def test_finished_scores_are_kept_by_weights_task_and_options(config, stores, tmp_path, monkeypatch):
    card = config("random", str(tmp_path / "a"), names=("random", "a"))
    store = Store(stores / "ptb-xl")
    keep_encoder(tmp_path / "a", build_encoder(card.network, 0), store, {})
    first = measure("random", "superclass", card)
    kept = list((card.out / "scores").iterdir())
    assert len(kept) == 1
    assert read_result(kept[0], module._Kept).figures[0].value == first[0].value
    measured = []
    monkeypatch.setattr(
        module, "probe_labels", lambda *args, **asked: measured.append(args) or probe_labels(*args, **asked)
    )
    assert len(first[0].draws) == 10
    assert first[0].ci95 == pytest.approx(interval95(np.array(first[0].draws)), abs=1e-6)
    assert measure("random", "superclass", card) == first
    same_weights = measure(str(tmp_path / "a"), "superclass", card)
    assert [replace(one, encoder="random") for one in same_weights] == first
    assert measured == []
    measure("random", "superclass", replace(card, seed=1))
    measure("random", "superclass", replace(card, test=True))
    keep_encoder(tmp_path / "a", build_encoder(card.network, 5), store, {})
    measure(str(tmp_path / "a"), "superclass", card)
    assert len(measured) == 3


def test_what_an_encoder_was_pretrained_on(config, stores, tmp_path):
    made = {"method": "simclr", "pretraining": [{"store": "ptbxl", "rows": 30}, {"store": "cinc", "rows": 4}],
            "folds": "1-7"}  # fmt: skip
    keep_encoder(tmp_path / "a", build_encoder(config("random").network, 0), Store(stores / "ptb-xl"), made)
    assert pretraining_of(str(tmp_path / "a")) == Pretraining("simclr", "ptbxl and cinc", "1-7", 34)
    assert "PTB-XL, CPSC, Georgia" in str(pretraining_of("ecg-fm:nowhere.pt"))
    assert pretraining_of(str(tmp_path / "b")) is None
    assert str(pretraining_of("default")).startswith("beatssl, ptbxl, folds 1-8, ")


def test_what_is_not_there_is_a_row_with_its_reason(config, tmp_path):
    card = config("random", "ecg-fm:" + str(tmp_path / "none.pt"), str(tmp_path / "nothing" / "run"))
    (away,) = measure(card.encoders[1], "superclass", card)
    assert (away.encoder, away.value, away.reason, away.figure) == ("ecg-fm", None, "weights not at hand", "AUROC")
    (lost,) = measure(card.encoders[2], "superclass", card)
    assert lost.value is None
    assert "there is no folder" in lost.reason
    (unstored,) = measure("random", "superclass", replace(card, stores=tmp_path))
    assert unstored.reason == "no store ptb-xl"
    with pytest.raises(ValueError, match="there is no task 'superclas'; choose from superclass, "):
        measure("random", "superclas", card)


def test_names(config):
    assert encoder_names(config("runs/a/checkpoint", "ecg-fm:/x/y.pt", "default")) == {
        "runs/a/checkpoint": "a", "ecg-fm:/x/y.pt": "ecg-fm", "default": "default",
    }  # fmt: skip
    assert list(encoder_names(config("random", "default", names=("none", "ours"))).values()) == ["none", "ours"]
    with pytest.raises(ValueError, match="names 'random' twice"):
        encoder_names(config("random", "random"))
    with pytest.raises(ValueError, match="name an encoder"):
        config()


def test_embeddings_stand_at_their_rows(config, stores):
    from beatssl.store.labels import cohort

    card = config("random")
    store = Store(stores / "ptb-xl")
    group = cohort(store, "superclass", range(1, 8), 8, 9)
    source = open_source("random", card, store)
    assert isinstance(source, EncoderSource)
    found = embedded(source, store, group, ("II",))
    train, held_out = group.row[group.train], group.row[group.valid | group.test]
    np.testing.assert_allclose(found[group.train], source.of_records(train), atol=1e-5)
    np.testing.assert_allclose(found[~group.train], source.of_records(held_out, ("II",)), atol=1e-5)
