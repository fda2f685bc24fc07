from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.store.splits import SplitError
from beatssl.targets.kernel import KernelTargets
from beatssl.training.pretraining.batches import Stream, make_batch, prefetched, seed_of
from beatssl.training.pretraining.columns import Spaces, load


def test_rows_carry_their_signals_beats_and_features(store, data):
    rows = np.array([17, 3, 3])
    batch = make_batch(data, rows, slice(None), 0, np.random.default_rng(0))
    ecg_mv = store.ecg_mv(rows)
    assert np.allclose(batch.signals().ecg_mv.numpy(), np.nan_to_num(ecg_mv), atol=1e-6)
    assert batch.signals().lead_mask.all()
    for place, row in enumerate(rows):
        own = store.beats[store.beats["row"] == row]
        here = batch.beat_record == place
        assert np.allclose(batch.beat_at[here].numpy(), own["time_s"] * store.fs_hz, atol=1e-3)
        assert ["NSVF"[k] for k in batch.beat_class[here]] == own["class"].tolist()
        assert batch.beat_cluster[here].tolist() == own["cluster"].tolist()
    rate = data.scales.record.names.index("rate_bpm")
    order = np.argsort(store.features["rate_bpm"])
    assert (np.diff(data.record.values[order, rate]) >= 0).all()


def test_missing_leads_and_padding_are_zero_and_said_to_be(data):
    spoilt = replace(data, units=data.units.copy(), samples=data.samples.copy())
    spoilt.units[5, 2] = -32768
    spoilt.units[5, :, 700:] = -32768
    spoilt.samples[5] = 700
    signals = make_batch(spoilt, np.array([5]), slice(None), 4, np.random.default_rng(0)).signals()
    assert signals.lead_mask[0].tolist() == [True, True, False] + [True] * 9
    assert (signals.ecg_mv[0, 2] == 0).all()
    assert (signals.ecg_mv[0, :, 700:] == 0).all()
    assert signals.valid.tolist() == [700]


def test_from_the_memory_map_comes_what_stands_in_memory(store, data):
    mapped = load([store.path], beat_shape=4, memory_gb=0.0)
    assert mapped.units is None
    rows = np.array([20, 0, 11])
    assert (mapped.ecg_units(rows) == data.ecg_units(rows)).all()


def test_an_epoch_shows_every_row_once_and_the_next_in_another_order(data):
    stream = Stream(data, batch_size=8, beats_per_record=2, seed=3)
    epochs = [np.concatenate([stream.rows(3 * epoch + at) for at in range(3)]) for epoch in range(2)]
    for rows in epochs:
        assert sorted(rows) == list(range(24))
    assert (epochs[0] != epochs[1]).any()


def test_a_batch_depends_on_its_number_alone(data):
    stream = Stream(data, batch_size=8, beats_per_record=2, seed=3)
    there = list(stream.batches(0, 6))[4]
    again = stream.batch(4)
    for name in vars(there):
        if name != "fs_hz":
            assert torch.equal(getattr(there, name), getattr(again, name)), name


