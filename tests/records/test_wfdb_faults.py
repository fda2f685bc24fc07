"""What real WFDB records do that a reader may get wrong."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from beatssl import RecordError, read, read_all
from beatssl.records.files import FilesReader
from beatssl.records.units import UnitPolicy
from beatssl.records.wfdb_files import read_wfdb


def _write(folder: Path, header: str, samples: np.ndarray, name: str = "r", offset: int = 0) -> Path:
    (folder / f"{name}.hea").write_text(header)
    (folder / f"{name}.dat").write_bytes(bytes(offset) + samples.astype("<i2").tobytes())
    return folder / f"{name}.hea"


RNG = np.random.default_rng(0)
SAMPLES = RNG.integers(-300, 300, (1000, 3))


def _refused(path: Path, reason: str, says: str, **options: object) -> None:
    with pytest.raises(RecordError) as error:
        read(path, **options)  # type: ignore[arg-type]
    assert error.value.reason == reason
    assert says in str(error.value)


def test_no_unit_is_mv_and_no_gain_200_units_each(tmp_path: Path) -> None:
    lines = "r.dat 16 400 12 0 0 0 0 I\nr.dat 16 0 12 0 0 0 0 II\nr.dat 16\n"
    path = _write(tmp_path, "r 3 250 1000\n" + lines, SAMPLES)
    record = read(path)
    np.testing.assert_allclose(record.ecg_mv, (SAMPLES / [400, 200, 200]).T, rtol=1e-6)
    assert record.leads == ("I", "II", "lead 3")
    assert record.metadata["unit_assumed"]
    _refused(path, "unit", "states no unit or gain", no_unit="error")


def test_what_is_no_ecg_is_left_out_and_named(tmp_path: Path) -> None:
    lines = "r.dat 16 200/mV 12 0 0 0 0 II # right arm\nr.dat 16 2000 12 0 0 0 0 RESP\n"
    lines += "r.dat 16 10/mmHg 12 0 0 0 0 John\n"
    record = read(_write(tmp_path, "r 3 250 1000\n" + lines, SAMPLES))
    assert record.leads == ("II",)
    assert record.metadata == {"format": "wfdb", "left_out": "RESP, signal 3"}
    np.testing.assert_allclose(record.ecg_mv[0], SAMPLES[:, 0] / 200, rtol=1e-6)


def test_a_record_without_any_ecg_says_so(tmp_path: Path) -> None:
    lines = "r.dat 16 200/mV 12 0 0 0 0 PLETH\nr.dat 16 200/mV 12 0 0 0 0 RESP\nr.dat 16 200/mV 12 0 0 0 0 ABP\n"
    path = _write(tmp_path, "r 3 250 1000\n" + lines, SAMPLES)
    _refused(path, "no-ecg", "none of its 3 signals is called an ECG lead")


def test_ecg_of_a_higher_rate_than_the_frames(tmp_path: Path) -> None:
    frames = RNG.integers(-300, 300, (500, 5))
    lines = "r.dat 16x4 200/mV 12 0 0 0 0 MCL1\nr.dat 16 10/mmHg 12 0 0 0 0 ABP\n"
    record = read(_write(tmp_path, "r 2 125 500\n" + lines, frames))
    assert (record.leads, record.fs_hz) == (("MCL1",), 500.0)
    np.testing.assert_allclose(record.ecg_mv[0], frames[:, :4].reshape(-1) / 200, rtol=1e-6)


def test_length_comes_from_the_file_where_the_header_has_none(tmp_path: Path) -> None:
    lines = "".join(f"r.dat 16+24 200/mV 16 0 0 0 0 {lead}\n" for lead in ("I", "II", "V"))
    record = read(_write(tmp_path, "r 3 250\n" + lines, SAMPLES, offset=24))
    assert record.leads == ("I", "II", "V")
    np.testing.assert_allclose(record.ecg_mv, SAMPLES.T / 200, rtol=1e-6)


def test_checksums_that_are_all_0_are_unstated(tmp_path: Path) -> None:
    lines = "".join(f"r.dat 16 200/mV 16 0 0 0 0 {lead}\n" for lead in ("I", "II", "III"))
    read(_write(tmp_path, "r 3 250 1000\n" + lines, SAMPLES))
    read(_write(tmp_path, "r 3 250 1000\n" + lines.replace("0 0 0 0 II\n", "0 -127 0 0 II\n"), SAMPLES))  # CinC 2017's
    one = lines.replace("0 0 0 0 II\n", f"0 0 {int(SAMPLES[:, 1].sum()) & 0xFFFF} 0 II\n")
    _refused(_write(tmp_path, "r 3 250 1000\n" + one, SAMPLES), "checksum", "signal")


def _segments(folder: Path, total: int, unit: str = "mV") -> Path:
    for name in ("a", "b"):
        line = f"{name}.dat 16 200/{unit if name == 'b' else 'mV'} 16 0 0 0 0 II\n"
        _write(folder, f"{name} 1 250 500\n{line}", SAMPLES[:500, :1], name)
    (folder / "m.hea").write_text(f"m/2 1 250 {total}\na 500\nb 500\n")
    return folder / "m.hea"


def test_a_total_that_the_segments_do_not_hold_is_refused(tmp_path: Path) -> None:
    _refused(_segments(tmp_path, 1500), "truncated", "announces 1500 samples a signal, its segments hold 1000")
    assert read(_segments(tmp_path, 1000)).ecg_mv.shape == (1, 1000)


def test_a_segment_without_volts_is_a_gap(tmp_path: Path) -> None:
    path = _segments(tmp_path, 1000, unit="NU")
    record = read(path)
    assert np.isfinite(record.ecg_mv[:, :500]).all()
    assert np.isnan(record.ecg_mv[:, 500:]).all()
    with pytest.raises(RecordError):
        read_wfdb(tmp_path, "m", UnitPolicy("error"))


@pytest.mark.parametrize(
    "damage", ["m/2 1 250 1000\na 500\nb\n", "m/2 1 0 1000\na 500\nb 500\n", "m/2 1 250 1000\na 500\nb x\n"]
)
def test_segments_of_a_broken_master_are_no_records_of_their_own(tmp_path: Path, damage: str) -> None:
    _segments(tmp_path, 1000)
    (tmp_path / "m.hea").write_text(damage)
    (source,) = FilesReader().sources(tmp_path)
    assert source.id == "m"
    with pytest.raises(RecordError):
        FilesReader().read(tmp_path, source)


def test_leads_of_a_file_that_is_not_there_are_missing(tmp_path: Path) -> None:
    lines = "r.dat 16 200/mV 16 0 0 0 0 I\nr.xyz 16 200/mV 16 0 0 0 0 vx\n"
    record = read(_write(tmp_path, "r 2 250 1000\n" + lines, SAMPLES[:, :1]))
    assert record.leads == ("I", "vx")
    assert np.isnan(record.ecg_mv[1]).all()
    np.testing.assert_allclose(record.ecg_mv[0], SAMPLES[:, 0] / 200, rtol=1e-6)


def test_a_record_may_be_named_as_its_users_do(tmp_path: Path) -> None:
    path = _write(tmp_path, "r 3 250 1000\n" + "r.dat 16 200/mV 16 0 0 0 0 I\n" * 3, SAMPLES)
    for name in (path, path.with_suffix(""), path.with_suffix(".dat"), str(path)):
        assert read(name).id == "r"
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*gone"):
        read(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="no ECG below"):
        read_all((tmp_path / "empty").parent / "empty") if (tmp_path / "empty").mkdir() is None else None


def test_wfdb_in_a_zip(tmp_path: Path) -> None:
    import zipfile

    path = _write(tmp_path, "r 3 250 1000\n" + "r.dat 16 200/mV 16 0 0 0 0 I\n" * 3, SAMPLES)
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for end in (".hea", ".dat"):
            archive.write(path.with_suffix(end), f"in/r{end}")
        archive.writestr("in/notes.txt", "nothing")
        archive.writestr("../evil.csv", "I\n1\n")
    records = {}
    reader = FilesReader(csv_fs_hz=250.0, unit="mV")
    for source in reader.sources(tmp_path / "pack.zip"):
        try:
            records[source.id] = reader.read(tmp_path / "pack.zip", source)
        except RecordError as error:
            records[source.id] = error.reason
    np.testing.assert_array_equal(records["pack.zip/in/r"].ecg_mv, read(path).ecg_mv)
    assert set(tmp_path.iterdir()) == {path, path.with_suffix(".dat"), tmp_path / "pack.zip"}


def test_what_a_folder_holds_and_is_not_read_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "r 3 250 1000\n" + "r.dat 16 200/mV 16 0 0 0 0 I\n" * 3, SAMPLES)
    for name in ("r.atr", "notes.txt", "scan.pdf", ".hidden", "other.dat"):
        (tmp_path / name).write_bytes(b"x")
    assert FilesReader().not_read(tmp_path) == ["notes.txt", "other.dat", "scan.pdf"]


def test_every_record_at_hand_is_read_as_wfdb_reads_it(data_root: Path) -> None:
    clinical = ("clinical/wfdb/sample-data", "clinical/wfdb/egm")
    for folder in (*clinical, "mitdb", "qtdb", "ludb/data", "cinc2020", "incartdb", "ptbdb"):
        for path in sorted((data_root / folder).rglob("*.hea"))[:3]:
            ours = read(path, implausible="flag")
            try:
                theirs = wfdb.rdrecord(str(path.with_suffix("")), smooth_frames=False, physical=True)
            except Exception:
                # One lacks a file, CinC's Georgia headers name their records with an ending.
                assert path.stem == "s0010_re" or path.parent.name.startswith("cinc"), path
                continue
            frames = dict(zip(theirs.sig_name, theirs.e_p_signal, strict=True))
            for name, signal in frames.items():
                if name in ours.leads and np.isfinite(ours.ecg_mv[ours.leads.index(name)]).any():
                    mine = ours.ecg_mv[ours.leads.index(name)]
                    np.testing.assert_array_equal(mine, np.asarray(signal, np.float32), err_msg=str(path))
