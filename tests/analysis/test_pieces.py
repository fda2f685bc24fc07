"""Pieces of long records: they cover all of it once, and do not grow with it."""

from itertools import pairwise

import pytest

from beatssl.analysis.pieces import pieces


@pytest.mark.parametrize("leads", [1, 2, 12, 15])
@pytest.mark.parametrize("duration_s", [2.0, 10.0, 299.7, 3600.0, 86_400.0, 172_800.0])
@pytest.mark.parametrize("fs_hz", [50.0, 257.3, 1000.0])
def test_cores_follow_one_another_within_margins(leads: int, duration_s: float, fs_hz: float) -> None:
    samples = round(duration_s * fs_hz)
    found = pieces(samples, fs_hz, leads)
    assert found[0].start == 0
    assert found[-1].stop == samples
    assert found[0].core_start_s < 0
    assert found[-1].core_stop_s > duration_s
    for one, after in pairwise(found):
        assert one.core_stop_s == after.core_start_s
        assert one.stop / fs_hz == pytest.approx(min(one.core_stop_s + 56, duration_s), abs=0.02)
        assert after.start / fs_hz == pytest.approx(after.core_start_s - 56, abs=0.02)
    longest_s = max(one.stop - one.start for one in found) / fs_hz
    assert longest_s * leads < 15_000
    assert longest_s <= max(5600, duration_s / len(found))
