import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.classes.matching import matched_classes
from beatssl.inference.beat_embedding import embed_beats
from beatssl.metrics.beat_classes import ClassScore
from beatssl.models.encoded import Encoded
from beatssl.signals.leads import LEADS, to_twelve
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.splits import SplitError
from beatssl.store.store import Store
from beatssl.training.diagnosis.beat_probe import (
    drawn_beats,
    figures_of_beats,
    fit_beats,
    less_row_median,
    mitdb_rows,
    nearest_classes,
    true_of,
)


class Through(torch.nn.Module):
    """An encoder that hands its signals through, so that embeddings are known."""

    def forward(self, ecg_mv, lead_mask):
        return Encoded(ecg_mv * lead_mask[:, :, None], [], 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beats") / "store"
    prepare(PrepareConfig("synthetic", "6", folder, workers=1, clusters=3))
    return Store(folder)


def test_a_beats_embedding_is_its_part_of_the_signal(store):
    rows = np.array([1, 4])
    values, line = embed_beats(Through(), store, rows, bins=70)
    beats = store.beats
    assert line.tolist() == np.flatnonzero(beats["row"].isin(rows)).tolist()
    whole = [k for k in range(1, len(line) - 1) if 0.5 < beats["time_s"][line[k]] < 9]
    compared = 0
    for k in whole:
        one = beats.iloc[line[k]]
        parts = values[k].reshape(12, 70)
        # The 26th of 70 centres over 700 ms lies 5 ms after R; neighbours nearer than 700 ms squeeze the window.
        if one[["rr_prev_s", "rr_next_s"]].min() > 0.71:
            at = one["time_s"] * store.fs_hz
            signal = np.nan_to_num(store.ecg_mv([int(one["row"])])[0])
            expected = [np.interp(at - 25 + 0.5 + np.arange(70), np.arange(1000), lead) for lead in signal]
            assert np.allclose(parts, expected, atol=2e-3)
            compared += 1
    assert compared > 3


def test_leads_as_recorded_take_their_places(store):
    plain = store.ecg_mv([0, 3])
    records = store.records.assign(lead_names=[["V5", "II"]] * len(store))
    recorded = store.with_tables(records=records).with_config(leads="as-recorded")
    assert recorded.leads != LEADS
    assert recorded.twelve_leads().leads == LEADS
    found = recorded.twelve_leads().ecg_mv([0, 3])
    for one, own in zip(found, plain, strict=True):
        assert np.allclose(one, to_twelve(own[:2], ("V5", "II")), atol=6e-4, equal_nan=True)
    assert np.isnan(found[:, 0]).all()


def test_what_sets_a_beat_apart_from_its_neighbours():
    values = np.array([[1.0], [2.0], [9.0], [5.0], [5.0]], np.float32)
    found = less_row_median(values, np.array([0, 0, 0, 2, 2]))
    assert found.ravel().tolist() == [-1, 0, 7, 0, 0]


def test_the_probe_weighs_rare_classes_by_what_serves_the_inner_beats():
    rng = np.random.default_rng(0)
    true = rng.choice(4, 3000, p=[0.9, 0.03, 0.05, 0.02])
    values = (rng.normal(size=(3000, 6)) + 1.6 * np.eye(4, 6)[true]).astype(np.float32)
    probe = fit_beats(values[:2000], true[:2000], values[2000:], true[2000:])
    assert probe.prior_share > 0
    assert probe.inner_macro_f1 > 0.4
    found = probe.classes(values[2000:])
    assert set(found) <= set(range(4))
    assert (found == true[2000:]).mean() > 0.8


def test_missed_and_false_beats_count_as_in_the_check_of_classes():
    beats = pd.DataFrame({"record_id": "x", "time_in_record_s": [1.0, 2.0, 5.0, 6.0], "class": list("NNNN")})
    marks = pd.DataFrame({"record_id": "x", "time_s": [1.0, 2.0, 3.0, 6.0], "symbol": list("NVV!")})
    pairs = matched_classes(beats, marks)
    assert true_of(pairs, 4).tolist() == [0, 2, -1, -1]
    figures = figures_of_beats(pairs, np.array([0, 2, 2, 0]))
    assert figures.per_class["V"] == ClassScore(sensitivity=0.5, ppv=0.5, f1=0.5, beats=2)
    assert figures.per_class["N"].f1 == 1
    assert list(figures.per_class) == list(CLASSES)


def test_other_stores_are_refused(store):
    with pytest.raises(SplitError, match="no row in train"):
        mitdb_rows(store)
    with pytest.raises(ValueError, match="no reference beats; prepare mitdb"):
        mitdb_rows(store.with_tables(reference_beats=store.reference_beats.iloc[:0]))


def test_the_nearest_beat_gives_its_class():
    values = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.1]], np.float32)
    of = np.array([[5.0, 0.1], [0.1, 0.2], [-0.01, 0.0]], np.float32)
    assert nearest_classes(values, np.array([0, 2, 1]), of).tolist() == [0, 2, 1]
    assert nearest_classes(values, np.array([0, 2, 1]), of[:0]).tolist() == []


def test_beats_drawn_are_of_every_class_and_few(monkeypatch):
    monkeypatch.setattr("beatssl.training.diagnosis.beat_probe.MOST_NEIGHBOURS", 3)
    true = np.array([0] * 20 + [1, 1, 2, -1, 3])
    used = np.ones(25, bool)
    used[20] = False
    drawn = drawn_beats(true, used, np.random.default_rng(0))
    assert true[drawn].tolist() == [0, 0, 0, 1, 2, 3]
    assert drawn[3] == 21
