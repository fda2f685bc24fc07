"""A stretch of each record, and where its beats then lie."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.views.view import Signals
from beatssl.views.window import window

Seeded = Callable[[int], torch.Generator]


@pytest.mark.parametrize("seconds", [0.0, 10.0, 12.0])
def test_whole_rows_are_left_as_they_are(seconds: float, spoilt: Signals, seeded: Seeded) -> None:
    generator = seeded(0)
    state = generator.get_state()
    assert window(spoilt, seconds, generator) is spoilt
    assert torch.equal(generator.get_state(), state)


def test_marks_stay_on_their_samples(cohort: Signals, seeded: Seeded) -> None:
    seen = window(cohort, 5.0, seeded(1))
    assert seen.ecg_mv.shape == (8, 12, 500)
    assert (seen.valid == 500).all()
    moved = (cohort.beat_at - seen.beat_at).round().long()
    assert len(set(moved.tolist())) > 4  # a place of its own for each record
    for record in range(8):
        (begin,) = set(moved[cohort.beat_record == record].tolist())
        assert torch.equal(seen.ecg_mv[record], cohort.ecg_mv[record, :, begin : begin + 500])


@settings(max_examples=20, deadline=None)
@given(seconds=st.floats(0.02, 9.98), seed=st.integers(0, 1000))
def test_what_was_measured_stays_and_padding_stays_out(seconds: float, seed: int) -> None:
    valid = torch.tensor([1000, 300, 1])
    ecg_mv = torch.where(torch.arange(1000) < valid[:, None, None], torch.arange(1, 1001.0), 0.0).expand(3, 12, -1)
    signals = Signals(
        ecg_mv, torch.ones((3, 12), dtype=torch.bool), valid, torch.zeros(0).long(), torch.zeros(0), 100.0
    )
    seen = window(signals, seconds, torch.Generator().manual_seed(seed))
    length = round(seconds * 100)
    assert torch.equal(seen.valid, valid.clamp(max=length))
    inside = torch.arange(length) < seen.valid[:, None]
    assert torch.equal(seen.ecg_mv[:, 0] > 0, inside)


def test_short_records_are_seen_from_their_beginning(spoilt: Signals, seeded: Seeded) -> None:
    seen = window(spoilt, 8.0, seeded(2))
    assert torch.equal(seen.ecg_mv[1], spoilt.ecg_mv[1, :, :800])
    assert seen.valid[[1, 7]].tolist() == [600, 1]


def test_a_negative_length_is_refused(cohort: Signals, seeded: Seeded) -> None:
    with pytest.raises(ValueError, match=r"a window of -1.0 s"):
        window(cohort, -1.0, seeded(0))
