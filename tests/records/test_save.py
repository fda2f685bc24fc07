"""Records written to other programs' formats and read back, by our own readers and by others."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import wfdb
from ecgdatakit import FileParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beatssl import Record, read
from beatssl.records.record import Label
from beatssl.signals.leads import LEADS

GAINS = (200.0, 1000.0, 204.91803278688525, 400.0, 2000.0, 819.2, 12345.0, 6553.509404285996, 327.67976511914435)
RATES = (100.0, 128.0, 250.0, 257.13, 360.0, 500.0, 1000.0)
SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


RECORDS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "leads": st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True),
        "fs_hz": st.sampled_from(RATES),
        "seconds": st.sampled_from((2, 3, 10)),
        "more": st.integers(0, 3),
        "gain": st.sampled_from(GAINS),
        "offset": st.sampled_from((0.0, 0.5, 30_000.0)),  # counts; EDF files often stand half a step off zero
        "gap": st.booleans(),
        "age_years": st.sampled_from((None, 63.0)),
        "sex": st.sampled_from((None, "female", "male")),
    }
)
WHOLE = RECORDS.map(lambda drawn: drawn | {"gap": False})


def _made(drawn: dict[str, Any]) -> Record:
    """Whole numbers over a gain, of some leads at some rate, with or without a gap."""
    rng = np.random.default_rng(drawn["seed"])
    leads, fs_hz = tuple(drawn["leads"]), drawn["fs_hz"]
    samples = round(drawn["seconds"] * fs_hz) + drawn["more"]
    counts = np.clip(np.cumsum(rng.integers(-40, 41, (len(leads), samples)), axis=1), -16_000, 16_000)
    counts[:, :2] = [0, 25]
    ecg_mv = ((counts + drawn["offset"]) / drawn["gain"]).astype(np.float32)
    if drawn["gap"]:
        ecg_mv[0, 5:9] = np.nan
    return Record(
        ecg_mv, leads, fs_hz, "r", "test", patient_id="a" * 32, age_years=drawn["age_years"], sex=drawn["sex"],
        labels=(Label("snomed", "426783006"),),
    )  # fmt: skip


def _same(ours: Record, true: Record) -> None:
    order = [ours.leads.index(lead) for lead in true.leads]
    assert ours.fs_hz == pytest.approx(true.fs_hz, rel=1e-6)
    np.testing.assert_array_equal(ours.ecg_mv[order], true.ecg_mv)


@SLOW
@given(drawn=RECORDS, bits=st.sampled_from((16, 24)))
def test_wfdb(drawn: dict[str, Any], bits: Any, tmp_path: Path) -> None:
    record = _made(drawn)
    path = record.save(tmp_path / "r_1.hea", bits=bits, overwrite=True)
    ours = read(path, implausible="flag")
    _same(ours, record)
    assert (ours.fs_hz, ours.age_years, ours.sex, ours.labels) == (
        record.fs_hz, record.age_years, record.sex, record.labels
    )  # fmt: skip
    theirs = wfdb.rdrecord(str(tmp_path / "r_1"))
    np.testing.assert_array_equal(theirs.p_signal.T.astype(np.float32), record.ecg_mv)
    assert theirs.fs == record.fs_hz
    assert theirs.sig_name == list(record.leads)


@SLOW
@given(drawn=RECORDS)
def test_csv(drawn: dict[str, Any], tmp_path: Path) -> None:
    record = _made(drawn)
    ours = read(record.save(tmp_path / "r.csv", overwrite=True), implausible="flag")
    _same(ours, record)
    assert ours.fs_hz == record.fs_hz


@SLOW
@given(drawn=WHOLE)
def test_edf(drawn: dict[str, Any], tmp_path: Path) -> None:
    record = _made(drawn)
    ours = read(record.save(tmp_path / "r.edf", overwrite=True), implausible="flag")
    _same(ours, record)
    assert ours.sex == record.sex
    if record.fs_hz in (100.0, 250.0, 500.0, 1000.0):
        assert ours.fs_hz == record.fs_hz
    for lead, true in zip(FileParser().parse(tmp_path / "r.edf").leads, record.ecg_mv, strict=True):
        np.testing.assert_allclose(lead.samples, true, rtol=1e-6, atol=1e-9)


@SLOW
@given(drawn=RECORDS)
def test_dicom(drawn: dict[str, Any], tmp_path: Path) -> None:
    record = _made(drawn)
    path = record.save(tmp_path / "r.dcm", overwrite=True)
    ours = read(path, implausible="flag")
    _same(ours, record)
    assert (ours.age_years, ours.sex) == (record.age_years, record.sex)
    assert ours.fs_hz == record.fs_hz
    theirs = pydicom.dcmread(path).waveform_array(0).T * 1e-3
    measured = np.isfinite(record.ecg_mv)
    np.testing.assert_array_equal(theirs[measured].astype(np.float32), record.ecg_mv[measured])


def _record(ecg_mv: np.ndarray, leads: tuple[str, ...] = ("I", "V3R"), fs_hz: float = 500.0) -> Record:
    return Record(np.asarray(ecg_mv, np.float32), leads, fs_hz, "r", "test")


def test_what_was_never_digitised_is_rounded_by_half_a_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    record = _record(np.cumsum(rng.normal(0, 0.01, (2, 3000)), axis=1))
    half_range = np.ptp(record.ecg_mv, axis=1, keepdims=True) / 2
    largest = np.abs(record.ecg_mv).max(axis=1, keepdims=True)
    for name, bits in (("r16.hea", 16), ("r24.hea", 24), ("r.edf", 16)):
        error = np.abs(read(record.save(tmp_path / name, bits=bits)).ecg_mv - record.ecg_mv)
        assert (error <= 0.5001 * half_range / (2 ** (bits - 1) - 1.5) + 6e-8 * largest).all(), name
    record = record.replace(leads=("I", "II"))
    error = np.abs(read(record.save(tmp_path / "r.dcm")).ecg_mv - record.ecg_mv)
    assert (error <= 0.5001 * half_range / (2**15 - 1.5) + 6e-8 * largest).all()


def test_a_step_that_edf_cannot_state_keeps_its_counts(tmp_path: Path) -> None:
    counts = np.cumsum(np.random.default_rng(0).integers(-9, 10, (2, 2000)), axis=1)
    record = _record(counts / 12345.678)
    ours = read(record.save(tmp_path / "r.edf")).ecg_mv
    np.testing.assert_allclose(ours, record.ecg_mv, rtol=3e-7)
    assert (np.round(ours * 12345.678) == counts).all()


def test_a_numpy_rate_and_odd_rates_are_written_as_numbers(tmp_path: Path) -> None:
    for fs_hz in (np.float64(500), 257.13, 1000 / 3):
        record = _record(np.sin(np.arange(4000).reshape(2, 2000) / 30), fs_hz=fs_hz)
        assert read(record.save(tmp_path / "r.hea", overwrite=True)).fs_hz == fs_hz
        assert read(record.save(tmp_path / "r.csv", overwrite=True)).fs_hz == pytest.approx(fs_hz, abs=1e-6)


def test_names_stay_in_every_format_that_can_hold_them(tmp_path: Path) -> None:
    record = _record(np.sin(np.arange(4000).reshape(2, 2000) / 30))
    for name in ("r.hea", "r.csv", "r.edf"):
        assert read(record.save(tmp_path / name)).leads == ("I", "V3R")
    with pytest.raises(ValueError, match=r"V3R.* save the record as \.hea"):
        record.save(tmp_path / "r.dcm")


def test_what_a_format_cannot_hold_is_refused_with_the_one_that_can(tmp_path: Path) -> None:
    gaps = _record(np.where(np.arange(4000).reshape(2, 2000) % 100 == 3, np.nan, 1.0))
    for path, says in (("r.edf", r"save it as \.hea"), ("r.xlsx", r"use one of"), ("a b.hea", "letters, digits")):
        with pytest.raises(ValueError, match=says):
            gaps.save(tmp_path / path)
    whole = _record(np.sin(np.arange(4000).reshape(2, 2000) / 30))
    for record, name, says in (
        (whole.replace(ecg_mv=whole.ecg_mv[:, :0]), "r.hea", "0 samples"),
        (whole.replace(ecg_mv=np.where(whole.ecg_mv > 0.9, np.float32(np.inf), whole.ecg_mv)), "r.hea", "as NaN"),
        (whole.replace(leads=("I", "a\nb")), "r.csv", "rename them"),
        (whole.replace(leads=("I", "a name of 20 letters")), "r.edf", "16 characters"),
        (whole.replace(patient_id="x" * 75), "r.edf", "patient id"),
        (whole.replace(leads=("I", "II"), patient_id="x" * 65), "r.dcm", "patient id"),
        (whole.replace(ecg_mv=whole.ecg_mv * np.float32(1e5)), "r.edf", "bounds have 8"),
    ):
        with pytest.raises(ValueError, match=says):
            record.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    path = gaps.save(tmp_path / "r.csv")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        gaps.save(path)


def test_real_records_come_back_to_the_bit(data_root: Path, tmp_path: Path) -> None:
    for name in ("ptb-xl/records100/00000/00001_lr", "ludb/data/1", "mitdb/100", "cinc2020/A0002"):
        if not (data_root / f"{name}.hea").is_file():
            continue
        record = read(data_root / name)
        for ending in ("hea", "csv"):
            again = read(record.save(tmp_path / f"r.{ending}", overwrite=True))
            np.testing.assert_array_equal(again.ecg_mv, record.ecg_mv, err_msg=name)
            assert again.leads == record.leads


def test_dicom_states_its_class_and_ages_below_a_year(tmp_path: Path) -> None:
    record = _record(np.sin(np.arange(4000).reshape(2, 2000) / 30), ("I", "aVR")).replace(age_years=0.5)
    data = pydicom.dcmread(record.save(tmp_path / "a.dcm"))
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.9.1.1"
    assert data.PatientAge == "182D"
    assert str(data.PatientName) == ""
    long = pydicom.dcmread(record.replace(fs_hz=128.0, age_years=90.0).save(tmp_path / "b.dcm"))
    assert (long.SOPClassUID, long.PatientAge) == ("1.2.840.10008.5.1.4.1.1.9.1.2", "090Y")


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("name", ["r.hea", "r.csv", "r.dcm"])
def test_missing_leads_are_kept(name: str, missing: int, tmp_path: Path) -> None:
    ecg_mv = np.sin(np.arange(4000).reshape(2, 2000) / 30)
    ecg_mv[missing] = np.nan
    again = read(_record(ecg_mv, ("I", "II")).save(tmp_path / name))
    assert again.leads == ("I", "II")
    assert np.isnan(again.ecg_mv).all(axis=1).tolist() == [missing == 0, missing == 1]


def test_edf_leaves_missing_leads_out(tmp_path: Path) -> None:
    ecg_mv = np.sin(np.arange(4000).reshape(2, 2000) / 30)
    ecg_mv[1] = np.nan
    assert read(_record(ecg_mv, ("I", "II")).save(tmp_path / "r.edf")).leads == ("I",)
