"""Several files and folders at once: what each holds is read once, under ids that differ."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

import beatssl
from beatssl.records.files import FilesReader
from beatssl.records.places import sources_at
from beatssl.records.privacy import find_hashed
from beatssl.records.synthetic import synthetic_record

READER = FilesReader(csv_fs_hz=500.0, unit="mV", salt=b"a salt")


def _ids(*places: Path) -> list[str]:
    return [source.id for source in sources_at(READER, places)]


def _written(*paths: Path) -> None:
    for index, path in enumerate(paths):
        synthetic_record(index).save(path)


@pytest.fixture
def wards(tmp_path: Path) -> Path:
    """Two folders with a file of the same name, and one of another name each."""
    for ward, names in (("ward7", ("ecg1", "ecg2")), ("ward8", ("ecg1", "ecg3"))):
        _written(*(tmp_path / ward / f"{name}.csv" for name in names))
    return tmp_path


@pytest.fixture
def cinc(tmp_path: Path) -> Path:
    """A record as CinC has them: A0001.hea beside A0001.mat, which is a MATLAB file and WFDB signals in one."""
    synthetic_record(0).save(tmp_path / "A0001.hea")
    signals = (tmp_path / "A0001.dat").read_bytes()
    head = struct.pack("<5i4s", 30, 12, len(signals) // 24, 0, 4, b"val\0")
    (tmp_path / "A0001.mat").write_bytes(head + signals)
    (tmp_path / "A0001.dat").unlink()
    header = (tmp_path / "A0001.hea").read_text(encoding="utf-8").replace("A0001.dat 16", "A0001.mat 16+24")
    (tmp_path / "A0001.hea").write_text(header, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["A0001.mat", "A0001.hea", "A0001", ""])
def test_signals_in_a_mat_file_beside_their_header_are_one_record(cinc: Path, name: str) -> None:
    (source,) = READER.sources(cinc / name)
    assert (source.id, source.info["format"]) == ("A0001", "wfdb")
    np.testing.assert_allclose(READER.read(cinc / name, source).ecg_mv, synthetic_record(0).ecg_mv, atol=0.001)
    if name:
        assert beatssl.read(cinc / name).fs_hz == 500.0


def test_a_record_named_in_several_ways_is_read_once(cinc: Path) -> None:
    assert _ids(cinc / "A0001.mat", cinc / "A0001.hea", cinc / "A0001", cinc) == ["A0001"]


def test_a_real_record_of_cinc(data_root: Path) -> None:
    folder = data_root / "cinc2020"
    assert _ids(folder / "A0001.mat", folder / "A0001.hea", folder / "A0001") == ["A0001"]
    assert beatssl.read(folder / "A0001.mat").ecg_mv.tobytes() == beatssl.read(folder / "A0001.hea").ecg_mv.tobytes()


def test_ids_are_paths_below_the_folder_that_was_given(wards: Path) -> None:
    one = wards / "ward7/ecg2.csv"
    assert _ids(one) == ["ecg2.csv"]
    assert _ids(wards) == ["ward7/ecg1.csv", "ward7/ecg2.csv", "ward8/ecg1.csv", "ward8/ecg3.csv"]
    assert _ids(one, wards / "ward8") == _ids(wards / "ward8", one) == ["ecg1.csv", "ecg2.csv", "ecg3.csv"]


def test_places_that_would_share_an_id_are_named_with_their_folders(wards: Path) -> None:
    assert _ids(wards / "ward7", wards / "ward8") == _ids(wards)
    other = wards / "north/ward7/ecg1.csv"
    _written(other)
    above = f"{wards.name}/ward7"
    assert _ids(wards / "ward7", other) == ["north/ward7/ecg1.csv", f"{above}/ecg1.csv", f"{above}/ecg2.csv"]


def test_every_source_of_several_places_is_read_where_it_lies(wards: Path) -> None:
    places = (wards / "ward7", wards / "ward8/ecg1.csv")
    for source in sources_at(READER, places):
        expected = READER.read(wards / source.id, READER.sources(wards / source.id)[0])
        found = READER.read(places[0], source)
        assert found.id == source.id
        np.testing.assert_array_equal(found.ecg_mv, expected.ecg_mv)


def test_what_is_given_twice_is_read_once(wards: Path) -> None:
    assert _ids(wards / "ward7/ecg1.csv", wards / "ward7", wards / "ward7/../ward7") == ["ecg1.csv", "ecg2.csv"]


def test_clinical_files_of_one_name_have_hashes_that_find_them(clinical_folder: Path, tmp_path: Path) -> None:
    for ward in ("ward7", "ward8"):
        (tmp_path / ward).mkdir()
        shutil.copy(clinical_folder / "holter.edf", tmp_path / ward / "a.edf")
    sources = sources_at(READER, (tmp_path / "ward7", tmp_path / "ward8/a.edf"))
    found = [READER.read(tmp_path, source).id for source in sources]
    assert len(set(found)) == 2
    for source in sources:
        assert find_hashed(tmp_path, source.alias, b"a salt") == tmp_path / source.id


def test_a_place_that_is_not_there_is_named(wards: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ward9"):
        _ids(wards / "ward7", wards / "ward9")
