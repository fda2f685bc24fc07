"""Sampling rates that heart rate, QRS and QT contradict together."""

import re

import numpy as np
import pytest
from scipy.stats import multivariate_t

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_doubt import RateDoubt, doubt_of_rate, widths_of
from beatssl.beats.rate_likelihood import (
    FREEDOM,
    PAIRED,
    StudentT,
    Widths,
    log_likelihood,
    log_likelihood_ratio,
    log_likelihood_ratio_of_stated,
)
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.preparation import Preparation

USUAL = Preparation(100.0, 0.5, 40.0, ())


def doubt(ecg_mv: np.ndarray, leads: tuple[str, ...], fs_hz: float) -> RateDoubt | None:
    """As a model asks: widths of the prepared record, other rates tried on the record itself."""
    ready = USUAL.apply(ecg_mv, leads, fs_hz)
    stated = widths_of([ready], 100.0, [find_r_peaks(ready, 100.0)])[0]
    return doubt_of_rate(stated, ecg_mv, fs_hz, fs_hz)


def test_the_mode_is_likeliest_and_half_of_it_is_not() -> None:
    usual = Widths(0.835, 0.0888, 0.382)
    assert log_likelihood(usual) == pytest.approx(0, abs=1e-3)
    assert log_likelihood(Widths(0.4175, 0.0444, 0.191)) < -5
    assert log_likelihood(Widths(0.835, 0.0888, np.nan)) == pytest.approx(-2, abs=1e-3)
    assert log_likelihood(Widths(np.nan, 0.0888, 0.382)) == -np.inf
    assert log_likelihood(Widths(0.835, -0.01, 0.382)) == -np.inf


@pytest.mark.parametrize("factor", PAIRED)
def test_widths_at_both_rates_speak_for_the_one_at_which_they_are_usual(factor: float) -> None:
    usual = Widths(0.835, 0.0888, 0.382)
    assert PAIRED == (0.5, 2.0)
    for_other = log_likelihood_ratio(usual.times(factor), usual, factor)
    assert for_other > 5
    assert log_likelihood_ratio(usual, usual.times(1 / factor), factor) == pytest.approx(
        -log_likelihood_ratio(usual.times(1 / factor), usual, 1 / factor)
    )
    before = log_likelihood_ratio_of_stated(usual.times(factor), factor)
    assert 0 < before < for_other
    assert log_likelihood_ratio_of_stated(usual, factor) < 0
    gone = Widths(np.nan, 0.0888, 0.382)
    assert log_likelihood_ratio(gone, usual, factor) == log_likelihood_ratio(usual, gone, factor) == -np.inf
    assert log_likelihood_ratio_of_stated(gone, factor) == -np.inf


def test_the_density_is_that_of_a_t_distribution_and_what_is_not_known_is_integrated_out() -> None:
    mean, scale = np.array([0.1, -0.2, 0.4]), np.array([[1.0, 0.3, 0.1], [0.3, 0.5, 0.2], [0.1, 0.2, 0.8]])
    values = np.array([0.7, 0.1, -1.0])
    mine = StudentT(mean, scale)
    assert mine.log_density(values) == pytest.approx(multivariate_t(mean, scale, FREEDOM).logpdf(values))
    part = multivariate_t(mean[:2], scale[:2, :2], FREEDOM).logpdf(values[:2])
    assert mine.log_density(np.array([0.7, 0.1, np.nan])) == pytest.approx(part)
    assert mine.below_mode(mean) == 0


def test_only_usual_widths_at_a_far_rate_are_gross() -> None:
    """Row 17514 of PTB-XL: a pacemaker's spikes and wide complexes, of which 500 for 100 Hz would make one in five."""
    paced, at_500 = Widths(0.714, 0.217, 0.439), Widths(0.741, 0.114, 0.410)
    assert not RateDoubt(100.0, paced, 500.0, at_500).gross
    assert RateDoubt(100.0, paced, 500.0, Widths(0.835, 0.0888, 0.382)).gross
    assert not RateDoubt(100.0, paced, 200.0, Widths(0.835, 0.0888, 0.382)).gross


@pytest.mark.parametrize("number", range(6))
def test_a_true_rate_is_not_doubted_and_half_of_it_is(number: int) -> None:
    record = synthetic_record(number)
    assert doubt(record.ecg_mv, record.leads, record.fs_hz) is None
    found = doubt(record.ecg_mv, record.leads, record.fs_hz / 2)
    assert found is not None
    assert found.likely_hz == record.fs_hz
    assert not found.gross
    text = (
        r"the stated 250 Hz are doubted: they make QRS \d+ ms and QT \d+ ms at \d+/min, hardly a person's; 500 Hz would"
    )
    assert re.fullmatch(text + r" fit: QRS \d+ ms and QT \d+ ms at \d+/min", str(found))


def test_widths_together_are_those_of_each_alone() -> None:
    ready = [USUAL.apply(one.ecg_mv, one.leads, one.fs_hz) for one in map(synthetic_record, range(3))]
    times_s = [find_r_peaks(one, 100.0) for one in ready]
    together = widths_of(ready, 100.0, times_s)
    for one, times, of_all in zip(ready, times_s, together, strict=True):
        alone = widths_of([one], 100.0, [times])[0]
        np.testing.assert_allclose(
            (of_all.rr_s, of_all.qrs_s, of_all.qt_s), (alone.rr_s, alone.qrs_s, alone.qt_s), rtol=1e-4
        )
    assert widths_of([], 100.0, []) == []
    assert np.isnan(widths_of(ready[:1], 100.0, [np.array([1.0])])[0].rr_s)
