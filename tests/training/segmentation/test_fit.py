"""Segmenters fitted to the synthetic cohort: that they learn, and what their weights depend on."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import open_encoder
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.training import loop
from beatssl.training.config import RunConfig
from beatssl.training.run import read_log, start_accelerator
from beatssl.training.segmentation.config import OPTIM, VIEWS, FitConfig
from beatssl.training.segmentation.fit import CoTraining, Fitted, fit_segmenter, mean_with
from beatssl.training.segmentation.marks import classes_of, marked_rows
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows
from beatssl.training.segmentation.task import sample_f1
from beatssl.training.state import STATE
from beatssl.views.config import ViewsConfig

TINY = EncoderConfig(width=0.25, depth=0.5)
SMALL = replace(OPTIM, batch_size=5, precision="float32")
FIT = FitConfig(decoder=DecoderConfig(width=0.25, kernel=5), updates=3, optim=SMALL)
RUN = RunConfig(log_every=1, save_every=100, device="cpu")


def fitted(store, out, config=FIT, data=None, seed=0, **options) -> Fitted:
    """A segmenter on the untrained encoder of seed 0, from the store's first six rows unless others are given."""
    encoder = open_encoder("random", TINY, 0, store).encoder
    data = marked_rows(store, range(6)) if data is None else data
    return fit_segmenter(
        config, RUN, encoder, data, store.preparation, {}, seed, out, start_accelerator(RUN, out), **options
    )


@pytest.fixture(scope="module")
def learnt(store, tmp_path_factory) -> EcgSegmenter:
    """A small segmenter that has learnt the cohort a little; not to be changed."""
    optim = replace(SMALL, average=0.9, batch_size=3, rate=1e-2)
    config = replace(FIT, updates=84, optim=optim, few=0.1, views=ViewsConfig(temporal_scaling=0.3))
    return fitted(store, tmp_path_factory.mktemp("learnt"), config, marked_rows(store, range(18))).segmenter


def test_it_learns_waves_and_one_nameless_lead_will_do(store, learnt):
    rows = np.arange(18, 24)
    ecg_mv = store.ecg_mv(rows)
    classes = classes_of(store, rows)
    together = learnt.of_batch(ecg_mv, np.broadcast_to(np.arange(12), (6, 12)), learnt.takes)
    assert sample_f1(together, classes, store.fs_hz)["QRS"] > 0.8
    alone = learnt.of_batch(ecg_mv[:, 1:2], np.full((6, 1), -1), learnt.takes)
    assert sample_f1(alone, classes[:, 1:2], store.fs_hz)["QRS"] > 0.7


def test_the_seed_decides_all(store, tmp_path):
    config = replace(FIT, updates=2, views=VIEWS, train="all")
    made = [
        fitted(store, tmp_path / str(at), config, seed=seed).segmenter.state_dict() for at, seed in enumerate((3, 3, 4))
    ]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not torch.equal(made[0]["decoder.head.weight"], made[2]["decoder.head.weight"])


def test_a_frozen_encoder_stays_as_it_is_and_the_one_given_is_never_changed(store, tmp_path):
    encoder = open_encoder("random", TINY, 0, store).encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    data = marked_rows(store, range(6))
    for train in ("decoder", "all"):
        out = tmp_path / train
        of = fit_segmenter(
            replace(FIT, train=train), RUN, encoder, data, store.preparation, {}, 0, out, start_accelerator(RUN, out)
        ).segmenter.encoder.state_dict()
        assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
        same = [torch.equal(value, before[name]) for name, value in of.items()]
        assert all(same) == (train == "decoder")


def test_the_weight_of_pseudo_labels_counts(store, tmp_path):
    rows = PseudoLabelledRows(store, np.arange(6, 20), store.preparation)
    start = fitted(store, tmp_path / "start", data=rows).segmenter
    made = {
        weight: fitted(
            store, tmp_path / str(weight), replace(FIT, cotrain_weight=weight), cotraining=CoTraining(rows, start)
        ).segmenter.state_dict()
        for weight in (0.0, 0.5)
    }
    assert made[0.0].keys() == start.state_dict().keys()
    assert not torch.equal(made[0.0]["decoder.first.weight"], made[0.5]["decoder.first.weight"])


def test_the_best_evaluation_of_the_averaged_weights_chooses_them_in_half_precision_too(store, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "computes_in_bfloat16", lambda device: True)
    qualities = iter([0.2, 0.9, 0.5])
    kept = []

    def evaluation(segmenter):
        kept.append({name: value.clone() for name, value in segmenter.state_dict().items()})
        return dict.fromkeys(("P", "QRS", "T"), next(qualities))

    optim = replace(SMALL, precision="bfloat16", average=0.5)
    found = fitted(store, tmp_path, replace(FIT, optim=optim, evaluate_every=1), evaluation=evaluation)
    assert found.trained.best == {"update": 2, "macro": pytest.approx(0.9), "P": 0.9, "QRS": 0.9, "T": 0.9}
    assert [one["update"] for one in found.trained.evaluations] == [1, 2, 3]
    weights = found.segmenter.state_dict()
    assert all(torch.equal(value, kept[1][name]) for name, value in weights.items())
    assert not torch.equal(weights["decoder.head.weight"], kept[2]["decoder.head.weight"])
    assert all(value.dtype != torch.bfloat16 for value in weights.values())
    lines = [line for line in read_log(tmp_path) if "loss" in line]
    assert np.isfinite([[line[name] for name in ("loss", "rate", "gradient")] for line in lines]).all()
    plain = fitted(store, tmp_path / "plain", replace(FIT, optim=replace(optim, precision="float32")))
    exact = read_log(tmp_path / "plain")[0]["loss"]
    assert exact != lines[0]["loss"] == pytest.approx(exact, rel=0.05)
    assert plain.trained.best is None
    assert (tmp_path / STATE).exists()


def test_weights_are_a_mean_with_those_before_the_marks(learnt):
    before, after = copy.deepcopy(learnt), copy.deepcopy(learnt)
    with torch.no_grad():
        for weight in before.parameters():
            weight.zero_()
    mean_with(after, before, 0.25)
    for name, weight in learnt.named_parameters():
        torch.testing.assert_close(after.get_parameter(name), 0.75 * weight)


def test_an_encoder_that_cannot_take_the_rows_is_refused(store, tmp_path):
    with pytest.raises(ValueError, match="which the encoder takes"):
        fitted(store, tmp_path, encoder_takes=replace(store.preparation, fs_hz=70.0))
