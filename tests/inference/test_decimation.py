"""Signals at twice the encoder's rate: what the encoder sees of them, and a segmenter at work on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.analysis.waves import of_store
from beatssl.inference.decimation import Decimation, decimation_factor, decimation_kernel
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import keep_encoder, open_encoder, open_encoder_beneath
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.signals.preparation import Preparation
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.run import start_accelerator
from beatssl.training.segmentation.config import FitConfig
from beatssl.training.segmentation.fit import fit_segmenter
from beatssl.training.segmentation.marks import marked_rows

TINY = EncoderConfig(width=0.25, depth=0.5)

USUAL = Preparation(100.0, 0.5, 40.0)
FINE = replace(USUAL, fs_hz=200.0, high_hz=80.0)


@pytest.fixture(scope="module")
def fine(tmp_path_factory) -> Store:
    """The first six records of `store` at 200 Hz."""
    folder = tmp_path_factory.mktemp("fine") / "store"
    prepare(PrepareConfig("synthetic", Path("6"), folder, fs_hz=200.0, high_hz=80.0, workers=1, clusters=3))
    return Store(folder)


@pytest.fixture(scope="module")
def segmenter(fine, tmp_path_factory):
    """Hardly trained, on an untrained encoder; not to be changed."""
    opened = open_encoder_beneath("random", TINY, 0, fine)
    optim = OptimConfig(batch_size=2, precision="float32", average=0.995)
    fit = FitConfig(DecoderConfig(width=0.25, kernel=5), updates=2, optim=optim, smooth=0.5)
    run, out = RunConfig(device="cpu"), tmp_path_factory.mktemp("decimated")
    return fit_segmenter(
        fit, run, opened.encoder, marked_rows(fine, range(4)), fine.preparation, {}, 0, out,
        start_accelerator(run, out), encoder_takes=opened.preparation,
    ).segmenter  # fmt: skip


def test_decimated_rows_are_those_of_a_store_at_the_encoders_rate(store, fine):
    usual, decimated = store.ecg_mv(range(6)), torch.from_numpy(fine.ecg_mv(range(6)))
    decimated = Decimation(2).design(FINE, USUAL)(decimated)
    assert np.abs(decimated.numpy() - usual).std() < 0.02 * usual.std()
    encoder, there = build_encoder(TINY).eval(), torch.ones(6, 12, dtype=torch.bool)
    with torch.no_grad():
        seen, meant = (encoder(x, there).feature_map.mean(dim=2) for x in (decimated, torch.from_numpy(usual)))
    assert torch.cosine_similarity(seen, meant).min() > 0.999


def test_the_filter_passes_what_the_encoder_hears_and_shifts_nothing():
    kernel = decimation_kernel(FINE, USUAL)
    np.testing.assert_allclose(kernel, kernel[::-1])
    f_hz = np.array([1.0, 10.0, 40.0, 70.0])
    at_s = (np.arange(len(kernel)) - len(kernel) // 2) / FINE.fs_hz
    gain = (np.cos(2 * np.pi * f_hz[:, None] * at_s) * kernel).sum(axis=1)
    np.testing.assert_allclose(gain[:2], 1, atol=0.01)
    assert gain[2] == pytest.approx(0.5, abs=0.05)
    assert abs(gain[3]) < 0.01


def test_only_a_finer_rate_and_a_band_that_holds_the_encoders_will_do():
    assert decimation_factor(USUAL, USUAL) == 1
    assert decimation_factor(FINE, USUAL) == 2
    for other in ({"fs_hz": 250.0}, {"low_hz": 0.05}, {"high_hz": 30.0}, {"leads": ("I",)}):
        assert decimation_factor(replace(FINE, **other), USUAL) is None
    assert decimation_factor(USUAL, FINE) is None


def test_an_encoder_serves_finer_stores_in_a_segmenter_and_nowhere_else(store, fine, tmp_path):
    keep_encoder(tmp_path / "run", build_encoder(TINY), store, {})
    opened = open_encoder_beneath(str(tmp_path / "run"), TINY, 0, fine)
    assert opened.preparation.fs_hz == 100
    with pytest.raises(CheckpointError, match="fs_hz"):
        open_encoder(str(tmp_path / "run"), TINY, 0, fine)
    fine = Store(fine.path)
    fine.manifest["config"]["low_hz"] = 0.05
    with pytest.raises(CheckpointError, match="low_hz"):
        open_encoder_beneath(str(tmp_path / "run"), TINY, 0, fine)


def test_saved_and_loaded_it_says_the_same_at_its_own_rate(segmenter, fine, tmp_path):
    segmenter.save_pretrained(tmp_path / "kept")
    again = EcgSegmenter.from_pretrained(tmp_path / "kept")
    assert again.preparation.fs_hz == 200
    ecg_mv = fine.ecg_mv([5])[0]
    probability = again.of_prepared(ecg_mv, fine.leads, fine.preparation)
    assert probability.shape == (12, 4, 2000)
    np.testing.assert_array_equal(probability, segmenter.of_prepared(ecg_mv, fine.leads, fine.preparation))


def test_a_store_as_the_encoder_takes_it_is_resampled(segmenter, store, fine):
    coarse, own = (next(of_store(segmenter, each)) for each in (store, fine))
    assert (coarse.records, own.records) == (16, 6)
    other = Store(store.path)
    other.manifest["config"]["high_hz"] = 100.0
    with pytest.raises(CheckpointError, match="high_hz"):
        next(of_store(segmenter, other))
