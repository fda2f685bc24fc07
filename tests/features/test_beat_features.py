import numpy as np
import pytest

from beatssl.features import BEAT_DEFINITIONS


def test_columns_are_the_definitions(regular):
    table = regular.by_beat()
    assert list(table.columns) == list(BEAT_DEFINITIONS)
    assert len(table) == len(regular.beats)
    assert set(table.dtypes) == {np.dtype(np.float32)}


def test_known_beats(regular):
    inner = regular.by_beat().iloc[3]
    assert inner["rr_prev_ratio"] == pytest.approx(1)
    assert inner["median_correlation"] == pytest.approx(1, abs=1e-4)
    assert inner["qrs_energy_ratio"] == pytest.approx(1, abs=1e-3)
    assert inner["qrs_duration_ms"] == pytest.approx(100, abs=0.01)
    assert inner["r_mv_V4"] == pytest.approx(1.5, rel=0.02)
    assert inner["s_mv_V1"] == pytest.approx(-0.3, rel=0.02)
    assert inner["t_mv_V6"] == pytest.approx(1.1 / 4, abs=0.01)
    assert inner["p_measured"] == 1


def test_an_odd_beat_stands_out(make_rows):
    times = np.arange(0.5, 9.6, 1.0)
    times[4] -= 0.3
    rows = make_rows([times])
    rows.beats.window_mv[4, :, 20:70] *= -2
    table = rows.by_beat()
    assert table["median_correlation"].idxmin() == 4
    assert table["qrs_energy_ratio"].idxmax() == 4
    assert table["rr_prev_ratio"][4] == pytest.approx(0.7, rel=1e-4)
    assert table["rr_next_over_prev"][4] == pytest.approx(1.3 / 0.7, rel=1e-4)


def test_the_first_beat_has_no_interval_before_it_and_its_p_was_not_seen(make_rows):
    table = make_rows([np.array([0.1, 1.1, 2.1, 3.1])]).by_beat()
    assert np.isnan(table["rr_prev_ratio"][0])
    assert np.isnan(table["p_measured"][0])
    assert np.isnan(table["rr_next_ratio"][3])


def test_no_beats_give_an_empty_table(make_rows):
    table = make_rows([np.zeros(0)]).by_beat()
    assert table.shape == (0, len(BEAT_DEFINITIONS))
