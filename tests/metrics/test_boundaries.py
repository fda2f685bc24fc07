"""Matching against a slow loop, the span rule, global beats, and the jittered truth that the protocol asks for."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from beatssl.beats.global_beats import global_beats
from beatssl.metrics.boundaries import Score, mark_span, matched_errors, score_times
from beatssl.signals.matching import match_times

LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")

times = st.lists(st.integers(0, 3000), max_size=25, unique=True).map(lambda ms: np.array(ms, np.float64) / 1000)


def greedy_pairs(reference_s: np.ndarray, found_s: np.ndarray, tolerance_s: float) -> list[float]:
    """The distances of the pairs that the definition gives: the nearest pair, then the nearest of what is left."""
    near = sorted((abs(r - f), i, j) for i, r in enumerate(reference_s) for j, f in enumerate(found_s))
    used: tuple[set[int], set[int]] = (set(), set())
    out: list[float] = []
    for distance, i, j in near:
        if distance <= tolerance_s and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            out.append(distance)
    return out


@given(reference_s=times, found_s=times, shift=st.floats(0.0001, 0.0004))
def test_matching_is_the_slow_greedy_loop(reference_s: np.ndarray, found_s: np.ndarray, shift: float) -> None:
    found_s = found_s + shift  # no two distances are equal, so that the greedy pairs are unique
    i, j = match_times(reference_s, found_s, 0.15)
    assert len(set(i.tolist())) == len(i)
    assert len(set(j.tolist())) == len(j)
    np.testing.assert_allclose(
        np.sort(np.abs(reference_s[i] - found_s[j])), np.sort(greedy_pairs(reference_s, found_s, 0.15)), atol=1e-12
    )


def test_the_nearest_takes_the_mark() -> None:
    i, j = match_times(np.array([1.0, 2.0]), np.array([0.95, 1.02, 2.2, np.nan]), 0.1)
    assert (i.tolist(), j.tolist()) == ([0], [1])


def test_false_only_strictly_inside_the_span() -> None:
    reference, found = np.array([1.0, 2.0]), np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert score_times(reference, found, 0.05) == Score(matched=2, missed=0, false=4)
    assert score_times(reference, found, 0.05, span_s=(0.9, 2.5)) == Score(matched=2, missed=0, false=1)
    # A good prediction outside the span still matches.
    assert score_times(reference, np.array([0.98]), 0.05, span_s=(1.0, 2.0)) == Score(matched=1, missed=1, false=0)


def test_a_wave_without_the_mark_neither_counts_nor_makes_its_prediction_false() -> None:
    reference, found = np.array([1.0, np.nan, 3.0]), np.array([1.0, 1.95, 3.0])
    unmarked = np.array([2.0])
    assert score_times(reference, found, 0.05) == Score(matched=2, missed=0, false=1)
    assert score_times(reference, found, 0.05, unmarked_peak_s=unmarked) == Score(matched=2, missed=0, false=0)
    twice = np.append(found, 1.9)
    assert score_times(reference, twice, 0.05, unmarked_peak_s=unmarked) == Score(matched=2, missed=0, false=1)


def test_scores_pool_by_counts() -> None:
    pooled = Score(9, 1, 0) + Score(0, 0, 3)
    assert pooled == Score(9, 1, 3)
    assert (pooled.sensitivity, pooled.ppv, pooled.f1) == (0.9, 0.75, pytest.approx(18 / 22))
    assert np.isnan(Score(0, 0, 0).f1)


def test_span_of_no_marks_holds_nothing() -> None:
    assert mark_span(np.array([2.0, np.nan]), np.array([0.5])) == (0.5, 2.0)
    assert score_times(np.zeros(0), np.array([1.0]), 0.1, span_s=mark_span(np.zeros(0))) == Score(0, 0, 0)


def test_global_beats_are_medians_over_leads() -> None:
    r = np.array([1.0, 2.0, 3.0])
    spread = np.array([-0.02, 0.0, 0.01])  # three leads that differ
    qrs = (r[:, None] + spread).ravel()
    p = (r[1:, None] - 0.15 + spread).ravel()
    t = (r[:2, None] + 0.3 + np.array([-0.12, 0.0, 0.1])).ravel()  # farther apart than one wave's marks elsewhere
    wave = ["QRS"] * 9 + ["P"] * 6 + ["T"] * 6
    peak = np.concatenate([qrs, p, t])
    onset, offset = peak - 0.04, peak + 0.05
    onset[1:3] = np.nan
    order = np.random.default_rng(0).permutation(len(wave))
    beats = global_beats([wave[k] for k in order], onset[order], peak[order], offset[order])
    assert len(beats) == 3
    np.testing.assert_allclose(beats.r_peak_s, r)
    np.testing.assert_allclose(beats.qrs_onset_s, [1.0 - 0.02 - 0.04, 1.96, 2.96])
    np.testing.assert_allclose(beats.p_peak_s, [np.nan, 1.85, 2.85])
    np.testing.assert_allclose(beats.t_offset_s, [1.35, 2.35, np.nan])


def test_of_several_p_waves_the_last_belongs_to_the_beat() -> None:
    wave, peak = ["QRS", "P", "P", "P", "QRS"], np.array([1.0, 1.4, 1.8, 2.2, 2.4])
    beats = global_beats(wave, peak - 0.05, peak, peak + 0.05)
    np.testing.assert_allclose(beats.p_peak_s, [np.nan, 2.2])


def test_no_marks_no_beats() -> None:
    empty = np.zeros(0)
    assert len(global_beats([], empty, empty, empty)) == 0
    alone = np.array([1.0])
    assert len(global_beats(["P"], alone, alone, alone)) == 0


def test_a_wave_without_a_peak_is_refused() -> None:
    nothing = np.array([np.nan])
    with pytest.raises(ValueError, match="wave 0 has no peak"):
        global_beats(["P"], nothing, nothing, nothing)


def ludb_marks(folder: Path, record: int, lead: str) -> list[tuple[str, float, float]]:
    """Wave, onset and offset of a lead's waves that have both."""
    marks = wfdb.rdann(str(folder / str(record)), lead)
    symbols, at = marks.symbol, marks.sample / 500
    assert symbols is not None
    return [
        (symbols[k], float(at[k - 1]), float(at[k + 1]))
        for k in range(1, len(symbols) - 1)
        if symbols[k] in "pNt" and symbols[k - 1] == "(" and symbols[k + 1] == ")"
    ]


def test_the_truth_with_10_ms_of_jitter_scores_995(data_root: Path) -> None:
    rng = np.random.default_rng(7)
    near, late = Score(0, 0, 0), Score(0, 0, 0)
    errors: list[np.ndarray] = []
    for record in range(1, 200, 13):
        for lead in LUDB_LEADS:
            marks = ludb_marks(data_root / "ludb" / "data", record, lead)
            span = mark_span(*(np.array([mark[k] for mark in marks]) for k in (1, 2)))
            for wave in "pNt":
                for boundary in (1, 2):
                    truth = np.array([mark[boundary] for mark in marks if mark[0] == wave])
                    found = truth + rng.normal(0, 0.010, truth.shape)
                    near += score_times(truth, found, 0.075, span)
                    late += score_times(truth, found + 0.1, 0.075, span)
                    errors.append(matched_errors(truth, found, 0.150))
    assert near.matched > 5000
    assert near.f1 >= 0.995
    assert late.f1 < 0.1  # the score can fail
    assert np.std(np.concatenate(errors)) == pytest.approx(0.010, rel=0.05)
