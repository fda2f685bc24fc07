"""Rows of a store as signals, and measured again."""

import numpy as np

from beatssl.checks.view_measuring import marks_s, measure_again, signals_of_rows
from beatssl.store.store import Store


def test_a_row_measured_again_is_the_stores(forty: Store) -> None:
    rows = np.arange(5, 15)
    signals = signals_of_rows(forty, rows)
    again = measure_again(signals, marks_s(signals)).features
    stored = forty.features.iloc[rows].reset_index(drop=True)
    for name in ("rate_bpm", "qrs_duration_ms", "qt_interval_ms", "r_amplitude_mv_V5", "rr_rmssd_ms"):
        np.testing.assert_allclose(again[name], stored[name], rtol=0.03, atol=1e-3, err_msg=name)


def test_signals_carry_beats_masks_and_ends(forty: Store) -> None:
    rows = np.array([3, 11])
    signals = signals_of_rows(forty, rows)
    assert signals.ecg_mv.shape == (2, 12, 1000)
    assert signals.valid.tolist() == [1000, 1000]
    for place, row in enumerate(rows):
        own = forty.beats[forty.beats["row"] == row]["time_s"].to_numpy()
        np.testing.assert_allclose(signals.beat_at[signals.beat_record == place].numpy(), own * 100, atol=1e-2)
