"""Stretches of ten seconds, their features, and what fibrillation does to S."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from beatssl.beats.classes.class_features import class_features, shaped_beats
from beatssl.beats.classes.classifier import FIBRILLATION_WEIGHTS, WEIGHTS, BeatClassifier
from beatssl.beats.classes.fibrillation import (
    FIBRILLATION,
    fibrillation,
    fibrillation_features,
    stretches,
    without_s_in_fibrillation,
)
from beatssl.beats.classes.networks import Networks, load_networks
from beatssl.beats.classes.second_pass import ShapedBeats
from beatssl.beats.windows import beats_of_rows
from beatssl.store.store import Store

from ..conftest import Row


def beats_with(rr_s: list[float], context: list[int]) -> ShapedBeats:
    empty = np.zeros((len(rr_s), 1, 80), np.float32)
    interval = np.array(rr_s, np.float32)
    clear = np.ones((len(rr_s), 80), np.bool_)
    return ShapedBeats(empty, clear, empty, interval, interval, np.array(context, np.int32))


def steadiness(least: float) -> Networks:
    """Fibrillation where fewer than `least` of the intervals are like the one before."""
    weight = np.array([[[0.0, -20.0]]], np.float32)
    bias = np.array([[[0.0, 20.0 * least]]], np.float32)
    return Networks(("rr_steady",), np.zeros(1, np.float32), np.ones(1, np.float32), (weight,), (bias,))


NO_P = ("p_like_before", "p_like_after", "p_like", "p_energy", "p_coherence", "dominant_p_energy", "late_p_energy")


def no_p_waves(beats: int) -> dict[str, np.ndarray]:
    return {name: np.zeros(beats, np.float32) for name in (*NO_P, "late_p_like_dominant")}


def test_five_minutes_are_thirty_stretches_and_a_short_record_is_one() -> None:
    long, short = [1.0] * 301, [1.0] * 9
    found = stretches(beats_with(long + short, [0] * 301 + [1] * 9))
    assert np.bincount(found).tolist() == [10] * 29 + [11] + [9]
    assert stretches(beats_with([np.nan], [0])).tolist() == [0]
    assert stretches(beats_with([], [])).tolist() == []


@given(st.lists(st.lists(st.floats(0.25, 40, width=32), min_size=1, max_size=30), min_size=1, max_size=4))
def test_stretches_are_numbered_without_gaps_and_stay_within_contexts(contexts: list[list[float]]) -> None:
    context = np.repeat(np.arange(len(contexts)), [len(one) for one in contexts])
    found = stretches(beats_with([rr for one in contexts for rr in one], context.tolist()))
    assert np.unique(found).tolist() == list(range(found[-1] + 1))
    assert (np.diff(found) >= 0).all()
    assert len(np.unique(np.stack([found, context]), axis=1).T) == found[-1] + 1


def test_features_of_a_stretch_by_hand() -> None:
    beats = beats_with([0.9, 0.8, 0.8, 0.4, 0.8], [0] * 5)
    found = fibrillation_features(beats, no_p_waves(5), np.zeros(5, np.int64))
    assert found["rr_median"][0] == np.log(np.float32(0.8))  # the first interval, across the border, does not count
    assert found["rr_same"][0] == 0.75
    np.testing.assert_allclose(found["rr_steady"], 1 / 3)
    np.testing.assert_allclose(found["rr_change_0.5"], np.log(2), rtol=1e-6)


def test_a_lone_stretch_counts_less_than_its_neighbours_and_contexts_are_apart() -> None:
    steady, wild = [1.0] * 10, [0.5, 1.5] * 5
    of_context = [*steady, *steady, *wild, *steady, *steady, 1.0]
    beats = beats_with([*of_context, *wild, 1.0], [0] * len(of_context) + [1] * 11)
    found = fibrillation(beats, no_p_waves(len(beats.rr_prev_s)), steadiness(0.5))
    assert found[: len(of_context)].max() < 0.1
    assert found[len(of_context) :].min() > 0.9
    none = beats_with([], [])
    assert fibrillation(none, no_p_waves(0), steadiness(0.5)).shape == (0,)


def test_in_fibrillation_s_is_given_to_the_other_classes() -> None:
    probability = np.array([[0.2, 0.6, 0.2, 0.0]] * 3, np.float32)
    found = without_s_in_fibrillation(probability, np.array([0.0, 0.5, 1.0], np.float32))
    np.testing.assert_allclose(found, [[0.2, 0.6, 0.2, 0], [2 / 7, 3 / 7, 2 / 7, 0], [0.5, 0, 0.5, 0]], atol=1e-6)


def test_bundled_networks_know_fibrillation_from_early_beats(made_beats, store: Store) -> None:
    (networks,) = load_networks(FIBRILLATION_WEIGHTS, [FIBRILLATION])
    assert networks.features == BeatClassifier.load(WEIGHTS).fibrillation.features
    rows = [Row([0.8] * 12, "N" * 12), Row([0.8] * 5 + [0.5, 0.9] + [0.8] * 5, "NNNNNSNNNNNN")]
    early = made_beats(rows, 2)
    shaped = shaped_beats(early, early.row)
    assert fibrillation(shaped, class_features(shaped), networks).max() < 0.2

    labels = store.labels
    true = np.isin(np.arange(len(store)), labels["row"][labels["label"] == "atrial-fibrillation"])
    times = [store.beats["time_s"][store.beats["row"] == row].to_numpy(float) for row in range(len(store))]
    beats = beats_of_rows(list(store.ecg_mv(np.arange(len(store)))), times, store.fs_hz)
    shaped = shaped_beats(beats, beats.row)
    likely = fibrillation(shaped, class_features(shaped), networks)
    of_row = np.array([likely[beats.row == row].mean() for row in range(len(store))])
    assert 3 < true.sum() < len(store) - 3
    assert roc_auc_score(true, of_row) > 0.9
