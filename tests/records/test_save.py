"""Records written to other programs' formats and read back, by our own readers and by others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beatssl import Record, read
from beatssl.records.record import Label
from beatssl.signals.leads import LEADS

GAINS = (200.0, 1000.0, 204.91803278688525, 400.0, 2000.0, 819.2, 12345.0)
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
    counts = np.clip(np.cumsum(rng.integers(-40, 41, (len(leads), samples)), axis=1), -20_000, 20_000)
    counts[:, :2] = [0, 25]
    ecg_mv = (counts / drawn["gain"]).astype(np.float32)
    if drawn["gap"]:
        ecg_mv[0, 5:9] = np.nan
    return Record(
        ecg_mv, leads, fs_hz, "r", "test", patient_id="a" * 32, age_years=drawn["age_years"], sex=drawn["sex"],
        labels=(Label("snomed", "426783006"),),
    )  # fmt: skip


def _same(ours: Record, true: Record, exact: bool = True) -> None:
    order = [ours.leads.index(lead) for lead in true.leads]
    assert ours.fs_hz == pytest.approx(true.fs_hz, rel=1e-6)
    if exact:
        np.testing.assert_array_equal(ours.ecg_mv[order], true.ecg_mv)
    else:
        np.testing.assert_allclose(ours.ecg_mv[order], true.ecg_mv, rtol=2e-6, atol=1e-7)


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
    _same(ours, record, exact=False)
    assert ours.sex == record.sex
    assert ours.ecg_mv.shape == record.ecg_mv.shape


@SLOW
@given(drawn=RECORDS)
def test_dicom(drawn: dict[str, Any], tmp_path: Path) -> None:
    record = _made(drawn)
    import pydicom

    path = record.save(tmp_path / "r.dcm", overwrite=True)
    ours = read(path, implausible="flag")
    _same(ours, record, exact=False)
    assert (ours.age_years, ours.sex) == (record.age_years, record.sex)
    theirs = pydicom.dcmread(path).waveform_array(0).T / 1000
    measured = np.isfinite(record.ecg_mv)
    np.testing.assert_allclose(theirs[measured], record.ecg_mv[measured], rtol=2e-6, atol=1e-7)


def _record(ecg_mv: np.ndarray, leads: tuple[str, ...] = ("I", "V3R"), fs_hz: float = 500.0) -> Record:
    return Record(np.asarray(ecg_mv, np.float32), leads, fs_hz, "r", "test")


def test_what_was_never_digitised_is_rounded_by_half_a_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    record = _record(np.cumsum(rng.normal(0, 0.01, (2, 3000)), axis=1))
    largest = np.abs(record.ecg_mv).max(axis=1, keepdims=True)
    errors = {
        bits: np.abs(read(record.save(tmp_path / f"r{bits}.hea", bits=bits)).ecg_mv - record.ecg_mv) / largest
        for bits in (16, 24)
    }
    assert errors[16].max() <= 0.51 / 2**15
    assert errors[24].max() <= 0.51 / 2**23 + 1e-7


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
