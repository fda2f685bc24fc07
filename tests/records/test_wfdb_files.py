"""WFDB records: parity with wfdb, and every way in which a file can be wrong."""

import csv
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import wfdb

from beatssl.records.record import RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import read_wfdb
from beatssl.records.wfdb_header import parse_header

RECORDS = [
    "ptb-xl/records100/00000/00001_lr", "ptb-xl/records100/12000/12722_lr", "ptb-xl/records500/00000/00017_hr",
    "ludb/data/1", "ludb/data/200", "cinc2020/A0001", "cinc2020/S0001", "cinc2020/JS00005", "mitdb/100", "mitdb/207",
    "qtdb/sel821", "qtdb/sele0112",
]  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_equal_to_wfdb_bit_for_bit(data_root: Path, name: str) -> None:
    ours = read_wfdb(data_root, name, BY_FORMAT)
    theirs = wfdb.rdrecord(str(data_root / name))
    np.testing.assert_array_equal(ours.ecg_mv, theirs.p_signal.T.astype(np.float32))
    assert list(ours.leads) == theirs.sig_name
    assert ours.fs_hz == theirs.fs


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212", "508", "516", "524"])
def test_every_format_wfdb_writes(tmp_path: Path, fmt: str) -> None:
    rng = np.random.default_rng(0)
    digital = rng.integers(-120, 120, (600, 3))
    bits = {"16": 16, "24": 24, "32": 32, "80": 8, "212": 12, "508": 8, "516": 16, "524": 24}[fmt]
    digital[5, 1] = -(2 ** (bits - 1))  # the value that means: not measured
    wfdb.wrsamp(
        "r", fs=250, units=["mV", "uV", "V"], sig_name=["I", "II", "V1"], d_signal=digital, fmt=[fmt] * 3,
        adc_gain=[100.0, 0.5, 1e5], baseline=[10, 0, -3], write_dir=str(tmp_path),
    )  # fmt: skip
    ours = read_wfdb(tmp_path, "r").ecg_mv
    theirs = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T * np.array([[1], [1e-3], [1e3]])
    np.testing.assert_allclose(ours, theirs, rtol=3e-7)
    assert np.flatnonzero(np.isnan(ours[1])).tolist() == [5]


@pytest.mark.parametrize("fmt", ["8", "61", "160", "310", "311"])
def test_every_other_format(tmp_path: Path, fmt: str) -> None:
    """wfdb cannot write these: random bytes stand for the samples."""
    (tmp_path / "r.dat").write_bytes(np.random.default_rng(0).bytes(1200))
    (tmp_path / "r.hea").write_text(f"r 2 250 300\nr.dat {fmt} 1000/mV 12 0 0\nr.dat {fmt} 1000/mV 12 0 0\n")
    theirs = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T
    np.testing.assert_allclose(read_wfdb(tmp_path, "r").ecg_mv, theirs, rtol=1e-6)


@pytest.fixture
def copy(data_root: Path, tmp_path: Path) -> Path:
    """A folder with one PTB-XL record under its own name, to be damaged."""
    for end in ("hea", "dat"):
        (tmp_path / f"00001_lr.{end}").write_bytes((data_root / f"ptb-xl/records100/00000/00001_lr.{end}").read_bytes())
    return tmp_path


