"""Scores of times: the span rule, and the jittered truth that the protocol asks for."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from beatssl.metrics.boundaries import Score, mark_span, matched_errors, score_times

LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")


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
