import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.reader import Source
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import StoreError
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


def files_of(store: Path) -> dict[str, str]:
    """The hash of every file of a store."""
    paths = [path for path in sorted(store.rglob("*")) if path.is_file()]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def config(folder: Path, **changes: object) -> PrepareConfig:
    given = {"kind": "fake", "source": folder, "out": folder / "store", "salt": "test", "workers": 1, "clusters": 4}
    return PrepareConfig(**(given | {"shard_records": 5} | changes))


def test_a_store_holds_what_its_records_hold(prepared, fake_reader):
    store = prepared(fake_reader(12))
    assert len(store) == 12
    assert store.records["record_id"].tolist() == [f"r{index:03d}" for index in range(12)]
    assert store.records["fold"].tolist()[:2] == [1, 2]
    assert store.records["sex"].tolist()[:2] == ["male", "female"]
    assert store.records["patient_id"].nunique() == 6
    assert (store.records["samples"] == 1000).all()
    assert store.records["lead_names"].iloc[0].tolist() == list(store.leads)
    rate = 60 / store.beats.groupby("row")["rr_next_s"].median()
    np.testing.assert_allclose(rate, 60.0 + np.arange(12), rtol=0.03)
    assert set(store.beats["class"]) <= set("NSVF")
    assert store.beats["cluster"].between(0, 3).all()
    assert len(store.features) == 12
    assert store.labels.query("row == 7")["label"].tolist() == ["NORM", "SR"]
    assert store.labels.query("row == 7")["record_id"].tolist() == ["r007", "r007"]
    assert store.waves["record_id"].nunique() == 12
    assert store.reference_beats.query("record_id == 'r011'")["symbol"].tolist() == ["N", "V"]
    assert store.rejects.empty
    assert {"flag_flat", "flag_noisy", "flag_swapped_limb_leads", "flag_rate_doubted"} <= set(store.records.columns)


