import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from beatssl.store.layout import MISSING, StoreError, appearing, held, out_of_range, to_int16, to_mv

SIGNALS = arrays(np.float32, (2, 3, 5), elements=st.floats(-40, 40, width=32) | st.just(float("nan")))


@given(SIGNALS)
def test_int16_keeps_half_a_microvolt_and_marks_what_is_missing(ecg_mv):
    units = to_int16(ecg_mv)
    assert units.dtype == np.int16
    np.testing.assert_array_equal(units == MISSING, np.isnan(ecg_mv))
    back = to_mv(units)
    assert np.nanmax(np.abs(back - np.clip(ecg_mv, -32.767, 32.767)), initial=0) <= 0.00051


@given(SIGNALS)
def test_rows_beyond_the_range_are_known(ecg_mv):
    expected = [bool(np.any(np.abs(row[np.isfinite(row)]) > 32.7675)) for row in ecg_mv]
    assert out_of_range(ecg_mv).tolist() == expected


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path):
    def write_and_fail() -> None:
        with appearing(tmp_path / "x.json", tmp_path) as scratch:
            scratch.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    assert not (tmp_path / "x.json").exists()
    with appearing(tmp_path / "x.json", tmp_path) as scratch:
        scratch.write_text("whole")
    assert (tmp_path / "x.json").read_text() == "whole"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock; two runs on one folder are the user's to avoid")
def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path):
    with held(tmp_path), pytest.raises(StoreError, match="another run"), held(tmp_path):
        pass
    with held(tmp_path):
        pass
