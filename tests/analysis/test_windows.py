"""Windows of a record that a classifier sees: between gaps, and of ten seconds where it is long."""

import numpy as np
import pytest

from beatssl.analysis.diagnoses import Recorded, _placed, _spans, _windows
from beatssl.inference.measured_features import measure_features
from beatssl.records.synthetic import synthetic_record
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation

TAKES = Preparation(100.0, 0.5, 40.0, LEADS)


def recorded(duration_s: float, *gaps: tuple[float, float]) -> Recorded:
    fs_hz = 100.0
    ecg_mv = drawn_ecg(regular(70, duration_s), duration_s)
    for start_s, stop_s in gaps:
        ecg_mv[:, round(start_s * fs_hz) : round(stop_s * fs_hz)] = np.nan
    return Recorded(ecg_mv, LEADS, fs_hz, True, ecg_mv)


def test_a_record_is_cut_at_its_gaps() -> None:
    assert _spans(recorded(10)) == [(0, 10)]
    assert _spans(recorded(10, (4, 5))) == [(0, 4), (5, 10)]
    assert _spans(recorded(10, (0, 1), (2, 3), (9.9, 10))) == [(3, 10)]  # the last is shorter than 0.2 s
    assert _spans(recorded(10, (2, 4), (6, 8))) == [(0, 10)]  # all parts are shorter than 3 s
    assert [window.shape[1] for window in _windows(TAKES, recorded(10, (4, 5)))] == [400, 500]
    one_lead = recorded(10)
    one_lead.mv[3, 200:900] = np.nan
    assert _spans(one_lead) == [(0, 10)]


def test_windows_of_a_long_record_lie_between_gaps() -> None:
    spans = [(0.0, 12.0), (20.0, 26.0), (40.0, 80.0)]
    assert [_placed(spans, start_s) for start_s in (0, 5, 15, 27, 34, 75)] == [
        (0, 10), (2, 10), (20, 6), None, (40, 10), (70, 10),
    ]  # fmt: skip
    found = list(_windows(TAKES, recorded(60, (12, 20), (26, 55))))
    assert all(np.isfinite(window).all() for window in found)
    assert sorted({window.shape[1] for window in found}) == [500, 600, 1000]


@pytest.mark.parametrize("written", [np.nan, 0.0])
def test_a_gap_is_no_pause_to_measured_features(written: float) -> None:
    record = synthetic_record(0, fs_hz=100.0)
    names = ("rr_irregularity", "pause_share", "rate_bpm", "rr_cv")
    ecg_mv = record.ecg_mv[None].copy()
    whole = measure_features(ecg_mv, record.leads, TAKES, names)[0]
    ecg_mv[:, :, 400:560] = written
    with_gap = measure_features(ecg_mv, record.leads, TAKES, names)[0]
    np.testing.assert_allclose(with_gap, whole, atol=0.03, rtol=0.03)
