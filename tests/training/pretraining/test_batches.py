from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.training.pretraining.batches import Batches, make_batch
from beatssl.training.pretraining.columns import Columns


@pytest.fixture(scope="module")
def columns(rows):
    """Numbers that say which row and beat they are of."""
    beats = np.arange(len(rows.beats))
    return Columns({"row": np.arange(len(rows))}, {"beat": beats, "at": rows.beat_at})


def batch_of(rows, columns, at, beats_per_record=0, seed=0):
    return make_batch(rows, columns, np.array(at), slice(None), beats_per_record, np.random.default_rng(seed))


def test_rows_carry_their_signals_beats_and_columns(store, rows, columns):
    at = [17, 3, 3]
    batch = batch_of(rows, columns, at)
    signals = batch.signals()
    assert np.allclose(signals.ecg_mv.numpy(), np.nan_to_num(store.ecg_mv(at)), atol=1e-6)
    assert signals.lead_mask.all()
    assert batch.record["row"].tolist() == at
    for place, row in enumerate(at):
        own = store.beats[store.beats["row"] == row]
        here = batch.beat_record == place
        assert np.allclose(batch.beat_at[here].numpy(), own["time_s"] * store.fs_hz, atol=1e-3)
    assert torch.equal(batch.beat["at"], batch.beat_at[batch.chosen])


def test_missing_leads_and_padding_are_zero_and_said_to_be(rows):
    spoilt = replace(rows, units=rows.units.copy())
    spoilt.units[5, 2] = -32768
    spoilt.units[5, :, 700:] = -32768
    spoilt.__dict__["samples"] = np.where(np.arange(len(rows)) == 5, 700, rows.samples)
    signals = batch_of(spoilt, Columns(), [5], 4).signals()
    assert signals.lead_mask[0].tolist() == [True, True, False] + [True] * 9
    assert (signals.ecg_mv[0, 2] == 0).all()
    assert (signals.ecg_mv[0, :, 700:] == 0).all()
    assert signals.valid.tolist() == [700]


def test_a_batch_depends_on_its_number_alone(rows, columns):
    stream = Batches(rows, columns, size=8, beats_per_record=2, seed=3)
    there, again = list(stream.between(0, 6))[4], stream.batch(4)
    assert (there.row == again.row).all()
    for name in ("units", "valid", "beat_record", "beat_at", "chosen"):
        assert torch.equal(getattr(there, name), getattr(again, name)), name
    assert torch.equal(there.beat["beat"], again.beat["beat"])


@settings(max_examples=25, deadline=None)
@given(beats=st.integers(0, 6), number=st.integers(0, 5), processes=st.sampled_from([1, 2, 4]))
def test_the_parts_of_processes_are_the_batch_of_one(rows, columns, beats, number, processes):
    whole = Batches(rows, columns, 8, beats, 1).batch(number)
    parts = [Batches(rows, columns, 8, beats, 1, rank, processes).batch(number) for rank in range(processes)]
    assert np.concatenate([part.row for part in parts]).tolist() == whole.row.tolist()
    for name in ("units", "beat_at"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
    assert torch.equal(torch.cat([part.beat["beat"] for part in parts]), whole.beat["beat"])
    chosen = torch.bincount(whole.beat_record[whole.chosen], minlength=8)
    all_beats = torch.bincount(whole.beat_record, minlength=8)
    assert torch.equal(chosen, all_beats.clamp(max=beats) if beats else all_beats)


def test_beats_are_chosen_evenly(rows, columns):
    counts = np.zeros(int(np.diff(rows.beat_begin)[0]))
    for seed in range(400):
        counts[batch_of(rows, columns, [0], 3, seed).chosen.numpy()] += 1
    expected = 400 * 3 / len(counts)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_rows_without_beats(rows, columns):
    none = replace(rows)
    none.__dict__["beat_begin"] = np.zeros_like(rows.beat_begin)
    batch = batch_of(none, columns, [1, 2], 4)
    assert batch.beat["beat"].shape == (0,)
    assert len(batch.chosen) == len(batch.beat_at) == 0


def test_batches_that_cannot_be(rows, columns):
    with pytest.raises(ValueError, match="batch size 25 with 24 rows"):
        Batches(rows, columns, 25, 0, 0)
    with pytest.raises(ValueError, match="shared by 2 processes equally"):
        Batches(rows, columns, 5, 0, 0, 1, 2)