def _edit(path: Path, old: str, new: str, count: int = -1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def _reason(root: Path, name: str = "00001_lr", **policy: str) -> str:
    with pytest.raises(RecordError) as error:
        read_wfdb(root, name, UnitPolicy(**policy))
    return error.value.reason


def test_flipped_bit_is_a_wrong_checksum(copy: Path) -> None:
    content = bytearray((copy / "00001_lr.dat").read_bytes())
    content[777] ^= 4
    (copy / "00001_lr.dat").write_bytes(content)
    assert _reason(copy) == "checksum"


def test_flipped_bit_is_found_through_wfdb_too(data_root: Path, tmp_path: Path) -> None:
    for end in ("hea", "dat"):
        (tmp_path / f"100.{end}").write_bytes((data_root / f"mitdb/100.{end}").read_bytes())
    content = bytearray((tmp_path / "100.dat").read_bytes())
    content[777] ^= 4
    (tmp_path / "100.dat").write_bytes(content)
    assert _reason(tmp_path, "100", missing="assume") == "checksum"
    (tmp_path / "100.dat").write_bytes(content[:-100])
    assert _reason(tmp_path, "100", missing="assume") == "truncated"


@pytest.mark.parametrize("keep", [0, 1, 23_976, 23_999])
def test_short_file_is_truncated(copy: Path, keep: int) -> None:
    (copy / "00001_lr.dat").write_bytes((copy / "00001_lr.dat").read_bytes()[:keep])
    assert _reason(copy) == "truncated"


def test_missing_files_are_unreadable(copy: Path) -> None:
    (copy / "00001_lr.dat").unlink()
    assert _reason(copy) == "unreadable"
    assert _reason(copy, "nothing") == "unreadable"


@pytest.mark.parametrize(
    "text",
    ["", "#only a comment", "r", "r 1 abc 10", "r 2 100 10\nr.dat 16", "\0\1\2", "r 1 0 9",
     "r 1 100 999999999999\nr.dat 16 200/mV", "r 1 100 10\nr.dat 16x 200", "r/x 1 1 1"],
)  # fmt: skip
def test_bad_header_is_unreadable(copy: Path, text: str) -> None:
    (copy / "r.dat").write_bytes(b"\0" * 20)
    (copy / "r.hea").write_text(text)
    assert _reason(copy, "r") == "unreadable"


@pytest.mark.parametrize("evil", ["../secret.dat", "/etc/passwd", "sub/../../x", "..", "a\\b"])
def test_file_names_that_leave_the_folder(copy: Path, evil: str) -> None:
    _edit(copy / "00001_lr.hea", "00001_lr.dat", evil)
    assert _reason(copy) == "unsafe-path"


def test_record_name_or_link_that_leaves_the_folder(copy: Path) -> None:
    inner = copy / "inner"
    inner.mkdir()
    assert _reason(inner, "../00001_lr") == "unsafe-path"
    (inner / "00001_lr.hea").write_bytes((copy / "00001_lr.hea").read_bytes())
    (inner / "00001_lr.dat").symlink_to(copy / "00001_lr.dat")
    assert _reason(inner) == "unsafe-path"
    assert read_wfdb(copy, "inner/00001_lr").ecg_mv.shape == (12, 1000)  # the link stays below this root


def test_missing_unit_or_gain_is_an_error_unless_assumed(copy: Path) -> None:
    before = read_wfdb(copy, "00001_lr").ecg_mv
    _edit(copy / "00001_lr.hea", "1000.0(0)/mV", "1000.0(0)")
    assert _reason(copy, missing="error") == "unit"
    signals = read_wfdb(copy, "00001_lr", BY_FORMAT)
    np.testing.assert_array_equal(signals.ecg_mv, before)
    assert signals.metadata == {"unit_assumed": True}
    _edit(copy / "00001_lr.hea", "1000.0(0)", "0")
    assert _reason(copy, missing="error") == "unit"
    np.testing.assert_allclose(read_wfdb(copy, "00001_lr", BY_FORMAT).ecg_mv, before * 5, rtol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("V", 1e3), ("mv", 1), ("µV", 1e-3), ("nV", 1e-6)])
def test_units_become_mv(copy: Path, unit: str, factor: float) -> None:
    before = read_wfdb(copy, "00001_lr").ecg_mv
    _edit(copy / "00001_lr.hea", "1000.0(0)/mV", f"1000.0(0)/{unit}")
    signals = read_wfdb(copy, "00001_lr", UnitPolicy(implausible="flag"))
    np.testing.assert_allclose(signals.ecg_mv, before * factor, rtol=1e-6)
    assert signals.metadata == ({} if factor == 1 else {"implausible_amplitude": True})
    if factor != 1:
        assert _reason(copy) == "amplitude"


def test_signals_that_are_no_voltage_are_left_out(copy: Path) -> None:
    before = read_wfdb(copy, "00001_lr").ecg_mv
    _edit(copy / "00001_lr.hea", "1000.0(0)/mV", "1000.0(0)/mmHg", 2)
    signals = read_wfdb(copy, "00001_lr")
    assert signals.leads[0] == "III"
    np.testing.assert_array_equal(signals.ecg_mv, before[2:])
    _edit(copy / "00001_lr.hea", "/mV", "/bpm")
    assert _reason(copy) == "unit"


def test_georgia_header_named_with_an_extension(data_root: Path) -> None:
    signals = read_wfdb(data_root, "cinc2020/E00009")
    digital = np.fromfile(data_root / "cinc2020/E00009.mat", "<i2", offset=24).reshape(-1, 12).T
    np.testing.assert_allclose(signals.ecg_mv, digital / 4880, rtol=1e-6)


