import shutil
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.reader import Source
from beatssl.store.config import PrepareConfig
from beatssl.store.inputs import hash_files, hash_sources
from beatssl.store.layout import StoreError
from beatssl.store.prepare import PrepareSummary, prepare
from beatssl.store.store import Store


def write_record(folder: Path, name: str, ecg_mv: np.ndarray, file: str = "") -> None:
    """A WFDB record of 100 Hz in format 16, whose checksums its header states."""
    units = np.round(ecg_mv * 1000).astype("<i2").T
    file = file or f"{name}.dat"
    lines = [f"{name} {len(ecg_mv)} 100 {len(units)}"]
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    for lead, signal in zip(names, units.T, strict=True):
        lines.append(f"{file} 16 1000/mV 16 0 {signal[0]} {signal.sum(dtype=np.int16)} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    (folder / file).write_bytes(units.tobytes())


@pytest.fixture
def folder(tmp_path: Path, heartbeat: np.ndarray) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    for index in range(6):
        write_record(folder, f"r{index}", heartbeat)
    return folder


def run(folder: Path, **changes: object) -> PrepareSummary:
    given = {"out": folder.parent / "store", "shard_records": 2, "workers": 1, "clusters": 0, "salt": "a salt"}
    return prepare(PrepareConfig(kind="files", source=folder, **(given | changes)))


def test_a_repaired_file_of_the_same_size_is_noticed_and_only_its_shard_made_again(folder):
    good = (folder / "r2.dat").read_bytes()
    (folder / "r2.dat").write_bytes(good[:-2] + b"\x11\x11")
    assert run(folder).rejects == {"checksum": 1}
    spoilt = Store(folder.parent / "store").manifest["inputs"]
    (folder / "r2.dat").write_bytes(good)
    repaired = run(folder)
    assert (repaired.rejects, repaired.records, repaired.shards_kept) == ({}, 6, 2)
    assert Store(folder.parent / "store").manifest["inputs"] != spoilt
    assert run(folder).shards_kept == 3
    run(folder, out=folder.parent / "fresh")
    for path in (folder.parent / "fresh").rglob("*"):
        again = folder.parent / "store" / path.relative_to(folder.parent / "fresh")
        assert path.is_dir() or path.read_bytes() == again.read_bytes(), path


def test_a_changed_file_is_noticed_after_a_kill_too(folder):
    run(folder)
    (folder.parent / "store" / "manifest.json").rename(folder.parent / "store" / "plan.json")
    plan = (folder.parent / "store" / "plan.json").read_bytes()
    header = folder / "r5.hea"
    header.write_text(header.read_text() + "# Age: 50\n")
    assert run(folder).shards_kept == 2
    assert plan != (folder.parent / "store" / "manifest.json").read_bytes()
    assert Store(folder.parent / "store").records["age_years"].iloc[5] == 50.0


def test_all_files_of_a_record_count_and_no_other(folder, heartbeat):
    write_record(folder, "r7", heartbeat, "elsewhere.dat")
    (folder / "many.hea").write_text("many/2 12 100 2000\nr0 1000\nr7 1000\n")
    (folder / "t.csv").write_text("1,2\n")
    sources = [Source("r1", "r1"), Source("many", "many.hea"), Source("t.csv", "t.csv")]
    before = hash_files(folder, sources)
    assert before == hash_files(folder, sources)
    (folder / "r3.dat").write_bytes(b"another's")
    (folder / "r10.hea").write_text("another's")
    (folder / "t.csv.part").write_text("another's")
    assert hash_files(folder, sources) == before
    seen = {before}
    for name in ("r1.dat", "r1.hea", "r1.atr", "r0.dat", "r7.hea", "elsewhere.dat", "many.hea", "t.csv"):
        path = folder / name
        old = path.read_bytes() if path.exists() else None
        path.write_bytes((old or b"") + b"\n")
        seen.add(hash_files(folder, sources))
        path.write_bytes(old) if old is not None else path.unlink()
    assert len(seen) == 9
    assert hash_files(folder, sources) == before


def test_a_single_file_and_files_that_are_not_there(folder):
    one = [Source("r1", "r1.hea")]
    before = hash_files(folder / "r1.hea", one)
    (folder / "r1.dat").unlink()
    assert hash_files(folder / "r1.hea", one) != before
    assert hash_files(folder / "r1", one) == hash_files(folder / "r1.hea", one)  # named without its ending
    assert hash_files(folder / "no" / "where", one) == hash_files(folder / "no" / "where", [])


def test_what_the_index_says_counts():
    assert hash_sources([Source("a", "a", {"age": 1})]) != hash_sources([Source("a", "a", {"age": 2})])
    assert hash_sources([Source("a", "a")]) != hash_sources([Source("a", "b")])


def test_a_store_inside_its_source_is_no_source(folder, heartbeat):
    np.save(folder / "array.npy", heartbeat)
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    plain = {"csv_fs_hz": 100.0, "unit": "mV", "lead_names": leads}
    for name in ("store", "deep/store"):
        (folder / name).parent.mkdir(exist_ok=True)
        assert run(folder, out=folder / name, **plain).sources == 7
        assert run(folder, out=folder / name, **plain).shards_kept == 4
    (folder / "store" / "manifest.json").rename(folder / "store" / "plan.json")
    assert run(folder, out=folder / "store", **plain).sources == 7


def test_a_damaged_manifest_is_mended_as_its_error_says(folder):
    run(folder)
    manifest = folder.parent / "store" / "manifest.json"
    whole = manifest.read_bytes()
    (folder.parent / "store" / "check-peaks.json").write_text("{}")
    manifest.write_text("")
    with pytest.raises(StoreError, match="remove this file"):
        run(folder)
    manifest.unlink()
    with pytest.raises(StoreError, match="no store and holds"):
        run(folder, fs_hz=250.0)  # the shards there are of another plan
    assert run(folder).shards_kept == 3
    assert manifest.read_bytes() == whole


def test_a_synthetic_cohort_is_a_number_and_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"kind": "synthetic", "source": Path("2"), "out": Path("store"), "workers": 1, "clusters": 0}
    prepare(PrepareConfig(**given))
    first = Store("store").ecg_mv([0, 1])
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "0.dat").write_text("mine")
    assert prepare(PrepareConfig(**given)).shards_kept == 1
    with pytest.raises(StoreError, match=r"reader.seed: 0 against 5"):
        prepare(PrepareConfig(**given, seed=5))
    shutil.rmtree("store")
    prepare(PrepareConfig(**given, seed=5))
    assert not np.array_equal(Store("store").ecg_mv([0, 1]), first)
    with pytest.raises(ValueError, match="'ptbxl' does not take seed"):
        prepare(PrepareConfig("ptbxl", tmp_path, tmp_path / "out", seed=5))


def test_a_file_beside_counts_too(tmp_path: Path) -> None:
    for name, content in {"data.mat": b"1", "ref.mat": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    sources = [Source("data", "data.mat", {"beside": "ref.mat"})]
    before = hash_files(tmp_path, sources)
    (tmp_path / "ref.mat").write_bytes(b"3")
    assert hash_files(tmp_path, sources) != before
