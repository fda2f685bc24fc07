"""Records from arrays and tables."""

from typing import Any

import numpy as np
import pytest

from beatssl.records.arrays import record_from_array
from beatssl.records.record import RecordError
from beatssl.records.units import UnitPolicy, mv_per

ECG = np.sin(np.arange(500) / 10)[None] * np.array([[1.0], [0.5], [2.0]])
LEADS = ("I", "lead ii", "V1")


@pytest.mark.parametrize("ecg", [ECG, ECG.T, ECG.tolist()])
def test_either_orientation(ecg: Any) -> None:
    record = record_from_array(ecg, 250, "mV", LEADS, id="a", age_years=40.0, sex="female")
    np.testing.assert_array_equal(record.ecg_mv, ECG.astype(np.float32))
    assert record.leads == ("I", "II", "V1")
    assert (record.fs_hz, record.id, record.age_years, record.sex, record.metadata) == (250.0, "a", 40.0, "female", {})


def test_one_lead_may_be_flat_in_shape() -> None:
    assert record_from_array(ECG[0], 250, "mV", ["I"]).ecg_mv.shape == (1, 500)


@pytest.mark.parametrize("unit", ["nV", "uV", "µV", "mV", "V", "Microvolts", "volt"])
def test_units(unit: str) -> None:
    per = mv_per(unit)
    assert per is not None
    record = record_from_array(ECG / per, 250, unit, LEADS)
    np.testing.assert_allclose(record.ecg_mv, ECG, rtol=1e-6, atol=1e-9)


def test_nan_is_not_measured() -> None:
    ecg = ECG.copy()
    ecg[1] = np.nan
    assert np.isnan(record_from_array(ecg, 250, "mV", LEADS).ecg_mv[1]).all()


@pytest.mark.parametrize(
    ("ecg", "unit", "leads", "reason"),
    [
        (ECG, "mV", ("I", "II"), "unreadable"),  # neither axis is two leads long
        (ECG[:, :3], "mV", LEADS, "unreadable"),  # both are three
        (np.zeros((2, 3, 4)), "mV", LEADS, "unreadable"),
        (np.array([["a"] * 9] * 3), "mV", LEADS, "unreadable"),
        (ECG, "mmHg", LEADS, "unit"),
        (ECG, "", LEADS, "unit"),
        (ECG * 1000, "mV", LEADS, "amplitude"),  # µV called mV
        (ECG / 1000, "mV", LEADS, "amplitude"),  # V called mV
        (ECG * np.nan, "mV", LEADS, "nan"),
        (np.where(ECG > 0.9, np.inf, ECG), "mV", LEADS, "nan"),
    ],
)
def test_what_is_refused(ecg: Any, unit: str, leads: tuple[str, ...], reason: str) -> None:
    with pytest.raises(RecordError) as error:
        record_from_array(ecg, 250, unit, leads, id="a")
    assert error.value.reason == reason
    assert "record a" in str(error.value)


@pytest.mark.parametrize("fs_hz", [float("nan"), 0, -1.0, None, "fast"])
def test_a_rate_that_is_none_is_refused(fs_hz: Any) -> None:
    with pytest.raises(RecordError, match=f"sampling rate {fs_hz!r}; state a number of Hz with fs_hz="):
        record_from_array(ECG, fs_hz, "mV", LEADS)


def test_tensors_are_taken() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(ECG, dtype=torch.bfloat16, requires_grad=True)
    record = record_from_array(tensor, 250, "mV", LEADS)
    np.testing.assert_allclose(record.ecg_mv, ECG, atol=0.01)


def test_what_a_user_writes_by_hand_is_taken() -> None:
    one: Any = "500"
    record = record_from_array(ECG[0], one, "mV", "II")
    assert (record.fs_hz, record.leads) == (500.0, ("II",))
    with pytest.raises(RecordError, match="pass its unit= in place of 'mV', or correct the values"):
        record_from_array(1000 * ECG, 500, "mV", LEADS)


def test_amplitude_may_be_flagged_instead() -> None:
    record = record_from_array(ECG * 1000, 250, "mV", LEADS, policy=UnitPolicy(implausible="flag"))
    assert record.metadata == {"implausible_amplitude": True}


def test_offset_of_a_dc_coupled_recorder_is_plausible() -> None:
    assert record_from_array(ECG + 250, 250, "mV", LEADS).metadata == {}


def test_a_record_that_never_changes_holds_nothing() -> None:
    with pytest.raises(RecordError) as error:
        record_from_array(ECG * 0 + 1, 250, "mV", LEADS)
    assert error.value.reason == "missing-leads"


def test_beats_higher_than_those_of_any_ecg_are_flagged() -> None:
    beat = np.exp(-(((np.arange(2500) / 250 % 1) - 0.4) ** 2) / 0.0004)
    for height_mv, flag in ((1.0, {}), (3.0, {}), (5.0, {"implausible_amplitude": True})):
        ecg = height_mv * np.stack([beat, beat, 0 * beat + beat / 2, -beat])
        assert record_from_array(ecg, 250, "mV", ("I", "II", "III", "aVR")).metadata == flag
