"""The end of T that is no P, and noise that is no T, on signals and waves laid down by hand."""

import numpy as np
import pytest

from beatssl.beats.decoding.absent import LEAST_MV, STRETCH_S, ends_of_t, given_to_t, seldom_t
from beatssl.beats.decoding.viterbi import Segments

FS_HZ, RR = 200.0, 120
BEATS = 16
P, QRS, T = 1, 2, 3


def heart(p_mv: float, t_mv: float = 0.3, noise_mv: float = 0.0, seed: int = 0) -> np.ndarray:
    """A lead at 100/min: T falls as a Gaussian does, and P stands on its end."""
    time = np.arange(BEATS * RR, dtype=np.float64)
    out = noise_mv * np.random.default_rng(seed).standard_normal(len(time))
    for beat in range(BEATS):
        away = time - beat * RR
        out += t_mv * np.exp(-0.5 * ((away - 60) / 10) ** 2) + p_mv * np.exp(-0.5 * ((away - 85) / 5) ** 2)
    return out.astype(np.float32)


def found(lines: int, beats: range = range(BEATS), gap: int = 1, kinds: tuple[int, ...] = (QRS, T, P)) -> Segments:
    """QRS, T and a P `gap` samples after it, in some beats of every line."""
    at = {QRS: (0, 10), T: (40, 78 - gap), P: (78, 92)}
    rows = [
        (line, kind, beat * RR + at[kind][0], beat * RR + at[kind][1])
        for line in range(lines)
        for beat in range(BEATS)
        for kind in kinds
        if kind == QRS or beat in beats
    ]
    columns = np.array(rows, np.int64).T
    return Segments(*columns, before=columns[0] * 0, after=columns[0] * 0)


def stacked(*leads: np.ndarray) -> np.ndarray:
    return np.stack(leads)


@pytest.mark.parametrize("noise_mv", [0.0, 0.01])
@pytest.mark.parametrize("t_mv", [0.3, -0.3])
def test_the_end_of_t_is_no_p_and_what_stands_out_from_it_is_one(t_mv: float, noise_mv: float) -> None:
    waves, record = found(2), np.zeros(2, np.int64)
    none = stacked(heart(0.0, t_mv, noise_mv), heart(0.0, t_mv / 2, noise_mv, 1))
    assert set(ends_of_t(waves, none, FS_HZ, record)) == set(np.flatnonzero(waves.kind == P))
    for p_mv in (0.05, -0.05):
        plain = stacked(heart(p_mv, t_mv, noise_mv), heart(0.0, t_mv / 2, noise_mv, 1))
        assert not len(ends_of_t(waves, plain, FS_HZ, record))


def test_one_lead_of_a_record_that_shows_p_is_enough_and_another_record_does_not_count() -> None:
    leads = stacked(heart(0.05), heart(0.0))
    waves = found(2)
    assert not len(ends_of_t(waves, leads, FS_HZ, np.zeros(2, np.int64)))
    of_other = ends_of_t(waves, leads, FS_HZ, np.arange(2))
    assert set(waves.line[of_other]) == {1}
    assert len(of_other) == (waves.kind == P).sum() / 2


def test_a_shoulder_that_never_rises_is_a_p() -> None:
    lead = heart(0.04)
    one = lead[5 * RR + 60 : 5 * RR + 110]
    assert (np.diff(one) < 0).all()
    assert not len(ends_of_t(found(1), lead[None], FS_HZ, np.zeros(1, np.int64)))


def test_a_gap_takes_its_beats_alone() -> None:
    lead = heart(0.0)
    lead[RR + 40 : RR + 90] = np.nan
    waves = found(1)
    assert set(ends_of_t(waves, lead[None], FS_HZ, np.zeros(1, np.int64))) == set(np.flatnonzero(waves.kind == P))


def test_p_away_from_t_and_fewer_than_three_stay() -> None:
    flat = heart(0.0)[None]
    one = np.zeros(1, np.int64)
    assert not len(ends_of_t(found(1, gap=8), flat, FS_HZ, one))
    assert not len(ends_of_t(found(1, range(2)), flat, FS_HZ, one))
    assert len(ends_of_t(found(1, range(3)), flat, FS_HZ, one)) == 3
    nothing = Segments(*[one[:0]] * 6)
    assert not len(ends_of_t(nothing, flat[:0], FS_HZ, one[:0]))
    assert not len(seldom_t(nothing, FS_HZ, one))


def test_a_stretch_is_decided_on_together() -> None:
    beats = int(STRETCH_S * FS_HZ / RR)
    with_p, without = (np.tile(heart(height), 3) for height in (0.05, 0.0))
    late = np.concatenate([with_p[: beats * RR], without[beats * RR :]])[None]
    one = found(1)
    waves = Segments(*(np.concatenate([column] * 3) for column in one))
    shift = np.repeat(np.arange(3) * BEATS * RR, len(one.line))
    waves = waves._replace(first=waves.first + shift, last=waves.last + shift)
    wrong = ends_of_t(waves, late, FS_HZ, np.zeros(1, np.int64))
    assert len(wrong)
    assert (waves.first[wrong] >= beats * RR).all()


def test_what_is_given_to_t_stays_a_probability() -> None:
    waves = found(1)
    probability = np.full((1, 4, BEATS * RR), 0.25, np.float32)
    out = given_to_t(probability, waves, np.flatnonzero(waves.kind == P)[:1], FS_HZ)
    np.testing.assert_allclose(out.sum(axis=1), 1)
    assert out[0, P, 85] == 0
    assert out[0, T, 85] == 0.5
    np.testing.assert_array_equal(out[:, :, RR:], probability[:, :, RR:])


@pytest.mark.parametrize(("beats", "dropped"), [(1, True), (7, True), (8, False), (16, False)])
def test_t_of_few_beats_is_none_unless_a_lead_shows_it_in_half(beats: int, dropped: bool) -> None:
    waves = found(1, range(beats), kinds=(QRS, T))
    named = seldom_t(waves, FS_HZ, np.zeros(1, np.int64))
    assert (waves.kind[named] == T).all()
    assert named.sum() == (beats if dropped else 0)


def test_another_lead_with_t_keeps_the_few() -> None:
    few, all_beats = found(1, range(2), kinds=(QRS, T)), found(1, kinds=(QRS, T))
    waves = Segments(*(np.concatenate(pair) for pair in zip(few, all_beats, strict=True)))
    waves = waves._replace(line=np.repeat([0, 1], [len(few.line), len(all_beats.line)]))
    assert not seldom_t(waves, FS_HZ, np.zeros(2, np.int64)).any()
    assert seldom_t(waves, FS_HZ, np.arange(2)).sum() == 2


def test_the_threshold_is_some_microvolts() -> None:
    assert 0.003 < LEAST_MV < 0.01
