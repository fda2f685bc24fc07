"""A folder of any mixture of formats."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.files import FilesReader
from beatssl.records.formats.csv_table import read_csv
from beatssl.records.formats.options import FileOptions
from beatssl.records.reader import Source
from beatssl.records.record import RecordError
from beatssl.records.units import UnitPolicy
from beatssl.signals.leads import LEADS, canonical_lead

SALT = b"a salt"


@pytest.fixture
def mixed(data_root: Path, clinical_folder: Path, clinical_uv: np.ndarray, tmp_path: Path) -> Path:
    """WFDB, tables, arrays, clinical files with and without a telling name, and much that is no ECG."""
    (tmp_path / "ward/a").mkdir(parents=True)
    for end in ("hea", "dat"):
        shutil.copy(data_root / f"ludb/data/1.{end}", tmp_path / "ward/a")
    shutil.copy(clinical_folder / "cart.scp", tmp_path / "ward")
    shutil.copy(clinical_folder / "cart.dcm", tmp_path / "IM000001")
    shutil.copy(clinical_folder / "holter.edf", tmp_path / "holter.REC")
    shutil.copy(clinical_folder / "kardia.json", tmp_path)
    rows = "\n".join(",".join(map(str, row)) for row in clinical_uv.T)
    (tmp_path / "table.csv").write_text(",".join(LEADS) + "\n" + rows + "\n")
    np.save(tmp_path / "array.npy", clinical_uv)
    for name in ("README.md", "run.json", "notes.txt", "other.dat", "1.i", ".hidden"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def _reader(**options: object) -> FilesReader:
    return FilesReader(csv_fs_hz=500.0, unit="uV", salt=SALT, **options)  # type: ignore[arg-type]


def test_everything_is_found_and_read(mixed: Path, clinical_uv: np.ndarray) -> None:
    reader = _reader(leads=LEADS)
    records = {source.id: reader.read(mixed, source) for source in reader.sources(mixed)}
    assert list(records) == [
        "IM000001", "array.npy", "holter.REC", "kardia.json", "table.csv", "ward/a/1", "ward/cart.scp"
    ]  # fmt: skip
    assert records["ward/a/1"].age_years == 51.0
    assert [r.metadata["format"] for r in records.values()] == [
        "dicom_waveform", "npy", "edf_plus", "alivecor_kardia", "csv", "wfdb", "scp_ecg"
    ]  # fmt: skip
    for name in ("array.npy", "table.csv", "holter.REC", "ward/cart.scp"):
        np.testing.assert_allclose(records[name].ecg_mv, clinical_uv / 1000, atol=1e-6)
        assert records[name].leads == LEADS


def test_single_files(mixed: Path) -> None:
    for name in ("ward/a/1.hea", "table.csv", "ward/cart.scp"):
        sources = _reader().sources(mixed / name)
        assert len(sources) == 1
        assert _reader().read(mixed / name, sources[0]).fs_hz == 500.0
    source = _reader().sources(mixed / "notes.txt")[0]
    with pytest.raises(RecordError, match="no file of any known ECG format"):
        _reader().read(mixed / "notes.txt", source)


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(FileNotFoundError, match="no ECG below"):
        FilesReader().sources(tmp_path)


def test_a_file_called_like_a_record_has_an_id_of_its_own(
    data_root: Path, clinical_folder: Path, tmp_path: Path
) -> None:
    for end in ("hea", "dat"):
        shutil.copy(data_root / f"ludb/data/1.{end}", tmp_path)
    shutil.copy(clinical_folder / "cart.dcm", tmp_path / "1")
    assert [source.id for source in _reader().sources(tmp_path)] == ["1", "1.hea"]


def test_segments_are_no_records_of_their_own(tmp_path: Path) -> None:
    part = "{0} 1 250 10\n{0}.dat 16 200/mV\n"
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.hea").write_text(part.format(name))
        np.arange(10, dtype="<i2").tofile(tmp_path / f"{name}.dat")
    (tmp_path / "many.hea").write_text("many/2 1 250 20\na 10\nb 10\n")
    reader = FilesReader()
    sources = reader.sources(tmp_path)
    assert [source.id for source in sources] == ["c", "many"]
    assert reader.read(tmp_path, sources[1]).ecg_mv.shape == (1, 20)


def test_comments_of_an_unknown_header_do_not_pass(data_root: Path, tmp_path: Path) -> None:
    shutil.copy(data_root / "cinc2020/A0002.mat", tmp_path)
    text = (data_root / "cinc2020/A0002.hea").read_text()
    (tmp_path / "A0002.hea").write_text(text.replace("#Dx: 426783006", "#Dx: 426783006,Quellmann\n#Name: Quellmann"))
    record = FilesReader().read(tmp_path, FilesReader().sources(tmp_path)[0])
    assert [label.name for label in record.labels] == ["426783006"]
    assert (record.age_years, record.sex) == (49.0, "female")
    assert "Quellmann" not in repr(record)


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("I,II\n1,2\n3,4\n5,6\n", ()),
        ("time,I,II\n0,1,2\n0.1,3,4\n0.2,5,6\n", ()),
        ("II;x;i\n2;9;1\n4;9;3\n6;9;5\n", ("I", "II")),  # the named columns, in the order asked for
        ("1 2\n3 4\n5 6\n", ("I", "II")),
        ("1\t2\n3\t4\n5\t6", ("I", "II")),
        ("1,3,5\n2,4,6\n", ("I", "II")),  # a lead a row
        ("I;II\n1,0;2,0\n3,0;4,0\n5,0;6,0\n", ()),  # decimal commas
        ("\ufeffI,II\r\n1,2\r\n3,4\r\n5,6\r\n", ()),
        ("I (mV),II [mV]\n1,2\n3,4\n5,6\n", ()),
        ("# exported\n# twice\nI,II\n1,2\n3,4\n5,6\n", ()),
        ("taken,sample_no,I,II\nMonday,0,1,2\nMonday,1,3,4\nMonday,2,5,6\n", ()),  # only what is surely a lead
        ("I,1,3,5\nII,2,4,6\n", ()),  # a lead a row, after its name
    ],
)
def test_tables(text: str, leads: tuple[str, ...]) -> None:
    found = read_csv(text.encode("utf-8"), "a.csv", FileOptions(csv_fs_hz=250.0, unit="mV", lead_names=leads))
    assert [canonical_lead(channel.name) for channel in found.channels] == ["I", "II"]
    assert [channel.samples.tolist() for channel in found.channels] == [[1, 3, 5], [2, 4, 6]]


def test_empty_cells_are_not_measured() -> None:
    found = read_csv(b"I,II\n1,2\n3,\n5,6\n", "a.csv", FileOptions(csv_fs_hz=250.0))
    assert [np.isnan(channel.samples).tolist() for channel in found.channels] == [[False] * 3, [False, True, False]]


@pytest.mark.parametrize(
    ("text", "options", "reason", "remedy"),
    [
        ("I,II\n1,2\n3,4\n5,6", {"unit": "mV"}, "unreadable", "csv_fs_hz="),
        ("I,II\n1,2\n3,4\n5,6", {"csv_fs_hz": 250.0}, "unit", "unit="),
        ("1,2\n3,4\n5,6", {"csv_fs_hz": 250.0, "unit": "mV"}, "unreadable", "lead_names="),
        ("I,II\n1,2\n3,4\n5,6", {"csv_fs_hz": 250.0, "unit": "mV", "leads": ("V1",)}, "unreadable", "V1"),
        ("I,II\n1,two\n3,4\n5,6", {"csv_fs_hz": 250.0, "unit": "mV"}, "unreadable", "numbers"),
        ("I (uV),II (uV)\n1,2\n3,4\n5,6", {"csv_fs_hz": 250.0, "unit": "mV"}, "unit", "unit='mV'"),
        ("", {"csv_fs_hz": 250.0, "unit": "mV"}, "unreadable", ""),
        ("I,II\n1,2\n3,4,5,6", {"csv_fs_hz": 250.0, "unit": "mV"}, "unreadable", "numbers"),
    ],
)
def test_tables_that_do_not_say_enough(
    tmp_path: Path, text: str, options: dict[str, object], reason: str, remedy: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RecordError) as error:
        FilesReader(**options).read(tmp_path, Source("a.csv", "a.csv", {"format": "csv"}))  # type: ignore[arg-type]
    assert error.value.reason == reason
    assert remedy in str(error.value)


def test_a_first_row_that_names_a_person_does_not_pass(tmp_path: Path) -> None:
    source = Source("a.csv", "a.csv", {"format": "csv"})
    numbers = "".join(f"{i},{i % 7},{i % 5},{i % 3},{i % 11}\n" for i in range(300))
    (tmp_path / "a.csv").write_text("John Smith,1950-01-01,MRN 4711,ML2,CM5\n" + numbers)
    record = FilesReader(csv_fs_hz=250.0, unit="mV").read(tmp_path, source)
    assert record.leads == ("II", "CM5")
    (tmp_path / "a.csv").write_text("John Smith,1950-01-01\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(300)))
    assert FilesReader(csv_fs_hz=250.0, unit="mV").read(tmp_path, source).leads == ("lead 1", "lead 2")
    with pytest.raises(RecordError) as error:
        FilesReader(csv_fs_hz=250.0, unit="mV", leads=("V1",)).read(tmp_path, source)
    assert "V1" in str(error.value)
    assert [part for part in ("Smith", "1950", "4711") if part in str(error.value)] == []


def test_npy_of_objects_or_cut_short(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros((2, 500)))
    (tmp_path / "b.npy").write_bytes((tmp_path / "b.npy").read_bytes()[:-9])
    reader = FilesReader(csv_fs_hz=250.0, unit="mV", leads=("I", "II"))
    for source in reader.sources(tmp_path):
        with pytest.raises(RecordError) as error:
            reader.read(tmp_path, source)
        assert error.value.reason == "unreadable"


def test_policy_and_salt_reach_the_files(data_root: Path, tmp_path: Path, clinical_folder: Path) -> None:
    for end in ("hea", "dat"):
        shutil.copy(data_root / f"mitdb/100.{end}", tmp_path)
    source = FilesReader().sources(tmp_path)[0]
    with pytest.raises(RecordError) as error:
        FilesReader(units=UnitPolicy("error")).read(tmp_path, source)
    assert error.value.reason == "unit"
    assert FilesReader().read(tmp_path, source).metadata["unit_assumed"]
    shutil.copy(clinical_folder / "cart.scp", tmp_path)
    scp = FilesReader().sources(tmp_path)[-1]
    ids = {FilesReader(salt=salt).read(tmp_path, scp).patient_id for salt in (b"a", b"b")}
    assert len(ids) == 2
    assert FilesReader(keep_identifiers=True).read(tmp_path, scp).patient_id == "PID4711X"
    assert "secret" not in repr(FilesReader(salt=b"secret"))
