"""P decided over the beats of a record, on probabilities laid down by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.decoding.presence import evidence, with_presence
from beatssl.beats.decoding.viterbi import wave_segments
from beatssl.beats.decoding.wave_decoding import decode_waves
from beatssl.signals.waves import WAVE_CLASSES

FS_HZ = 200.0
ONE = np.zeros(1, np.int64)


def lines(p_before=0.16, height=0.95, beats=12, rr_s=0.8, leads=1, at=None, irregular=0.0):
    """Probabilities of beats with QRS for certain, and P with probability `height` (a number, or one a beat)."""
    rng = np.random.default_rng(0)
    r_s = 0.5 + np.cumsum([0.0, *rr_s * (1 + irregular * rng.standard_normal(beats - 1))])
    height = np.broadcast_to(height, beats)
    out = np.zeros((leads, 4, round((r_s[-1] + 0.6) * FS_HZ)), np.float32)
    time = np.arange(out.shape[2]) / FS_HZ
    for k, r in enumerate(r_s):
        out[:, 2, np.abs(time - r) < 0.045] = 0.99
        out[:, 3, (time > r + 0.2) & (time < r + 0.34)] = 0.95
        middle = r - (p_before if at is None else at[k])
        out[:, 1, np.abs(time - middle) < 0.05] = height[k]
    out[:, 0] = 1 - out[:, 1:].sum(axis=1)
    return np.clip(out, 0, 1)


def p_of(waves):
    return waves[waves["wave"] == "P"]


def test_a_p_of_every_beat_is_found_and_the_same_of_one_beat_is_not():
    waves = decode_waves(lines(height=0.7), FS_HZ)
    assert len(p_of(waves)) == 12
    alone = decode_waves(lines(height=np.where(np.arange(12) == 5, 0.7, 0.0)), FS_HZ)
    assert not len(p_of(alone))


def test_a_faint_p_among_plain_ones_is_found():
    faint = np.where(np.arange(12) == 5, 0.42, 0.95)
    assert len(p_of(decode_waves(lines(height=faint), FS_HZ))) == 12
    without = decode_waves(lines(height=np.where(np.arange(12) == 5, 0.42, 0.0)), FS_HZ)
    assert not len(p_of(without))


@pytest.mark.parametrize(("beats", "kept"), [(1, 0), (4, 0), (6, 6), (8, 8)])
def test_a_plain_p_before_few_beats_is_absent_and_before_half_of_them_it_is_not(beats, kept):
    some = np.zeros(12, bool)
    some[np.linspace(0, 11, beats).round().astype(int)] = True
    plain = lines(height=np.where(some, 0.995, 0.0))
    assert len(p_of(decode_waves(plain, FS_HZ))) == kept
    moved, _ = with_presence(plain, FS_HZ, ONE)
    assert (wave_segments(moved, FS_HZ).kind == WAVE_CLASSES.index("P")).sum() == beats


def test_a_beat_without_p_among_beats_with_p_gets_none():
    waves = decode_waves(lines(height=np.where(np.arange(12) == 5, 0.0, 0.97)), FS_HZ)
    assert len(p_of(waves)) == 11
    assert waves["confidence"].between(0, 1).all()


@pytest.mark.parametrize(
    ("rr_s", "with_p"), [([0.5, 1.1], [1, 0]), ([0.8, 0.5, 1.1], [1, 1, 0]), ([0.9, 0.85, 1.4], [1, 1, 1])]
)
def test_a_rhythm_that_repeats_is_regular_and_keeps_its_plain_p(rr_s, with_p):
    """Bigeminy and trigeminy, whose ectopic beats have no P, and Wenckebach's periods of three."""
    has_p = np.tile(with_p, 6)[:12] == 1
    plain = lines(height=np.where(has_p, 0.999, 0.0), rr_s=np.tile(rr_s, 6)[:11])
    assert evidence(plain, FS_HZ, ONE).irregular.max() < 0.02
    assert len(p_of(decode_waves(plain, FS_HZ))) == has_p.sum()
    fibrillation = lines(height=0.3, irregular=0.2)
    assert evidence(fibrillation, FS_HZ, ONE).irregular.min() > 0.08


