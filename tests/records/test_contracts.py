"""What holds for every registered reader. A reader that is registered and not listed here fails."""

import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.reader import BESIDE, Reader, Source, inside, read_inside
from beatssl.records.record import METADATA, Label, Record, RecordError
from beatssl.records.registry import READERS

OPTIONS = {"files": {"salt": b"a salt"}}
SETS = (
    ("ptbxl", "ptb-xl"), ("ludb", "ludb"), ("qtdb", "qtdb"), ("mitdb", "mitdb"), ("cinc", "cinc2020"),
    ("cinc", "cinc2021"), ("files", "ludb"), ("brugada", "brugada-huca"), ("ptbdb", "ptbdb"), ("cinc2011", "cinc2011"),
    ("cinc2017", "cinc2017"), ("incartdb", "incartdb"), ("cpsc2019", "cpsc2019"), ("synthetic", "12"),
)  # fmt: skip
"""Readers, and the folder of the data that each is tried on."""

Case = tuple[Reader, Path, list[Source]]


def test_every_reader_is_tried() -> None:
    assert READERS.keys() == {kind for kind, _ in SETS}


@pytest.fixture(scope="module", params=SETS, ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    """A reader, the root it reads, and what it lists there."""
    kind, folder = request.param
    root = Path(folder) if kind == "synthetic" else request.getfixturevalue("data_root") / folder
    if kind != "synthetic" and not root.is_dir():
        pytest.skip(f"{root} is not there")
    reader = READERS[kind](**OPTIONS.get(kind, {}))
    return reader, root, reader.sources(root)


def _usable(sources: list[Source]) -> list[Source]:
    """Those that their own set does not call unacceptable: some of these hold no signal at all."""
    return [source for source in sources if Label("cinc2011", "unacceptable") not in source.info.get("labels", ())]


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text) if part]


def test_kind_is_its_name(case: Case) -> None:
    assert isinstance(case[0], READERS[case[0].kind])  # type: ignore[arg-type]


def test_reader_and_sources_are_small_and_pickle(case: Case) -> None:
    reader, _, sources = case
    assert len(pickle.dumps(reader)) < 1000
    assert pickle.loads(pickle.dumps((reader, sources[:20]))) == (reader, sources[:20])


def test_sources_are_stable_sorted_and_unlike(case: Case) -> None:
    reader, root, sources = case
    if len(sources) < 1000:  # PTB-XL's own test looks at its order
        assert reader.sources(root) == sources
    ids = [source.id for source in sources]
    assert len(set(ids)) == len(ids)
    assert ids in (sorted(ids), sorted(ids, key=_natural))