@settings(max_examples=25, deadline=None)
@given(beats=st.integers(0, 6), number=st.integers(0, 5), processes=st.sampled_from([1, 2, 4]))
def test_the_parts_of_processes_are_the_batch_of_one(data, beats, number, processes):
    whole = Stream(data, 8, beats, 1).batch(number)
    parts = [Stream(data, 8, beats, 1, rank, processes).batch(number) for rank in range(processes)]
    for name in ("row", "units", "record_values", "beat_at", "beat_values", "beat_class"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
    chosen = torch.bincount(whole.beat_record[whole.chosen], minlength=8)
    all_beats = torch.bincount(whole.beat_record, minlength=8)
    assert torch.equal(chosen, all_beats.clamp(max=beats) if beats else all_beats)


def test_beats_are_chosen_evenly(data):
    counts = np.zeros(int(np.diff(data.beat_begin)[0]))
    for seed in range(400):
        batch = make_batch(data, np.array([0]), slice(None), 3, np.random.default_rng(seed))
        counts[batch.chosen.numpy()] += 1
    expected = 400 * 3 / len(counts)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_rows_without_beats(data):
    none = replace(data, beat_begin=np.zeros_like(data.beat_begin))
    batch = make_batch(none, np.array([1, 2]), slice(None), 4, np.random.default_rng(0))
    assert batch.beat_values.shape == (0, data.beat.values.shape[1])
    assert len(batch.chosen) == len(batch.beat_at) == 0


def test_two_stores_are_one_but_for_their_clusters(store, data):
    both = load([store.path, store.path], beat_shape=4)
    assert len(both) == 2 * len(data)
    half = int(both.beat_begin[len(data)])
    assert set(data.beat_cluster) == {0, 1, 2}
    assert set(both.beat_cluster) == {-1}
    assert (both.beat_class[:half] == both.beat_class[half:]).all()
    rows = np.array([1, len(data) + 1])
    assert (both.ecg_units(rows)[0] == both.ecg_units(rows)[1]).all()


def test_components_stand_for_features_where_asked(store, data):
    spaces = Spaces(record=5, beat=3)
    reduced = load([store.path], beat_shape=4, spaces=spaces)
    assert reduced.record_target.values.shape[1] == 5
    assert reduced.beat_target.values.shape[1] == 3
    assert data.record_target.values is data.record.values


def test_coordinates_of_similarity_are_told_after_the_features(store, data):
    more = load([store.path], beat_shape=4, spaces=Spaces(kernel=KernelTargets(coordinates=6)))
    features = data.record.values.shape[1]
    assert data.record_told is data.record
    assert more.record_told.values.shape == (len(data), features + 6)
    assert np.array_equal(more.record_told.values[:, :features], data.record.values)
    assert more.record_told.measured[:, features:].all()
    assert np.array_equal(more.record_target.values, data.record.values)
    batch = make_batch(more, np.array([3, 1]), slice(None), 0, np.random.default_rng(0))
    assert np.array_equal(batch.record_values.numpy(), more.record_told.values[[3, 1]])


def test_folds_and_limits(store):
    folds = store.records["fold"].to_numpy()
    wanted = sorted(set(folds.tolist()))[:5]
    kept = load([store.path], folds=wanted, beat_shape=0)
    assert np.isin(folds[kept.store_row], wanted).all()
    assert len(load([store.path], row_limit=7, beat_shape=0)) == 7
    with pytest.raises(ValueError, match=r"are in folds \[99\]"):
        load([store.path], folds=[99])


def test_a_patient_on_both_sides_is_refused(store, copied_with):
    shuffled = store.records.assign(fold=np.arange(len(store)) % 2 + 1)
    assert shuffled.groupby("patient_id")["fold"].nunique().max() > 1
    with pytest.raises(SplitError, match="patients stand in both train and test"):
        load([copied_with(store, records=shuffled).path], folds=[1])


def test_batches_that_cannot_be(data):
    with pytest.raises(ValueError, match="more than the 24 rows"):
        Stream(data, 25, 0, 0)
    with pytest.raises(ValueError, match="shared by 2 processes equally"):
        Stream(data, 5, 0, 0, 1, 2)


def test_prefetched_items_come_in_order_and_errors_come_through():
    assert list(prefetched(iter(range(50)))) == list(range(50))

    def broken():
        yield 1
        raise OSError("the disk is gone")

    items = prefetched(broken())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_prefetching_ends_when_nobody_wants_more():
    asked: list[int] = []
    endless = prefetched((asked.append(number) or number for number in range(10**9)), ahead=2)
    assert next(endless) == 0
    endless.close()
    assert len(asked) < 10


def test_seeds_of_different_uses_differ():
    seeds = {seed_of(seed, use, place) for seed in range(3) for use in range(5) for place in range(10)}
    assert len(seeds) == 150
