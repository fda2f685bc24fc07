from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.windows import beats_of_rows
from beatssl.records.record import Record
from beatssl.store.config import PrepareConfig
from beatssl.store.shards.conditioning import Conditioned, row_count
from beatssl.store.shards.rows import beats_of_pieces, blocks, cut

FS_HZ, ROW = 50.0, 100
CONFIG = PrepareConfig(kind="fake", source=Path("in"), out=Path("out"), fs_hz=FS_HZ, duration_s=2.0, high_hz=20.0)


def long_record(seed: int, samples: int, leads: int = 2) -> Conditioned:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.3, 1.5, 200))
    record = Record(np.empty((leads, 0), np.float32), tuple("abcdef"[:leads]), FS_HZ, f"r{seed}", "fake")
    ecg_mv = rng.normal(size=(leads, samples)).astype(np.float32)
    gap = rng.integers(samples)
    ecg_mv[:, gap : gap + rng.integers(60)] = np.nan
    times = times[times < (samples - 1) / FS_HZ]
    rows = row_count(samples, times, CONFIG)
    return Conditioned(record, ecg_mv, record.leads, ({},) * rows, times)


SEEDS_AND_LENGTHS = st.lists(st.tuples(st.integers(0, 99), st.integers(100, 900)), min_size=1, max_size=4)


@given(SEEDS_AND_LENGTHS, st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_every_beat_belongs_to_one_row_and_is_seen_in_its_whole_record(drawn, block_rows):
    items = [long_record(*one) for one in drawn]
    whole = beats_of_rows([item.ecg_mv for item in items], [item.r_times_s for item in items], FS_HZ)
    groups = list(blocks(items, block_rows))
    parts = [beats_of_pieces(group, FS_HZ, ROW) for group in groups]
    assert sum(len(part) for part in parts) == len(whole)
    # NumPy's testing functions take NaN beside NaN as equal: an interval unknown in the record is so in the row.
    for name in ("rr_prev_s", "rr_next_s", "window_mv"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    rows = [(item, first) for item in items for first in range(item.rows)]
    before = np.cumsum([0] + [sum(piece.rows for piece in group) for group in groups])
    time_s = np.concatenate([
        part.time_s + np.array([rows[start + row][1] for row in part.row]) * ROW / FS_HZ
        for part, start in zip(parts, before, strict=False)
    ])  # fmt: skip
    np.testing.assert_allclose(time_s, whole.time_s, atol=1e-9)
    assert all(np.all((part.time_s >= 0) & (part.time_s <= ROW / FS_HZ + 1e-9)) for part in parts)


@given(SEEDS_AND_LENGTHS, st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_rows_hold_the_signal_and_nothing_past_its_end(drawn, block_rows):
    items = [long_record(*one) for one in drawn]
    rows = np.concatenate([cut(group, ROW) for group in blocks(items, block_rows)])
    expected = []
    for item in items:
        count = item.rows
        padded = np.full((2, count * ROW), np.nan, np.float32)
        kept = min(item.ecg_mv.shape[1], count * ROW)
        padded[:, :kept] = item.ecg_mv[:, :kept]
        expected += list(padded.reshape(2, count, ROW).transpose(1, 0, 2))
    np.testing.assert_array_equal(rows, np.stack(expected))


def test_an_incomplete_last_row_is_kept_for_its_beats_only():
    assert row_count(250, np.array([1.0, 4.5]), CONFIG) == 3
    assert row_count(250, np.array([1.0, 3.9]), CONFIG) == 2
    assert row_count(30, np.array([0.1]), CONFIG) == 1


def test_a_record_of_fewer_leads_is_filled_up_with_missing_ones():
    group = next(blocks([long_record(1, 100), long_record(2, 100, leads=3)], 5))
    rows, beats = cut(group, ROW), beats_of_pieces(group, FS_HZ, ROW)
    assert rows.shape == (2, 3, ROW)
    assert np.isnan(rows[0, 2]).all()
    assert np.isnan(beats.window_mv[beats.row == 0, 2]).all()
    assert np.isfinite(beats.window_mv[beats.row == 1, 2]).any()