def test_segments_of_fixed_and_variable_layout(data_root: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, leads in (("a", ["I", "II"]), ("b", ["II", "V1"])):
        wfdb.wrsamp(
            name, fs=250, units=["mV"] * 2, sig_name=leads, p_signal=rng.normal(size=(100, 2)),
            fmt=["16" if name == "a" else "212"] * 2, write_dir=str(tmp_path),
        )  # fmt: skip
    layout = [f"~ 0 200 0 0 0 0 0 {lead}" for lead in ("I", "II", "V1")]
    (tmp_path / "lay.hea").write_text("\n".join(["lay 3 250 0", *layout]))
    (tmp_path / "many.hea").write_text("many/4 3 250 250\nlay 0\na 100\n~ 50\nb 100\n")
    ours = read_wfdb(tmp_path, "many")
    theirs = wfdb.rdrecord(str(tmp_path / "many"))
    order = [theirs.sig_name.index(lead) for lead in ours.leads]
    np.testing.assert_allclose(ours.ecg_mv, theirs.p_signal.T[order], rtol=1e-6)
    (tmp_path / "fixed.hea").write_text("fixed/2 2 250 200\na 100\na 100\n")
    np.testing.assert_array_equal(read_wfdb(tmp_path, "fixed").ecg_mv[:, 100:], read_wfdb(tmp_path, "a").ecg_mv)
    for text, reason in (("x/1 2 250 9\n../a 100", "unsafe-path"), ("x/1 2 250 9\nfixed 9", "unreadable"),
                         ("x/1 2 500 9\na 100", "unreadable"), ("x/1 2 250 9\na 90", "truncated"),
                         ("x/2 2 250 9\na 100\n~ -50", "unreadable")):  # fmt: skip
        (tmp_path / "x.hea").write_text(text)
        assert _reason(tmp_path, "x") == reason


def test_what_a_header_announces_alone_takes_no_memory(tmp_path: Path) -> None:
    np.arange(100, dtype="<i2").tofile(tmp_path / "a.dat")
    (tmp_path / "gap.hea").write_text("gap/2 1 250 10100\na 100\n~ 10000\n")
    (tmp_path / "a.hea").write_text("a 1 250 100\na.dat 16 200/mV 16 0 0 4950 0 II\n")
    assert read_wfdb(tmp_path, "gap").ecg_mv.shape == (1, 10100)
    (tmp_path / "gap.hea").write_text("gap/2 1 250 3000000100\na 100\n~ 3000000000\n")
    (tmp_path / "plain.hea").write_text("plain 1 250 9000000000\na.dat 16 200/mV 16 0 0 0 0 II\n")
    (tmp_path / "flac.hea").write_text("flac 1 250 9000000000\na.dat 516 200/mV 16 0 0 0 0 II\n")
    tracemalloc.start()
    found = [_reason(tmp_path, name) for name in ("gap", "plain", "flac")]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == ["unreadable", "truncated", "truncated"]
    assert peak_bytes < 200e6


def test_several_samples_a_frame_are_read_at_their_own_rate(tmp_path: Path) -> None:
    digital = [np.arange(400), np.arange(400) * 2]
    wfdb.wrsamp(
        "r", fs=125, units=["mV"] * 2, sig_name=["I", "II"], e_d_signal=digital, samps_per_frame=[4, 4],
        fmt=["16"] * 2, adc_gain=[100.0] * 2, baseline=[0, 0], write_dir=str(tmp_path),
    )  # fmt: skip
    signals = read_wfdb(tmp_path, "r")
    assert signals.fs_hz == 500
    np.testing.assert_allclose(signals.ecg_mv, np.stack(digital) / 100, rtol=1e-6)


def test_header_fields() -> None:
    text = "#c\nr 1 250/360(5) 10 12:00:00 1/1/2000\nr.dat 16+24 200(-3)/uV 12 7 1 2 0 Lead II\n#Age: 5"
    header = parse_header(text, "r")
    line = header.signals[0]
    assert (header.fs_hz, header.samples, header.comments) == (250.0, 10, ("c", "Age: 5"))
    assert (line.byte_offset, line.gain, line.baseline, line.unit, line.checksum) == (24, 200.0, -3, "uV", 2)
    assert line.name == "Lead II"
    assert parse_header("r 1\nr.dat 212 200 11 1024 9 8 0 V1", "r").signals[0].baseline == 1024


def test_cost_of_a_ptbxl_record(data_root: Path) -> None:
    root = data_root / "ptb-xl"
    with (root / "ptbxl_database.csv").open() as file:
        names = [row["filename_lr"] for row in csv.DictReader(file)][:300]
    for name in names[:20]:
        read_wfdb(root, name)
    started = time.process_time()
    for name in names:
        read_wfdb(root, name)
    # 0.32 ms at leisure and without the type checks of tests; wfdb takes about 4 ms.
    assert (time.process_time() - started) / len(names) < 0.004
