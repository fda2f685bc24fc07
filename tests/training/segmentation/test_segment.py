"""The verb `segment` on the synthetic cohort, tiny: what it writes, that it learns, and a saved segmenter at work."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.analysis.waves import of_store, waves_of_record
from beatssl.inference.model_folder import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter, build_decoder, slots
from beatssl.inference.source import open_encoder
from beatssl.models.decoder import DecoderConfig
from beatssl.models.encoded import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.store import Store
from beatssl.training.segmentation.fit import VIEWS, Beside, FitConfig, fit_segmenter, sample_f1, wave_loss
from beatssl.training.segmentation.marks import classes_of, marked_rows
from beatssl.training.segmentation.pseudo_labels import MeasuredRows
from beatssl.training.segmentation.segment import SegmentConfig, fold_split, segment
from beatssl.views.registry import ViewsConfig

TINY = EncoderConfig(width=0.25, depth=0.5)

FIT = FitConfig(decoder=DecoderConfig(width=0.25, kernel=5), updates=3, batch_size=5, precision="float32")


@pytest.fixture(scope="module")
def learnt(store):
    """A small segmenter that has learnt the cohort a little; not to be changed."""
    encoder = open_encoder("random", TINY, 0, store).encoder
    config = replace(
        FIT, updates=84, average=0.9, batch_size=3, rate=1e-2, few=0.1, views=ViewsConfig(temporal_scaling=0.3)
    )
    data = marked_rows(store, range(18))
    return fit_segmenter(config, encoder, data, None, store.preparation, {}, 0, torch.device("cpu")).segmenter


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("segment") / "run"
    config = SegmentConfig(out, store.path, "random", TINY, FIT, folds=3, only=(1,), final=True, cpu=True)
    return config, segment(config)


def test_a_run_writes_the_protocols_figures_every_wave_and_its_segmenters(store, run):
    config, figures = run
    assert json.loads((config.out / "metrics.json").read_text()) == figures
    assert set(figures["sample_f1"]) == {"P", "QRS", "T", "macro"}
    assert {"se", "ppv", "f1"} == set(figures["boundaries"]["QRS_on"]["150"])
    test = fold_split(store, 1, 3).test
    assert figures["records"] == len(test)
    found = np.load(config.out / "fold-1" / "probabilities.npz")
    np.testing.assert_array_equal(found["row"], test)
    np.testing.assert_allclose(found["probability"].astype(np.float32).sum(axis=2), 1, atol=3e-3)
    waves = pd.read_parquet(config.out / "waves.parquet")
    assert {"record_id", "lead", "wave", "onset_s", "peak_s", "offset_s", "fold"} <= set(waves.columns)
    kept = EcgSegmenter.from_pretrained(config.out / "segmenter")
    assert kept.provenance["figures_over_folds"]["sample_f1"] == figures["sample_f1"]


def test_a_run_goes_on_with_what_is_done_and_refuses_another_config(run):
    config, figures = run
    assert segment(replace(config, final=False)) == figures
    with pytest.raises(ValueError, match="another config"):
        segment(replace(config, seed=1))


def test_measured_waves_of_another_store_are_learnt_first_and_then_beside_the_marks(store, larger, tmp_path):
    fit = replace(FIT, beside_updates=2)
    config = SegmentConfig(tmp_path, store.path, "random", TINY, fit, folds=3, only=(1,), beside=larger.path, cpu=True)
    figures = segment(config)
    assert figures["beside"] == larger.path.name
    first = EcgSegmenter.from_pretrained(tmp_path / "beside")
    assert "waves as measured" in first.provenance["data"]
    kept = EcgSegmenter.from_pretrained(tmp_path / "fold-1" / "segmenter")
    assert kept.provenance["beside"] == first.provenance["data"]
    assert kept.state_dict().keys() == first.state_dict().keys()
    made = (tmp_path / "beside" / "model.safetensors").stat().st_mtime_ns
    assert segment(replace(config, only=(0,)))["beside"] == larger.path.name
    assert (tmp_path / "beside" / "model.safetensors").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("changes", "error"),
    [({}, "none of the 0 rows"), ({"beside_folds": "x"}, "no folds"), ({"beside": "no"}, "no store")],
)
def test_a_wrong_store_beside_leaves_nothing_behind(store, tmp_path, changes, error):
    """The marked store has nobody to learn from but those who are reported on."""
    changes = changes | ({"beside": tmp_path / "none"} if "beside" in changes else {})
    config = SegmentConfig(tmp_path / "run", store.path, "random", TINY, FIT, folds=3, beside=store.path, cpu=True)
    with pytest.raises((ValueError, FileNotFoundError), match=error):
        segment(replace(config, **changes))
    assert not (tmp_path / "run").exists()


def test_the_weight_of_measured_waves_counts(store):
    encoder = open_encoder("random", TINY, 0, store).encoder
    data, about, cpu = marked_rows(store, range(6)), store.preparation, torch.device("cpu")
    rows = MeasuredRows(store, np.arange(6, 20), about)
    start = fit_segmenter(FIT, encoder, rows, None, about, {}, 0, cpu).segmenter
    made = {
        weight: fit_segmenter(
            replace(FIT, beside_weight=weight), encoder, data, None, about, {}, 0, cpu, beside=Beside(rows, start)
        ).segmenter.state_dict()
        for weight in (0.0, 0.5)
    }
    assert not torch.equal(made[0.0]["decoder.first.weight"], made[0.5]["decoder.first.weight"])


def test_folds_share_no_patient_and_report_every_row_once(store):
    splits = [fold_split(store, fold, 4) for fold in range(4)]
    reported = np.concatenate([split.test for split in splits])
    assert sorted(reported) == list(range(len(store)))
    np.testing.assert_array_equal(splits[0].valid, splits[1].test)


def test_a_config_is_for_training_or_for_applying(tmp_path):
    for wrong in ({}, {"store": tmp_path, "apply": (tmp_path,)}):
        with pytest.raises(ValueError, match="either a store"):
            SegmentConfig(tmp_path, **wrong)


def test_it_learns_waves_and_one_nameless_lead_will_do(store, learnt):
    rows = np.arange(18, 24)
    ecg_mv = store.ecg_mv(rows)
    classes = classes_of(store, rows)
    together = learnt.of_batch(ecg_mv, np.broadcast_to(np.arange(12), (6, 12)))
    assert sample_f1(together, classes, store.fs_hz)["QRS"] > 0.8
    alone = learnt.of_batch(ecg_mv[:, 1:2], np.full((6, 1), -1))
    assert sample_f1(alone, classes[:, 1:2], store.fs_hz)["QRS"] > 0.7


def test_the_seed_decides_all(store):
    encoder = open_encoder("random", TINY, 0, store).encoder
    config = replace(FIT, updates=2, views=VIEWS, train="all")
    data, about = marked_rows(store, range(6)), store.preparation
    made = [
        fit_segmenter(config, encoder, data, None, about, {}, seed, torch.device("cpu")).segmenter.state_dict()
        for seed in (3, 3, 4)
    ]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not torch.equal(made[0]["decoder.head.weight"], made[2]["decoder.head.weight"])


def test_a_frozen_encoder_stays_as_it_is(store):
    encoder = open_encoder("random", TINY, 0, store).encoder
    data, about = marked_rows(store, range(6)), store.preparation
    fitted = fit_segmenter(FIT, encoder, data, None, about, {}, 0, torch.device("cpu"))
    for name, value in fitted.segmenter.encoder.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name])


def test_the_loss_is_that_of_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 4, 5, generator=generator)
    share = torch.rand(2, 3, 4, 5, generator=generator).softmax(dim=2)
    counts = torch.rand(2, 3, 5, generator=generator) < 0.6
    each = [
        -sum(float(share[r, lead, c, t]) * float(scores[r, lead, :, t].log_softmax(0)[c]) for c in range(4))
        for r, lead, t in counts.nonzero().tolist()
    ]
    assert float(wave_loss(scores, share, counts)) == pytest.approx(np.mean(each), rel=1e-5)


def test_sample_f1_of_the_truth_is_one_and_of_nothing_zero():
    classes = np.repeat(np.array([[[0, 1, 1, 0, 2, 2, 0, 3, 3, 3, 0, -1]]], np.int16), 50, axis=2)
    truth = np.eye(4, dtype=np.float32)[np.maximum(classes[:, :, ::5], 0)].transpose(0, 1, 3, 2)
    assert min(sample_f1(truth, classes, 100.0).values()) > 0.9
    nothing = np.zeros_like(truth)
    nothing[:, :, 0] = 1
    assert set(sample_f1(nothing, classes, 100.0).values()) == {0.0}


def test_saved_and_loaded_it_says_the_same(learnt, store, tmp_path):
    learnt.save_pretrained(tmp_path / "kept")
    again = EcgSegmenter.from_pretrained(tmp_path / "kept")
    ecg_mv = store.ecg_mv([20])[0]
    np.testing.assert_array_equal(again.probabilities(ecg_mv, store.leads), learnt.probabilities(ecg_mv, store.leads))
    with pytest.raises(CheckpointError, match="saved segmenter"):
        open_encoder(str(tmp_path / "kept"), TINY, 0, store)


def test_a_long_record_has_no_seam(learnt, store):
    """Two cuts of one long record, so that windows join elsewhere, agree inside; and so does a cut with the whole."""
    long_mv = np.concatenate(list(store.ecg_mv(np.arange(18, 24))), axis=1)
    whole = learnt.probabilities(long_mv, store.leads)
    later = learnt.probabilities(long_mv[:, 320:], store.leads)
    assert whole.shape == (12, 4, long_mv.shape[1])
    inside = slice(1000, -1000)
    apart = np.abs(whole[:, :, 320:] - later)[:, :, inside]
    assert apart.mean() < 0.01
    disagree = whole[:, :, 320:].argmax(axis=1)[:, inside] != later.argmax(axis=1)[:, inside]
    assert disagree.mean() < 0.01


@pytest.mark.parametrize("samples", [300, 1000, 4000])
def test_a_flat_line_has_no_wave_and_a_flat_lead_beside_others_neither(learnt, store, samples):
    flat = np.zeros((2, samples), np.float32)
    assert (learnt.probabilities(flat, ("II", "ECG7"))[:, 0] == 1).all()
    ecg_mv = np.tile(store.ecg_mv([19])[0], (1, 4))[:, :samples].copy()
    ecg_mv[4] = 0
    ecg_mv[5] = np.nan
    waves = waves_of_record(learnt, "one", ecg_mv, store.leads)
    assert len(waves)
    assert not set(waves["lead"]) & {"aVL", "aVF"}


def test_rows_of_a_long_record_are_joined(learnt, store, monkeypatch):
    other = Store(store.path)
    records = store.records.iloc[:24].copy()
    records["record_id"] = np.repeat(["a", "b"], 12)
    records["start_s"] = np.tile(np.arange(12) * 10.0, 2)
    monkeypatch.setitem(other.__dict__, "records", records)
    found = list(of_store(learnt, other))
    assert [set(part.waves["record_id"]) for part in found] == [{"a"}, {"b"}]
    assert found[0].waves["offset_s"].max() > 110


def test_many_records_at_once_give_what_each_gives_alone(learnt, store):
    found = list(of_store(learnt, store))
    assert [part.records for part in found] == [16, 8]
    together = pd.concat([part.waves for part in found])
    for row in (0, 21):
        about = store.records.iloc[row]
        ecg_mv = store.ecg_mv([row])[0]
        alone = waves_of_record(learnt, about["record_id"], ecg_mv, store.leads)
        same = together[together["record_id"] == about["record_id"]].reset_index(drop=True)
        assert same["wave"].tolist() == alone["wave"].tolist()
        np.testing.assert_allclose(same["onset_s"], alone["onset_s"], atol=0.002)


def test_files_are_segmented(learnt, store, tmp_path: Path):
    learnt.save_pretrained(tmp_path / "kept")
    source = tmp_path / "files"
    source.mkdir()
    np.save(source / "good.npy", store.ecg_mv([20])[0, [1, 7]])
    options = {"csv_fs_hz": 100.0, "unit": "mV", "lead_names": ("II", "belly")}
    config = SegmentConfig(tmp_path / "out", encoder=str(tmp_path / "kept"), apply=(source,), files=options)
    counts = segment(config)
    waves = pd.read_parquet(tmp_path / "out" / "waves.parquet")
    assert counts["records"] == 1
    assert counts["QRS"] == (waves["wave"] == "QRS").sum() > 4
    assert set(waves["lead"]) <= {"II", "belly"}


def test_other_signals_are_refused(learnt, store, monkeypatch):
    other = Store(store.path)
    other.manifest["config"]["low_hz"] = 0.05
    with pytest.raises(CheckpointError, match="low_hz"):
        list(of_store(learnt, other))


def test_leads_are_known_by_any_of_their_names():
    np.testing.assert_array_equal(slots(("MLII", "ECG Lead V1", "ECG7", "")), [1, 6, -1, -1])


def test_fresh_weights_depend_on_the_seed_alone():
    encoder = build_encoder(TINY)
    one, same, other = (build_decoder(DecoderConfig(), encoder, seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
