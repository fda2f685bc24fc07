"""The bundled segmenter: probabilities of records of any length, silence, and how it is kept."""

import numpy as np
import pytest
import torch

from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter, build_decoder, slots
from beatssl.inference.source import open_encoder
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.signals.preparation import resample_rows
from beatssl.store.store import Store

TINY = EncoderConfig(width=0.25, depth=0.5)


@pytest.fixture(scope="module")
def segmenter() -> EcgSegmenter:
    return EcgSegmenter.from_pretrained("default")


def recorded(segmenter: EcgSegmenter, store: Store, rows: list[int]) -> np.ndarray:
    """Rows of the store, one after another, at the segmenter's rate."""
    fine = resample_rows(store.ecg_mv(rows), store.fs_hz, segmenter.preparation.fs_hz)
    return np.concatenate(list(fine), axis=1)


def test_saved_and_loaded_it_says_the_same(segmenter, store, tmp_path):
    segmenter.save_pretrained(tmp_path / "kept")
    again = EcgSegmenter.from_pretrained(tmp_path / "kept")
    ecg_mv = recorded(segmenter, store, [20])
    found, expected = (model.of_prepared(ecg_mv, store.leads, segmenter.preparation) for model in (again, segmenter))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(CheckpointError, match="saved segmenter"):
        open_encoder(str(tmp_path / "kept"), TINY, 0, store)


def test_a_long_record_has_no_seam(segmenter, store):
    """Two cuts of one long record, so that windows join elsewhere, agree inside; and so does a cut with the whole."""
    long_mv = recorded(segmenter, store, [18, 19, 20, 21])
    whole = segmenter.of_prepared(long_mv, store.leads, segmenter.takes)
    later = segmenter.of_prepared(long_mv[:, 640:], store.leads, segmenter.takes)
    assert whole.shape == (12, 4, long_mv.shape[1])
    inside = slice(2000, -2000)
    apart = np.abs(whole[:, :, 640:] - later)[:, :, inside]
    assert apart.mean() < 0.01
    disagree = whole[:, :, 640:].argmax(axis=1)[:, inside] != later.argmax(axis=1)[:, inside]
    assert disagree.mean() < 0.01


@pytest.mark.parametrize("samples", [600, 2000, 8000])
def test_a_flat_line_has_no_wave_and_a_flat_lead_beside_others_neither(segmenter, store, samples):
    flat = np.zeros((2, samples), np.float32)
    assert (segmenter.of_prepared(flat, ("II", "ECG7"), segmenter.takes)[:, 0] == 1).all()
    ecg_mv = np.tile(recorded(segmenter, store, [19]), (1, 4))[:, :samples].copy()
    ecg_mv[4] = 0
    ecg_mv[5] = np.nan
    waves = segmenter.predict(ecg_mv, store.leads, segmenter.preparation.fs_hz, already_filtered=True)
    assert len(waves)
    assert not set(waves["lead"]) & {"aVL", "aVF"}


def test_leads_are_known_by_any_of_their_names():
    np.testing.assert_array_equal(slots(("MLII", "ECG Lead V1", "ECG7", "")), [1, 6, -1, -1])


def test_fresh_weights_depend_on_the_seed_alone():
    encoder = build_encoder(TINY)
    one, same, other = (build_decoder(DecoderConfig(), encoder, seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
