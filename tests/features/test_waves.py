import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features.waves import interpolated, waves_of


@given(st.floats(-0.625, 0.875, width=32))
def test_interpolation_equals_numpys_inside_and_is_missing_outside(time_s):
    at_s = ((np.arange(110) - 40) / 100).astype(np.float32)
    mv = np.random.default_rng(0).normal(size=(1, 2, 110)).astype(np.float32)
    value = interpolated(mv, at_s, np.array([time_s], np.float32))
    if at_s[0] < time_s < at_s[-1]:
        np.testing.assert_allclose(value[0], [np.interp(time_s, at_s, lead) for lead in mv[0]], atol=1e-3)
    elif not at_s[0] <= time_s <= at_s[-1]:
        assert np.isnan(value).all()


def marks(onset_s: float) -> Fiducials:
    times = (np.nan, np.nan, np.nan, onset_s, 0.0, 0.05, np.nan, 0.3, 0.4)
    return Fiducials(*(np.array([at], np.float32) for at in times))


def test_waves_are_levelled_at_the_onset_and_fine_around_the_qrs():
    at = (np.arange(110) - 40) / 100
    beat = 0.7 + np.exp(-0.5 * ((at - 0.003) / 0.02) ** 2)
    waves = waves_of(np.tile(beat, (1, 12, 1)).astype(np.float32), marks(-0.08), 100.0, 40)
    np.testing.assert_allclose(waves.qrs_mv[0, 0].max(), 1.0, atol=0.005)
    assert abs(waves.qrs_at_s[waves.qrs_mv[0, 0].argmax()] - 0.003) <= 0.0025
    assert waves.mv[0, 0, 5] == np.float32(0) or abs(waves.mv[0, 0, 5]) < 1e-3
    assert waves.has_qrs.all()


def test_a_lead_with_a_gap_in_the_qrs_is_missing():
    window = np.tile(np.sin(np.arange(110, dtype=np.float32)), (1, 12, 1))
    window[0, 3, 42] = np.nan
    waves = waves_of(window, marks(-0.05), 100.0, 40)
    assert not waves.present[0, 3]
    assert waves.present.sum() == 11
    assert (waves.mv[0, 3] == 0).all()


def test_a_flat_lead_is_missing():
    window = np.tile(np.sin(np.arange(110, dtype=np.float32)), (1, 12, 1))
    window[0, 10] = 0.3
    assert waves_of(window, marks(-0.05), 100.0, 40).present[0].tolist() == [True] * 10 + [False, True]


def test_without_an_onset_there_is_no_qrs():
    waves = waves_of(np.ones((1, 12, 110), np.float32), marks(float("nan")), 100.0, 40)
    assert not waves.has_qrs.any()
