"""Sampling rates that heart rate, QRS and QT contradict together."""

import numpy as np
import pytest

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_doubt import RateDoubt, Widths, doubt_of_rate, log_likelihood, widths_of
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


@pytest.mark.parametrize("number", range(6))
def test_a_true_rate_is_not_doubted_and_half_of_it_is(number: int) -> None:
    record = synthetic_record(number)
    assert doubt(record.ecg_mv, record.leads, record.fs_hz) is None
    found = doubt(record.ecg_mv, record.leads, record.fs_hz / 2)
    assert found is not None
    assert found.likely_hz == record.fs_hz
    assert not found.gross
    assert f"at {record.fs_hz / 2:g} Hz are hardly a person's; at {record.fs_hz:g} Hz they are" in str(found)


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
