import numpy as np
import pytest

from beatssl.beats.windows import Beats, beats_of_rows
from beatssl.features import rhythm


def beats_at(*times_s: np.ndarray) -> Beats:
    return beats_of_rows([np.zeros((12, 1000), np.float32)] * len(times_s), list(times_s), 100.0)


def test_steady_premature_and_irregular_rows_differ():
    steady = np.arange(0.5, 9.6, 0.8)
    early = steady.copy()
    early[5] -= 0.3
    irregular = 0.5 + np.cumsum(np.array([0.6, 1.1, 0.7, 0.5, 0.95, 1.2, 0.62, 0.8, 1.05, 0.55, 0.9]))
    out = rhythm.measure(beats_at(steady, early, irregular), 3, None)
    assert out["rr_irregularity"] == pytest.approx([0, 0, 0.4], abs=0.15)
    assert out["early_beat_share"][:2] == pytest.approx([0, 1 / 11])
    assert out["pause_share"][:2] == pytest.approx([0, 1 / 11])
    assert out["rr_entropy"][0] == pytest.approx(0, abs=1e-6)
    assert out["rr_entropy"][2] > 1.2
    assert out["rr_turning_share"][2] > 0.5
    assert out["rr_shortest_ratio"][1] == pytest.approx(0.5 / 0.8, rel=1e-5)


def test_bigeminy_alternates():
    times = 0.5 + np.cumsum(np.tile([0.5, 1.1], 6))
    assert rhythm.measure(beats_at(times), 1, None)["rr_alternation"][0] < -0.8


def test_rmssd_and_pnn50_by_hand():
    times = np.array([1.0, 1.8, 2.7, 3.5, 4.6])
    rr = np.diff(times)
    out = rhythm.measure(beats_at(times), 1, None)
    assert out["rr_rmssd_ms"][0] == pytest.approx(1000 * np.sqrt(np.mean(np.diff(rr) ** 2)), rel=1e-4)
    assert out["rr_sd_ms"][0] == pytest.approx(1000 * np.std(rr, ddof=1), rel=1e-4)
    assert out["rr_pnn50"][0] == 1


@pytest.mark.parametrize("beats", [0, 1])
def test_too_few_beats_leave_the_rhythm_missing(beats):
    out = rhythm.measure(beats_at(np.arange(1.0, 1.0 + beats)), 1, None)
    assert out["beat_count"][0] == beats
    assert all(np.isnan(values[0]) for name, values in out.items() if name != "beat_count")
