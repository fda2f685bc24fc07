import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.models.roi import beat_windows, bins_inside, roi_project


def slow(feature_map, beat_record, begin, end, bins, steps):
    """Each bin on its own, by NumPy's interpolation between step centres."""
    channels = feature_map.shape[1]
    out = np.zeros((len(begin), channels, bins))
    for beat, record in enumerate(beat_record):
        last = steps[record]
        for index in range(bins):
            at = begin[beat] + (end[beat] - begin[beat]) * (index + 0.5) / bins
            if 0 <= at < last:
                for channel in range(channels):
                    known = feature_map[record, channel, :last]
                    out[beat, channel, index] = np.interp(at, np.arange(last) + 0.5, known)
    return out


def ragged(seed, step=20):
    rng = np.random.default_rng(seed)
    feature_map = rng.normal(size=(3, 4, step))
    beat_record = np.repeat([0, 1, 2], [4, 0, 3])
    begin = rng.uniform(-5, step, size=7)
    return feature_map, beat_record, begin, begin + rng.uniform(0, 12, size=7), np.array([step, 3, 11])


@given(st.integers(0, 10_000), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_it_is_linear_interpolation_bin_by_bin(seed, bins):
    feature_map, beat_record, begin, end, steps = ragged(seed)
    args = [torch.from_numpy(x) for x in (feature_map, beat_record, begin, end)]
    found = roi_project(*args, bins=bins, steps=torch.from_numpy(steps))
    np.testing.assert_allclose(found.numpy(), slow(feature_map, beat_record, begin, end, bins, steps), atol=1e-9)
    inside = bins_inside(args[2], args[3], torch.from_numpy(steps)[args[1]], bins)
    assert (found.numpy()[~inside[:, None].expand(found.shape).numpy()] == 0).all()


def test_by_hand():
    feature_map = torch.arange(8.0).reshape(1, 1, 8)  # the value at x is x − 0.5
    record, two = torch.zeros(2, dtype=torch.int64), torch.tensor([2.0, 6.5])
    found = roi_project(feature_map, record, two, two + 2, 2)
    assert found[0, 0].tolist() == [2.0, 3.0]  # bins at 2.5 and 3.5
    assert found[1, 0].tolist() == [6.5, 0.0]  # bins at 7.0 and 8.0, which lies outside
    edge = roi_project(feature_map, record[:1], torch.tensor([0.0]), torch.tensor([0.5]), 1)
    assert float(edge) == 0.0  # in the outer half step, the outermost step's own value


@given(st.integers(0, 1000), st.integers(1, 5), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_a_signal_moved_by_steps_gives_the_same_roi(seed, moved, part):
    generator = torch.Generator().manual_seed(seed)
    feature_map = torch.randn(2, 3, 30, generator=generator, dtype=torch.float64)
    later = torch.roll(feature_map, moved, dims=2)
    record = torch.tensor([0, 0, 1])
    begin = torch.tensor([3.0, 8.0, 11.0], dtype=torch.float64) + part
    first = roi_project(feature_map, record, begin, begin + 6.3, 8)
    second = roi_project(later, record, begin + moved, begin + 6.3 + moved, 8)
    torch.testing.assert_close(first, second)


def test_windows_are_250_ms_before_to_450_ms_after_and_part_short_intervals():
    record = torch.tensor([0, 0, 0, 1])
    begin, end = beat_windows(torch.tensor([100.0, 200.0, 235.0, 50.0]), record, 100.0)
    assert begin.tolist() == pytest.approx([75.5, 175.5, 223.0, 25.5])
    assert end.tolist() == pytest.approx([145.5, 223.0, 280.5, 95.5])


@given(st.lists(st.floats(0, 999), max_size=20))
@settings(max_examples=40, deadline=None)
def test_windows_hold_their_beat_and_never_overlap(times):
    at = torch.tensor(sorted(times), dtype=torch.float64)
    begin, end = beat_windows(at, torch.zeros(len(at), dtype=torch.int64), 100.0)
    assert (begin <= at + 0.5).all()
    assert (end >= at + 0.5).all()
    assert (end[:-1] <= begin[1:] + 1e-9).all()
    assert (end - begin <= 70 + 1e-9).all()


def test_gradients_reach_the_feature_map_and_nothing_outside():
    feature_map, beat_record, begin, end, steps = (torch.from_numpy(x) for x in ragged(1, step=6))
    feature_map = feature_map.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: roi_project(f, beat_record, begin, end, 3, steps.clamp_max(6)), feature_map
    )
    roi_project(feature_map, beat_record, begin, end, 3, steps.clamp_max(6)).sum().backward()
    assert feature_map.grad is not None
    assert (feature_map.grad[1] == 0).all()


def test_no_beats_and_half_precision():
    feature_map = torch.randn(2, 3, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    none = torch.zeros(0)
    assert roi_project(feature_map, none.long(), none, none, 5).shape == (0, 3, 5)
    begin, end = beat_windows(none, none.long(), 100.0)
    assert begin.shape == end.shape == (0,)
    some = roi_project(feature_map, torch.tensor([1]), torch.tensor([2.0]), torch.tensor([7.0]), 5)
    assert some.dtype == torch.bfloat16
    torch.testing.assert_close(some[0], feature_map[1, :, 2:7])


def test_no_bins_is_an_error():
    with pytest.raises(ValueError, match="0 bins"):
        roi_project(torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.int64), torch.zeros(1), torch.ones(1), 0)
