import numpy as np
import pytest

from beatssl.inference.sliding_windows import blended


@pytest.mark.parametrize("samples", [1, 300, 1500])
def test_a_short_record_is_one_window(samples):
    windows, join = blended(samples, 100.0)
    assert windows == [slice(0, samples)]
    part = np.random.default_rng(0).random((1, 2, 4, samples), dtype=np.float32)
    np.testing.assert_array_equal(join(part), part[0])


@pytest.mark.parametrize("samples", [1501, 3000, 12_345, 180_000])
def test_windows_of_one_length_cover_a_record_and_what_they_agree_on_comes_back(samples):
    windows, join = blended(samples, 100.0)
    assert {window.stop - window.start for window in windows} == {1000}
    assert windows[0].start == 0
    assert windows[-1].stop == samples
    whole = np.random.default_rng(0).random((1, 4, samples), dtype=np.float32)
    np.testing.assert_allclose(join(np.stack([whole[:, :, window] for window in windows])), whole, atol=1e-6)


def test_the_ends_of_inner_windows_do_not_count_and_no_step_is_left():
    windows, join = blended(3000, 100.0)
    parts = np.stack([np.full((1, 1, 1000), number, np.float32) for number in range(len(windows))])
    parts[1:, :, :, :99] = 1e6
    parts[:-1, :, :, -99:] = 1e6
    joined = join(parts)[0, 0]
    assert joined.max() <= len(windows) - 1
    assert np.abs(np.diff(joined)).max() < 0.02
