import json
import pickle

import numpy as np
import pytest

from beatssl.store.layout import StoreError
from beatssl.store.store import Store, check_compatible, open_stores


def test_rows_come_in_the_order_asked_across_shards(store):
    every = store.ecg_mv(range(len(store)))
    rows = np.array([10, 0, 3, 3, 7])
    np.testing.assert_array_equal(store.ecg_mv(rows), every[rows])
    assert store.ecg_mv([]).shape == (0, 12, 0)
    assert store.median_beats_mv([5, 1]).shape == (2, 12, 110)
    assert every.dtype == np.float32


def test_rows_that_are_not_there_are_refused(store):
    with pytest.raises(IndexError, match="rows are 0 to 10"):
        store.ecg_mv([11])
    with pytest.raises(IndexError, match="rows are 0 to 10"):
        store.ecg_mv([-1])


def test_rows_may_be_a_mask_or_a_slice(store):
    mask = store.records["record_id"] == store.records["record_id"].iloc[2]
    expected = store.ecg_mv(np.flatnonzero(mask))
    for same in (mask, mask.to_numpy(), mask.tolist(), mask.astype("boolean")):
        np.testing.assert_array_equal(store.ecg_mv(same), expected)
    np.testing.assert_array_equal(store.ecg_mv(slice(2, 5)), store.ecg_mv([2, 3, 4]))
    for wrong in ([True, False], np.array([0.5]), np.array(["a"])):
        with pytest.raises(IndexError):
            store.ecg_mv(wrong)


def test_a_store_is_a_sequence_of_signals_that_may_be_changed(store):
    every = store.ecg_mv(range(len(store)))
    assert store[3].shape == every.shape[1:]
    np.testing.assert_array_equal(store[3], every[3])
    np.testing.assert_array_equal(store[np.int64(-1)], every[-1])
    np.testing.assert_array_equal(store[2:5], every[2:5])
    np.testing.assert_array_equal(store[[7, 0]], every[[7, 0]])
    np.testing.assert_array_equal(store[store.records["record_id"] == store.records["record_id"].iloc[2]], every[[2]])
    np.testing.assert_array_equal(np.stack(list(store)), every)
    for wrong in (len(store), -len(store) - 1, [True, False]):
        with pytest.raises(IndexError):
            store[wrong]


def test_what_a_store_gives_are_copies(store):
    for one in (store, store.take([0, 1, 2])):
        for get in (lambda s: s[1], lambda s: s[:2], lambda s: s.ecg_units([1]), lambda s: s.median_beats_mv([1])):
            first = get(one)
            kept = first.copy()
            assert first.flags.writeable
            first += 1
            np.testing.assert_array_equal(get(one), kept)


def test_targets_are_a_table_of_the_labels(store):
    label_set = store.labels["label_set"].iloc[0]
    targets = store.targets(label_set)
    assert len(targets) == len(store)
    long = store.labels[store.labels["label_set"] == label_set]
    assert {(row, name) for row, name in zip(*np.nonzero(targets.to_numpy()), strict=True)} == {
        (row, targets.columns.get_loc(label)) for row, label in zip(long["row"], long["label"], strict=True)
    }
    with pytest.raises(ValueError, match="no labels of set 'nothing'; it has"):
        store.targets("nothing")


def test_tables_count_rows_through_the_store(store):
    assert store.beats["row"].is_monotonic_increasing
    ids = store.records["record_id"]
    assert (ids.loc[store.beats["row"]].to_numpy() == store.beats["record_id"]).all()
    assert (ids.loc[store.labels["row"]].to_numpy() == store.labels["record_id"]).all()
    beat = store.beats.iloc[40]
    signal = store.ecg_mv([beat["row"]])[0]
    at = round(beat["time_s"] * store.fs_hz)
    around = np.sqrt((signal[:, max(at - 30, 0) : at + 30] ** 2).mean(axis=0))
    assert abs(int(around.argmax()) - min(at, 30)) <= 3


def test_some_columns_may_be_read_alone(store):
    assert store.table("beats", ["row", "time_s"]).columns.tolist() == ["row", "time_s"]


def test_a_store_may_be_pickled(store):
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.ecg_mv([2]), store.ecg_mv([2]))


def test_what_is_no_finished_store_is_named(tmp_path, store):
    with pytest.raises(StoreError, match="is no store"):
        Store(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(store.manifest | {"format": 99}))
    with pytest.raises(StoreError, match="format 99, this version of beatssl reads up to 1"):
        Store(tmp_path)
    (tmp_path / "manifest.json").rename(tmp_path / "plan.json")
    with pytest.raises(StoreError, match="not finished; run the same prepare"):
        Store(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\xff", '{"format": "one"}', '{"format": 1}'])
def test_a_damaged_manifest_is_named_with_the_remedy(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(StoreError, match=r"manifest.json is damaged.*remove this file and run the same prepare"):
        Store(tmp_path)


def test_stores_prepared_differently_do_not_mix(prepared, fake_reader):
    one = prepared(fake_reader(3), "one")
    alike = prepared(fake_reader(3), "alike", shard_records=2)
    other = prepared(fake_reader(3), "other", high_hz=30.0, duration_s=5.0)
    assert [len(store) for store in open_stores([one.path, alike.path])] == [3, 3]
    with pytest.raises(StoreError, match=r"one and .*other .*duration_s: 10.0 against 5.0; high_hz: 40.0 against 30.0"):
        check_compatible([one, alike, other])


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("config", {"clusters": 0}, "clusters: 4 against 0"),
        ("config", {"baseline": "medians"}, "baseline: as-recorded against medians"),
        ("config", {"keep_identifiers": True}, "keep_identifiers: False against True"),
        ("config", {"salt_fingerprint": "other"}, "salt_fingerprint: "),
        ("versions", {"beatssl": "99.1.0"}, "beatssl: .* against 99.1"),
        ("reader", {"gains": "published"}, "reader.gains: None against published"),
        ("reader", {"unit": "uV", "csv_fs_hz": 500.0, "leads": "('I',)", "seed": 3}, None),
        ("config", {"salt_fingerprint": "other", "kind": "cinc"}, None),
        ("reader", {"sampling": "500"}, "reader.sampling: None against 500"),
        ("config", {"shard_records": 9}, None),
    ],
)
def test_what_two_stores_must_share(store, tmp_path, part, change, said):
    changed = store.manifest | {part: store.manifest[part] | change}
    (tmp_path / "manifest.json").write_text(json.dumps(changed))
    if said is None:
        check_compatible([store, Store(tmp_path)])
    else:
        with pytest.raises(StoreError, match=said):
            check_compatible([store, Store(tmp_path)])


def test_clusters_of_several_stores_are_left_out(prepared, fake_reader):
    paths = [prepared(fake_reader(3), name).path for name in ("one", "two")]
    assert "cluster" in open_stores(paths[:1])[0].beats
    for store in open_stores(paths):
        assert "cluster" not in store.beats
        assert "cluster" not in pickle.loads(pickle.dumps(store)).beats