def test_hints_at_ever_other_places_are_no_p():
    rng = np.random.default_rng(1)
    at = rng.uniform(0.1, 0.34, 12)
    waves = decode_waves(lines(height=0.5, at=at, irregular=0.15), FS_HZ)
    assert len(p_of(waves)) <= 1


def test_beats_that_agree_on_the_place_of_p_say_more_than_beats_that_do_not():
    places = np.full(12, 0.16), np.where(np.arange(12) % 2, 0.11, 0.21)
    at_one_place, at_two = (evidence(lines(height=0.5, at=at), FS_HZ, ONE) for at in places)
    assert at_one_place.pooled.min() > at_two.pooled.max() + 0.5


def test_beats_without_p_speak_less_against_one_than_those_with_p_speak_for_it():
    half = evidence(lines(height=np.where(np.arange(12) % 2, 0.999, 0.0)), FS_HZ, ONE)
    assert half.pooled.min() > 0


def test_other_leads_speak_for_a_lead():
    clear, flat = lines(height=0.97), lines(height=0.2)
    both = np.concatenate([clear, flat])
    together = evidence(both, FS_HZ, np.zeros(2, np.int64))
    apart = evidence(both, FS_HZ, np.arange(2))
    flat_lead = together.line == 1
    assert (together.leads_own[flat_lead] > 3).all()
    np.testing.assert_array_equal(apart.leads_own, apart.own)


def test_boundaries_stay_where_the_network_is_sure():
    sure = lines(height=0.98)
    moved, _ = with_presence(sure, FS_HZ, ONE)
    np.testing.assert_allclose(moved, sure / sure.sum(axis=1, keepdims=True), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_in_probabilities_stay_probabilities(seed, leads, time):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet([1.0, 0.4, 0.4, 0.4], (leads, time)).transpose(0, 2, 1).astype(np.float32)
    out, beats = with_presence(probability, FS_HZ, np.zeros(leads, np.int64))
    np.testing.assert_allclose(out.sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(beats.log_odds).all()
    assert (out >= 0).all()


@pytest.mark.parametrize("fs_hz", [100.0, 200.0, 400.0])
def test_evidence_does_not_depend_on_the_rate(fs_hz):
    repeat = {100.0: 2, 200.0: 1, 400.0: 1}[fs_hz]
    probability = lines(height=0.6)[:, :, ::repeat]
    if fs_hz == 400.0:
        probability = np.repeat(probability, 2, axis=2)
    found = evidence(probability, fs_hz, ONE)
    expected = evidence(lines(height=0.6), FS_HZ, ONE)
    np.testing.assert_allclose(found.own, expected.own, atol=0.8)


def test_a_beat_with_no_room_for_p_says_nothing_of_the_others():
    """The record begins at its first QRS, and an early beat follows another at once."""
    plain = lines(height=0.7)
    cut = plain[:, :, round(0.46 * FS_HZ) :]
    whole, begun = (evidence(one, FS_HZ, ONE) for one in (plain, cut))
    assert begun.own[0] < -5
    np.testing.assert_allclose(begun.pooled[1:], whole.pooled[1:], atol=0.1)
    early = plain.copy()
    place = round(5.46 * FS_HZ)
    early[:, 2, place : place + 18], early[:, 3, place : place + 18] = 0.99, 0.0
    early[:, 0] = 1 - early[:, 1:].sum(axis=1)
    with_early = evidence(np.clip(early, 0, 1), FS_HZ, ONE)
    assert len(with_early.own) == len(whole.own) + 1
    assert with_early.own.min() < -5
    assert np.median(with_early.pooled) == pytest.approx(np.median(whole.pooled), abs=0.1)


def test_a_p_that_no_qrs_follows_is_left_to_the_network():
    """In AV block of third degree every P may stand too far before the next QRS to be that beat's, and is one."""
    far = 0.45 + 0.35 * np.random.default_rng(1).uniform(size=12)
    waves = p_of(decode_waves(lines(height=0.97, rr_s=1.6, at=far), FS_HZ))
    assert len(waves) == 11  # the first one would lie before the record
    assert (waves["confidence"] > 0.9).all()
    assert not len(p_of(decode_waves(lines(height=0.4, rr_s=1.6, at=far), FS_HZ)))