def test_rejects_are_set_aside_and_counted_and_the_run_goes_on(tmp_path, fake_reader):
    spoilt = {0: "crash", 1: "short", 2: "flat", 3: "gaps", 4: "one lead", 7: "checksum", 8: "short"}
    summary = prepare(config(tmp_path), fake_reader(12, spoilt=spoilt))
    assert (summary.sources, summary.records) == (12, 5)
    assert summary.rejects == {
        "checksum": 1, "missing-leads": 1, "nan": 1, "no-beats": 1, "too-short": 2, "unreadable": 1,
    }  # fmt: skip
    assert "2 too-short" in str(summary)
    store = Store(tmp_path / "store")
    assert store.records["record_id"].tolist() == ["r005", "r006", "r009", "r010", "r011"]
    assert store.rejects["file"].tolist() == [f"files/r{index:03d}" for index in spoilt]
    assert sorted(store.beats["row"].unique()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("leads", ["twelve", "as-recorded"])
def test_that_nothing_was_kept_is_an_error_and_the_store_has_all_its_columns(tmp_path, fake_reader, leads):
    spoilt = fake_reader(3, spoilt=dict.fromkeys(range(3), "flat"))
    for _ in range(2):  # the store is finished: the second run only says so again
        with pytest.raises(StoreError, match=r"nothing was kept: all 3 .*\(3 no-beats\), such as files/r000: .*no R"):
            prepare(config(tmp_path, leads=leads), spoilt)
    store = Store(tmp_path / "store")
    prepare(config(tmp_path, leads=leads, out=tmp_path / "whole"), fake_reader(3))
    whole = Store(tmp_path / "whole")
    for name in ("records", "beats", "features", "labels", "waves", "reference_beats"):
        assert getattr(store, name).dtypes.to_dict() == getattr(whole, name).dtypes.to_dict(), name
    assert len(store) == len(store.records) == len(store.beats) == len(store.features) == 0
    assert len(store.rejects) == 3


def test_a_rate_that_the_beats_contradict_is_flagged(tmp_path):
    record = synthetic_record(0)
    for name, fs_hz in (("true", record.fs_hz), ("halved", record.fs_hz / 2)):
        Record(record.ecg_mv, record.leads, fs_hz, name, "test").save(tmp_path / "ecg" / f"{name}.hea")
    prepare(PrepareConfig("files", tmp_path / "ecg", tmp_path / "store", workers=1, clusters=2))
    flagged = Store(tmp_path / "store").records.groupby("record_id")["flag_rate_doubted"].any()
    assert flagged.tolist() == [True, False]


def test_amplitudes_beyond_the_range_are_clipped_and_flagged(prepared, fake_reader):
    store = prepared(fake_reader(3, spoilt={1: "large"}))
    assert store.records["flag_out_of_range"].tolist() == [False, True, False]
    assert np.abs(store.ecg_mv([1])).max() == pytest.approx(32.767)


def test_nothing_of_this_machine_and_nobody_is_in_a_store(tmp_path, fake_reader):
    prepare(config(tmp_path), fake_reader(4, spoilt={3: "checksum"}))
    for path in (tmp_path / "store").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert str(tmp_path).encode() not in content, path
        assert b"Jane Doe" not in content, path
        assert b"patient 1" not in content, path


def test_identifiers_are_kept_on_request(prepared, fake_reader):
    store = prepared(fake_reader(2), keep_identifiers=True)
    assert store.records["patient_id"].tolist() == ["patient 0", "patient 0"]
    assert store.records["metadata"].iloc[1] == '{"device": "CS-12", "name": "Jane Doe", "weight": 70}'


def test_what_the_reader_says_besides_is_kept_but_for_names_and_unknown_keys(prepared, fake_reader):
    store = prepared(fake_reader(2, duration_s=25.0))
    assert store.records["metadata"].tolist() == ['{"device": "CS-12", "weight": 70}'] * 6


def test_long_records_are_cut_and_keep_their_time(prepared, fake_reader):
    store = prepared(fake_reader(2, duration_s=34.0))
    assert store.records["segment"].tolist() == [0, 1, 2, 3] * 2
    assert store.records["start_s"].tolist() == [0.0, 10.0, 20.0, 30.0] * 2
    assert store.records["samples"].tolist() == [1000, 1000, 1000, 400] * 2
    assert np.isnan(store.ecg_mv([3])[:, :, 400:]).all()
    for _, beats in store.beats.groupby("record_id"):
        assert beats["rr_prev_s"].isna().sum() == 1
        np.testing.assert_allclose(np.diff(beats["time_in_record_s"]), beats["rr_prev_s"].iloc[1:], atol=1e-5)
    assert store.labels.query("label == 'NORM'")["row"].tolist() == list(range(8))


def test_leads_as_recorded_keep_their_slots_and_names(prepared, fake_reader):
    store = prepared(fake_reader(2, spoilt={0: "one lead", 1: "one lead"}), leads="as-recorded")
    assert store.leads == ("1",)
    assert store.records["lead_names"].iloc[0].tolist() == ["I"]
    assert store.ecg_mv([0, 1]).shape == (2, 1, 1000)
    assert (store.features.notna().sum(axis=1) > 10).all()  # the rhythm at least, and what lead I alone shows


def test_the_hash_of_a_waveform_does_not_depend_on_neighbours_of_more_leads(prepared, fake_reader):
    given = {"leads": "as-recorded", "shard_records": 2}
    alone = prepared(fake_reader(1, spoilt={0: "one lead"}), "alone", **given)
    beside = prepared(fake_reader(2, spoilt={0: "one lead"}), "beside", **given)
    assert beside.ecg_mv([0]).shape == (1, 12, 1000)
    assert alone.records["waveform_hash"].iloc[0] == beside.records["waveform_hash"].iloc[0]


def test_every_file_of_a_store_has_the_same_rights(prepared, fake_reader):
    store = prepared(fake_reader(3))
    assert len({path.stat().st_mode for path in store.path.rglob("*") if path.is_file()}) == 1


def test_two_records_of_one_id_are_refused(tmp_path, fake_reader):
    reader = fake_reader(3)
    reader.sources = lambda root: [Source("r000", "a/r000"), Source("r000", "b/r000")]
    with pytest.raises(ValueError, match=r"two records under .* have the id 'r000'"):
        prepare(config(tmp_path), reader)


def test_the_bytes_do_not_depend_on_shards_being_there_or_damaged(tmp_path, fake_reader):
    reader = fake_reader(12)
    prepare(config(tmp_path), reader)
    whole = files_of(tmp_path / "store")
    assert prepare(config(tmp_path), reader).shards_kept == 3
    (tmp_path / "store" / "shard-00001" / "ecg.npy").write_bytes(b"damaged")
    assert prepare(config(tmp_path), reader).shards_kept == 2
    assert files_of(tmp_path / "store") == whole


def test_remains_of_another_plan_are_refused_with_what_differs(tmp_path, fake_reader):
    prepare(config(tmp_path), fake_reader(4))
    before = files_of(tmp_path / "store")
    with pytest.raises(StoreError, match=r"config.fs_hz: 100.0 against 250.0.*out="):
        prepare(config(tmp_path, fs_hz=250), fake_reader(4))
    with pytest.raises(StoreError, match=r"sources.count: 4 against 5.*sources.sha256"):
        prepare(config(tmp_path), fake_reader(5))
    assert files_of(tmp_path / "store") == before


def test_a_folder_with_other_things_is_refused(tmp_path, fake_reader):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.doc").write_text("mine")
    with pytest.raises(StoreError, match=r"no store and holds \['thesis.doc'\]"):
        prepare(config(tmp_path), fake_reader(4))


def test_no_record_and_no_such_kind_are_errors(tmp_path, fake_reader):
    with pytest.raises(ValueError, match="no fake record under"):
        prepare(config(tmp_path), fake_reader(0))
    with pytest.raises(ValueError, match="no reader for kind 'fake'; there are ptbxl"):
        prepare(config(tmp_path))


def test_names_that_leave_the_folder_and_files_that_are_not_there_are_set_aside(tmp_path):
    (tmp_path / "mitdb").mkdir()
    (tmp_path / "outside.hea").write_text("outside 1 100 1000\n")
    (tmp_path / "mitdb" / "RECORDS").write_text("../outside\nmissing\n")
    with pytest.raises(StoreError, match="1 unreadable, 1 unsafe-path"):
        prepare(config(tmp_path, kind="mitdb", source=tmp_path / "mitdb"))
    assert Store(tmp_path / "store").rejects.set_index("reason")["file"].to_dict() == {
        "unsafe-path": "../outside",
        "unreadable": "missing",
    }


def test_the_manifest_names_format_versions_and_every_file(tmp_path, fake_reader):
    prepare(config(tmp_path), fake_reader(7))
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert {"beatssl", "numpy", "scipy", "wfdb"} <= manifest["versions"].keys()
    there = files_of(tmp_path / "store")
    del there["manifest.json"]
    shards = {name for name in there if name.endswith("shard.json")}
    assert {name: digest for name, digest in there.items() if name not in shards} == manifest["files"]
    assert manifest["counts"]["records"] == 7


@pytest.fixture
def wards(tmp_path):
    """Two folders with a file of one name, and what is said of a `prepare` of several paths."""
    for index, name in enumerate(("ward7/a.csv", "ward7/b.csv", "ward8/a.csv")):
        synthetic_record(index).save(tmp_path / name)
    return tmp_path


def test_several_files_and_folders_are_one_store(wards):
    places = (wards / "ward7", wards / "ward8" / "a.csv")
    given = {"out": wards / "store", "workers": 1, "clusters": 2, "salt": "s", "shard_records": 2}
    (wards / "ward7" / "notes.txt").write_text("nothing")
    (wards / "meta.csv").write_text("record_id,age\nward8/a,61\nb,44\n")
    made = prepare(PrepareConfig("files", places, table=wards / "meta.csv", **given))
    assert made.not_read == ("notes.txt",)
    records = Store(wards / "store").records
    assert records["record_id"].tolist() == ["ward7/a.csv", "ward7/b.csv", "ward8/a.csv"]
    assert records["age_years"].tolist()[1:] == [44.0, 61.0]
    before = files_of(wards / "store")
    again = PrepareConfig("files", places[::-1], table=wards / "meta.csv", **given)  # their order does not count
    assert prepare(again).shards_kept == 2
    synthetic_record(5).save(wards / "ward8" / "a.csv", overwrite=True)
    assert prepare(again).shards_kept == 1  # a file that has changed is read again
    assert files_of(wards / "store") != before
    with pytest.raises(StoreError, match=r"another plan.*sources"):
        prepare(PrepareConfig("files", places[:1], table=None, **given))


def test_one_path_of_several_is_as_the_path_itself(wards):
    given = {"workers": 1, "clusters": 2, "salt": "s"}
    prepare(PrepareConfig("files", wards / "ward7", out=wards / "one", **given))
    prepare(PrepareConfig("files", (wards / "ward7",), out=wards / "other", **given))
    assert files_of(wards / "one") == files_of(wards / "other")


def test_a_data_set_takes_one_folder_and_files_at_least_one_path(tmp_path):
    with pytest.raises(ValueError, match=r"'ludb' is one data set and takes one folder, but 2 paths .*'files'"):
        PrepareConfig("ludb", (tmp_path / "a", tmp_path / "b"), out=tmp_path / "store")
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"no reader for kind '.*/a'.* is a path: write files before it"):
        prepare(PrepareConfig(str(tmp_path / "a"), tmp_path / "a", out=tmp_path / "store"))
    with pytest.raises(ValueError, match="no source given"):
        PrepareConfig("files", (), out=tmp_path / "store")


def test_the_first_record_that_was_set_aside_is_shown(wards):
    (wards / "ward7" / "bare.csv").write_text("1,2,3\n4,5,6\n7,8,9\n")
    made = prepare(PrepareConfig("files", wards / "ward7", out=wards / "store", workers=1, clusters=2))
    assert "set aside: 1 unreadable, such as bare.csv: has no row of lead names; pass lead_names=" in str(made)
