"""Stores in memory, some rows of a store, and a store changed, read as a store on disk is."""

import pickle

import numpy as np
import pandas as pd
import pytest

from beatssl.signals.leads import LEADS
from beatssl.store.shards.tables import TABLES
from beatssl.store.store import Store


@pytest.fixture
def copied(store):
    """The same store in memory."""
    every = range(len(store))
    tables = {name: store.table(name) for name in TABLES}
    return Store.in_memory(
        ecg_mv=store.ecg_mv(every), median_beats_mv=store.median_beats_mv(every), path=store.path,
        config=store.manifest["config"], **tables,
    )  # fmt: skip


def assert_alike(one, other):
    rows = range(len(one))
    assert len(one) == len(other)
    for read in ("ecg_units", "ecg_mv", "median_beats_mv"):
        np.testing.assert_array_equal(getattr(one, read)(rows), getattr(other, read)(rows))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert (one.kind, one.fs_hz, one.duration_s, one.leads) == (other.kind, other.fs_hz, other.duration_s, other.leads)


def test_a_store_in_memory_reads_as_one_on_disk(store, copied):
    assert_alike(store, copied)
    assert_alike(store, pickle.loads(pickle.dumps(copied)))
    assert copied.table("beats", ["row", "time_s"]).columns.tolist() == ["row", "time_s"]
    with pytest.raises(IndexError, match="rows are 0 to 10"):
        copied.ecg_mv([11])


def test_tables_that_are_not_given_are_empty():
    store = Store.in_memory(records=pd.DataFrame({"record_id": ["a", "b"]}))
    assert len(store) == 2
    assert store.labels.empty
    assert {"record_id", "lead", "wave"} <= set(store.waves)
    with pytest.raises(ValueError, match="made without signals; pass ecg_mv="):
        store.ecg_mv([0])
    with pytest.raises(ValueError, match="no table 'signals'; it has records"):
        Store.in_memory(signals=store.records)


def test_some_rows_are_a_store(store):
    rows = [7, 2, 3]
    some = store.take(rows)
    assert len(some) == 3
    np.testing.assert_array_equal(some.ecg_mv([0, 2]), store.ecg_mv([7, 3]))
    assert some.records["record_id"].tolist() == store.records["record_id"].iloc[rows].tolist()
    pd.testing.assert_frame_equal(some.features, store.features.iloc[rows].reset_index(drop=True))
    for name in ("beats", "labels"):
        table = getattr(some, name)
        assert table["row"].is_monotonic_increasing
        assert (some.records["record_id"].loc[table["row"]].to_numpy() == table["record_id"]).all()
        assert len(table) == getattr(store, name)["row"].isin(rows).sum()
        pd.testing.assert_frame_equal(some.table(name, ["record_id"]), table[["record_id"]])
    assert set(some.waves["record_id"]) == set(some.records["record_id"])
    assert some.rejects.empty
    assert_alike(some, pickle.loads(pickle.dumps(some)))
    assert_alike(store, store.take(slice(None)).with_tables(rejects=store.rejects))
    with pytest.raises(ValueError, match="taken twice"):
        store.take([1, 1])
    with pytest.raises(IndexError, match="rows are 0 to 10"):
        store.take([11])


def test_a_table_in_place_of_the_stores_own(store):
    records = store.records.assign(fold=3)
    changed = store.with_tables(records=records)
    assert set(changed.records["fold"]) == {3}
    assert set(store.records["fold"]) != {3}
    assert_alike(store, changed.with_tables(records=store.records))
    assert_alike(
        changed.take([1, 4]), store.take([1, 4]).with_tables(records=records.iloc[[1, 4]].reset_index(drop=True))
    )
    with pytest.raises(ValueError, match=r"records of 2 lines .* pass one line a row"):
        store.with_tables(records=records.iloc[:2])
    with pytest.raises(ValueError, match="no table 'wave'"):
        store.with_tables(wave=store.waves)


def test_a_setting_in_place_of_the_stores_own(store):
    changed = store.with_config(low_hz=0.05)
    assert (changed.manifest["config"]["low_hz"], store.manifest["config"]["low_hz"]) == (0.05, 0.5)
    assert_alike(store, changed)


def test_recorded_leads_take_their_places(store):
    assert store.twelve_leads() is store
    names = store.records.assign(lead_names=[["V5", "II"]] * len(store))
    twelve = store.with_tables(records=names).with_config(leads="as-recorded").twelve_leads()
    assert twelve.leads == LEADS
    placed, own = twelve.ecg_mv([2]), store.ecg_mv([2])
    np.testing.assert_array_equal(placed[0, LEADS.index("V5")], own[0, 0])
    np.testing.assert_array_equal(placed[0, LEADS.index("II")], own[0, 1])
    assert np.isnan(placed[0, LEADS.index("V1")]).all()
    assert twelve.ecg_mv([]).shape == (0, 12, 0)
