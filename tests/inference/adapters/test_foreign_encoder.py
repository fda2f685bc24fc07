"""Records cut into segments."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.inference.adapters.foreign_encoder import Segments


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 12))
def test_segments_cover_every_sample_and_nothing_else(recorded: list[int], length: int) -> None:
    time = max(max(recorded), length)
    signal = 1 + torch.arange(len(recorded) * time, dtype=torch.float32).reshape(-1, 1, time)
    segments = Segments.of(signal, torch.tensor(recorded), length)
    assert segments.signal.shape[2] == length
    for number, end in enumerate(recorded):
        own = (segments.record == number).nonzero()[:, 0]
        assert len(own) == segments.count[number] == -(-end // length)
        seen: set[int] = set()
        for one in own.tolist():
            start, inside = int(segments.start[one]), int(segments.recorded[one])
            assert torch.equal(segments.signal[one, 0, :inside], signal[number, 0, start : start + inside])
            assert not segments.signal[one, 0, inside:].any()
            seen |= set(range(start, start + inside))
        assert seen == set(range(end))


def test_a_sample_lies_in_the_segment_that_holds_it() -> None:
    segments = Segments.of(torch.ones(2, 1, 25), torch.tensor([25, 10]), 10)
    assert segments.start.tolist() == [0, 10, 15, 0]
    found = segments.at(torch.tensor([0.0, 9.9, 10.0, 24.5, 30.0]))
    assert found.tolist() == [[0, 0, 1, 2, 2], [3, 3, 3, 3, 3]]


def test_the_mean_over_a_records_segments() -> None:
    segments = Segments.of(torch.ones(2, 1, 25), torch.tensor([25, 10]), 10)
    values = torch.tensor([[1.0], [2.0], [6.0], [5.0]])
    assert segments.mean_of_records(values).tolist() == [[3.0], [5.0]]
