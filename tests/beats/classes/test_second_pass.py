"""Features of the P wave, of the rhythm around a beat, and of the second pass, on beats made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from beatssl.beats.classes.beat_shape import AFTER, BEFORE
from beatssl.beats.classes.networks import Networks
from beatssl.beats.classes.p_features import P, cosine, late_beat, p_features, weighted_beat
from beatssl.beats.classes.rhythm_features import moved, rhythm_features
from beatssl.beats.classes.second_pass import ShapedBeats, second_features, without_lone_fusion

TIME = np.arange(-BEFORE, AFTER)
QRS_WAVE = np.exp(-0.5 * (TIME / 2.0) ** 2)
WIDE_WAVE = -1.5 * np.exp(-0.5 * ((TIME - 2) / 6.0) ** 2)
P_WAVE = 0.15 * np.exp(-0.5 * ((TIME + 17) / 3.0) ** 2)
NARROW, WIDE = QRS_WAVE + P_WAVE, WIDE_WAVE


def shaped(waves: list[np.ndarray], rr_prev_s: list[float] | None = None, context: list[int] | None = None):
    own = np.stack(waves).astype(np.float32)[:, None] * np.array([1.0, -0.5], np.float32)[:, None]
    prev = np.array(rr_prev_s or [0.8] * len(waves), np.float32)
    group = np.array(context or [0] * len(waves), np.int32)
    dominant = np.repeat(own[:1], len(own), axis=0)
    clear = np.ones((len(own), len(TIME)), bool)
    following = np.append(prev[1:], np.float32(np.nan))
    return ShapedBeats(own, clear, dominant, prev, following, group)


def sure(labels: str) -> np.ndarray:
    return np.array([[0.97 if one == kind else 0.01 for kind in "NSVF"] for one in labels], np.float32)


def test_a_fusion_beat_is_a_sum_of_both() -> None:
    beats = shaped([NARROW] * 4 + [WIDE] * 2 + [0.5 * NARROW + 0.5 * WIDE])
    found = second_features(beats, sure("NNNNVVN"))
    # The normal template holds the fusion beat too, which the first pass took for N: a fifth of it.
    assert found["left_of_both"][6] < -5
    assert found["left_of_n_to_both"][6] > 3
    assert found["left_of_v_to_both"][6] > 3
    assert found["v_part"][4] > 3 * abs(found["v_part"][0])
    assert found["left_of_n_to_both"][0] < found["left_of_n_to_both"][6]


def test_without_a_beat_of_the_class_nothing_is_compared() -> None:
    found = second_features(shaped([NARROW] * 5), sure("NNNNN"))
    assert np.isnan(found["v_part"]).all()
    assert np.isnan(found["p_like_s"]).all()
    assert found["no_v"].tolist() == [1.0] * 5


def test_there_is_no_fusion_without_a_ventricular_beat() -> None:
    probability = np.array([[0.4, 0.0, 0.0, 0.6], [0.2, 0.0, 0.3, 0.5]], np.float32)
    found = without_lone_fusion(probability, {"no_v": np.array([1.0, 0.0], np.float32)})
    np.testing.assert_allclose(found, [[1, 0, 0, 0], [0.2, 0, 0.3, 0.5]], atol=1e-6)


def test_sinus_intervals_are_those_between_normal_beats() -> None:
    beats = shaped([NARROW] * 7, [1.2, 0.6, 0.6, 0.6, 0.6, 1.2, 1.2])
    found = second_features(beats, sure("NSSSSNN"))
    np.testing.assert_allclose(found["rr_to_n"], np.log([1, 0.5, 0.5, 0.5, 0.5, 1, 1]), atol=1e-6)


def test_where_most_beats_are_early_late_beats_have_the_sinus_p() -> None:
    turned = QRS_WAVE - P_WAVE
    rr_s = [1.0, 0.6, 0.6, 0.6, 1.0, 0.6, 0.6, 0.6]
    beats = shaped([NARROW, turned, turned, turned] * 2, rr_s)
    dominant = np.repeat(beats.own[1:2], 8, axis=0)
    late = late_beat(beats.own, beats.clear, dominant, beats.rr_prev_s, beats.context)
    np.testing.assert_allclose(late[3], beats.own[0], atol=1e-6)
    found = p_features(beats.own, beats.clear, dominant, beats.rr_prev_s, beats.context)
    np.testing.assert_allclose(found["p_like_unmoved_late"], [1, -1, -1, -1] * 2, atol=0.02)
    assert found["p_like_before"][2] == pytest.approx(1, abs=0.02)
    assert found["p_like_before"][1] == pytest.approx(-1, abs=0.02)


def test_a_longer_pr_interval_is_a_moved_p() -> None:
    earlier = QRS_WAVE + np.roll(P_WAVE, -3)
    beats = shaped([NARROW] * 7 + [earlier])
    found = p_features(beats.own, beats.clear, beats.dominant, beats.rr_prev_s, beats.context)
    assert found["p_lag_late"].tolist() == [0.0] * 7 + [3.0]
    assert found["p_like_moved_late"][7] > found["p_like_unmoved_late"][7] + 0.1


def test_weighted_beats_are_means_of_their_contexts() -> None:
    beats = shaped([NARROW, WIDE, NARROW, WIDE], context=[0, 0, 1, 1])
    weight = np.array([1, 3, 0, 0], np.float32)
    mean = weighted_beat(beats.own, beats.clear, weight, beats.dominant, beats.context)
    np.testing.assert_allclose(mean[0], 0.25 * beats.own[0] + 0.75 * beats.own[1], atol=1e-6)
    np.testing.assert_array_equal(mean[2:], beats.dominant[2:])


def test_intervals_against_those_around() -> None:
    prev = np.array([0.8] * 12 + [0.4, 1.2] + [0.8] * 12 + [1.0] * 60, np.float32)
    following = np.append(prev[1:], np.float32(np.nan))
    found = rhythm_features(prev, following, np.zeros(len(prev), np.int32))
    assert found["rr_near"][12] == pytest.approx(np.log(0.5))
    assert found["rr_pair_near"][12] == pytest.approx(0, abs=1e-6)
    assert found["rr_prev"][5] == pytest.approx(np.log(0.8))  # against the whole, at another rate
    assert found["rr_near"][5] == pytest.approx(0)
    assert found["rr_near_slow_1_before"][13] == found["rr_near_slow"][12]
    assert found["rr_near_rank"][12] == pytest.approx(-20 / 21)


def test_values_move_within_their_context() -> None:
    context = np.array([0, 0, 1, 1, 1], np.int32)
    value = np.arange(5.0)
    np.testing.assert_array_equal(moved(value, context, 1), [np.nan, 0, np.nan, 2, 3])
    np.testing.assert_array_equal(moved(value, context, -2), [np.nan, np.nan, 4, np.nan, np.nan])


def test_cosine_of_nothing_is_nought() -> None:
    flat = np.zeros((1, 2, 5), np.float32)
    assert cosine(flat, flat + 1).tolist() == [0.0]
    assert P.start >= 4  # a P wave may be moved by four samples


def test_networks_are_the_mean_of_their_parts() -> None:
    rng = np.random.default_rng(0)
    weights = tuple(rng.normal(size=(3, a, b)).astype(np.float32) for a, b in ((2, 5), (5, 4)))
    biases = tuple(rng.normal(size=(3, 1, b)).astype(np.float32) for b in (5, 4))
    nets = Networks(("a", "b"), np.zeros(2, np.float32), np.ones(2, np.float32), weights, biases)
    features = {"a": rng.normal(size=7), "b": rng.normal(size=7)}
    alone = np.mean([nets.single(n).probabilities(features) for n in range(3)], axis=0)
    np.testing.assert_allclose(nets.probabilities(features), alone, atol=1e-6)
    less = nets.with_offset(np.array([0.0, -50.0, 0.0, 0.0])).probabilities(features)
    assert less[:, 1].max() < 1e-9
    again = Networks.of("x", nets.tensors("x"), {"x.features": '["a", "b"]'})
    np.testing.assert_array_equal(again.probabilities(features), nets.probabilities(features))
    with pytest.raises(KeyError):
        Networks.of("y", nets.tensors("x"), {"x.features": "[]"})
    assert replace(nets, features=("b", "a")).features == ("b", "a")