def test_records_keep_the_contract(case: Case) -> None:
    reader, root, sources = case
    for source in (some := _usable(sources))[:: max(1, len(some) // 12)]:
        record = reader.read(root, source)
        _check(record)
        assert record.id == source.id
        again = reader.read(root, source)
        np.testing.assert_array_equal(again.ecg_mv, record.ecg_mv)
        assert pickle.loads(pickle.dumps(record)).leads == record.leads


def _check(record: Record) -> None:
    assert set(record.metadata) <= METADATA  # a store keeps no other key
    assert record.ecg_mv.dtype == np.float32
    assert record.ecg_mv.flags.c_contiguous
    assert len(set(record.leads)) == len(record.leads) == record.ecg_mv.shape[0]
    span = np.nanmax(record.ecg_mv, axis=1) - np.nanmin(record.ecg_mv, axis=1)
    assert 0.1 < np.nanmax(span) < 30  # mV
    assert record.duration_s >= 4.9
    assert record.age_years is None or 0 <= record.age_years <= 120
    if (waves := record.waves) is not None:
        assert len(waves.lead) == len(waves.wave) == len(waves.peak_s)
        assert set(waves.lead) <= {*record.leads, ""}
        assert set(waves.wave) <= {"P", "QRS", "T"}
        assert (waves.peak_s >= 0).all()
        assert (waves.peak_s <= record.duration_s).all()
    if (beats := record.beats) is not None:
        assert len(beats.symbol) == len(beats.time_s)
        assert (np.diff(beats.time_s) > 0).all()


@pytest.fixture
def damaged(case: Case, tmp_path: Path) -> Case:
    """A copy of one record's files, alone in a folder like its own."""
    reader, root, sources = case
    if reader.kind == "synthetic":
        pytest.skip("a synthetic record is no file")
    source = _usable(sources)[0]
    name = source.path.removesuffix(".hea")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for path in (root / name).parent.glob(f"{Path(name).name}*"):
        shutil.copy(path, (tmp_path / name).parent)
    if beside := source.info.get(BESIDE):
        (tmp_path / beside).parent.mkdir(parents=True)
        shutil.copy(root / beside, tmp_path / beside)
    return reader, tmp_path, [source]


def _files(case: Case) -> list[Path]:
    _, root, (source,) = case
    read = {"ludb": ["hea", "dat", "ii"], "mitdb": ["hea", "dat", "atr"], "qtdb": ["hea", "dat", "q1c"]}
    extensions = read.get(case[0].kind, ["hea", "mat", "dat", "atr"])
    stem = (root / source.path.removesuffix(".hea")).name
    names = [stem, *(f"{stem}.{end}" for end in extensions), Path(source.info.get(BESIDE, "")).name]
    return [path for path in root.rglob("*") if path.is_file() and path.name in names]


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "garbage"])
def test_damaged_files_are_record_errors(damaged: Case, damage: str) -> None:
    reader, root, (source,) = damaged
    reader.read(root, source)  # the copy is whole
    for path in _files(damaged):
        content = path.read_bytes()
        needed = content.partition(b"\n#")[0] if path.suffix == ".hea" else content  # a cut comment is no damage
        if damage == "half" and path.suffix == ".hea" and needed.strip().count(b"\n") == 1:
            continue  # nothing tells that the line of the only signal was longer
        if damage == "missing":
            path.unlink()
        else:
            noise = np.random.default_rng(0).bytes(5000)
            path.write_bytes({"empty": b"", "half": needed[: len(needed) // 2], "garbage": noise}[damage])
        with pytest.raises(RecordError) as error:
            reader.read(root, source)
        assert error.value.reason in ("unreadable", "truncated", "checksum"), (path, str(error.value))
        assert str(error.value)
        path.write_bytes(content)


def test_a_name_that_leaves_the_folder_is_refused(damaged: Case) -> None:
    reader, root, (source,) = damaged
    for path in ("../x", "/etc/passwd", "a/../../x"):
        with pytest.raises(RecordError) as error:
            reader.read(root, replace(source, path=path))
        assert error.value.reason == "unsafe-path"


def test_names_of_records_files_that_leave_the_folder_reach_the_rejects(damaged: Case) -> None:
    reader, root, _ = damaged
    if reader.kind not in ("qtdb", "mitdb", "ptbdb", "incartdb"):
        pytest.skip("reads no RECORDS file, or needs another index beside it")
    (root / "RECORDS").write_text("../evil\n")
    (source,) = reader.sources(root)
    with pytest.raises(RecordError) as error:
        reader.read(root, source)
    assert error.value.reason == "unsafe-path"


def test_a_folder_that_is_none_says_what_is_missing(case: Case, tmp_path: Path) -> None:
    if case[0].kind != "synthetic":
        with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
            case[0].sources(tmp_path)


def test_reading_inside_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_bytes(b"x" * 100_000)
    (tmp_path / "in/out").symlink_to(tmp_path)
    (tmp_path / "in/link").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/dangling").symlink_to(tmp_path / "in/none")
    root = tmp_path / "in"
    for expected in (0, 1, 99_999, 100_000, 100_001, 2**20):
        assert len(read_inside(root, "", "a", expected)) == 100_000
    assert len(read_inside(root, "", "link")) == 100_000
    assert inside(root, "a") == root / "a"
    refused = [("", ".."), ("out", "a"), ("", "x/a"), ("..", "a")]
    missing = [("", "none"), ("", "dangling")]
    for folder, name in refused + missing:
        with pytest.raises(RecordError) as error:
            read_inside(root, folder, name)
        assert error.value.reason == ("unsafe-path" if (folder, name) in refused else "unreadable")
