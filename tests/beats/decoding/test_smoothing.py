"""Boundaries borrow from the other beats of their lead, a little, and never out of order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.decoding.smoothing import BEATS, FARTHEST_S, PULL, smoothed
from beatssl.beats.decoding.viterbi import Segments

FS_HZ = 200.0
UNSURE = 0.2
"""One minus the confidence of every boundary here."""

SHARE = PULL * UNSURE


def beats(p_onset: list[float], line: int = 0) -> tuple[Segments, np.ndarray, np.ndarray]:
    """P, QRS and T of a beat a second: P onsets this many samples before the QRS, all else alike."""
    onset, offset, kind = [], [], []
    for k, before in enumerate(p_onset):
        qrs = 200.0 * (k + 1)
        onset += [qrs - before, qrs, qrs + 60]
        offset += [qrs - 8, qrs + 18, qrs + 100]
        kind += [1, 2, 3]
    n = len(kind)
    none = np.zeros(n, np.int64)
    first, last = np.round(onset).astype(np.int64), np.round(offset).astype(np.int64)
    waves = Segments(np.full(n, line), np.array(kind), first, last, none, none)
    return waves, np.array(onset), np.array(offset)


def smooth(waves: Segments, onset: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sure = np.full(len(onset), 1 - UNSURE)
    return smoothed(waves, onset, offset, sure, sure, FS_HZ)


def test_a_boundary_moves_its_share_towards_the_median_of_the_beats() -> None:
    waves, onset, offset = beats([32, 32, 36, 32, 32])
    new_onset, new_offset = smooth(waves, onset, offset)
    moved = new_onset - onset
    assert np.isclose(moved[6], 4 * SHARE)
    assert np.allclose(np.delete(moved, 6), 0)
    assert np.allclose(new_offset, offset)


def test_a_change_that_is_too_large_for_noise_stays() -> None:
    waves, onset, offset = beats([32, 32, 32 + FARTHEST_S * FS_HZ + 1, 32, 32])
    assert np.array_equal(smooth(waves, onset, offset)[0], onset)


def test_a_boundary_that_is_sure_stays() -> None:
    waves, onset, offset = beats([32, 32, 36, 32, 32])
    sure = np.ones(len(onset))
    assert np.array_equal(smoothed(waves, onset, offset, sure, sure, FS_HZ)[0], onset)


def test_two_beats_tell_nothing_of_each_other() -> None:
    waves, onset, offset = beats([32, 36])
    assert np.array_equal(smooth(waves, onset, offset)[0], onset)


def test_a_slow_drift_is_followed_and_leads_do_not_mix() -> None:
    """The median is of the beats around: a PR interval that lengthens over minutes is not pulled to its mean."""
    drift = [30 + k / 10 for k in range(100)]
    parts = [beats(drift, 0), beats([20.0] * 100, 1)]
    waves = Segments(*(np.concatenate(field) for field in zip(*(p[0] for p in parts), strict=True)))
    onset, offset = (np.concatenate([p[i] for p in parts]) for i in (1, 2))
    moved = smooth(waves, onset, offset)[0] - onset
    assert np.abs(moved).max() <= SHARE * BEATS / 2 / 10
    assert np.allclose(moved[300:], 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_order_is_kept_whatever_comes_in(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(1, 60, 2 * count))
    onset, offset = edges[::2], edges[1::2]
    kind, line = rng.integers(1, 4, count), np.sort(rng.integers(0, 3, count))
    none = np.zeros(count, np.int64)
    waves = Segments(line, kind, onset.astype(np.int64), offset.astype(np.int64), none, none)
    onset = np.where(rng.random(count) < 0.05, np.nan, onset)
    new = smoothed(waves, onset, offset, rng.random(count), rng.random(count), FS_HZ)
    assert np.array_equal(np.isnan(new[0]), np.isnan(onset))
    moved = (np.abs(new[0] - onset) > 0) | (np.abs(new[1] - offset) > 0)
    assert not (new[0] >= new[1])[moved].any()
    meets = (line[1:] == line[:-1]) & (new[0][1:] < new[1][:-1])
    assert not (meets & (moved[1:] | moved[:-1])).any()
    assert np.nanmax(np.abs(new[0] - onset), initial=0) <= FARTHEST_S * FS_HZ
