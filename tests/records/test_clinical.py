"""Ten clinical formats: the known ECG comes back in mV, the patient does not."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beatssl.records.clinical import Privacy, hashed_path, read_clinical
from beatssl.records.formats.options import FileOptions
from beatssl.records.privacy import find_hashed
from beatssl.records.record import RecordError
from beatssl.records.synthetic.clinical_files import CLINICAL_FILES
from beatssl.signals.leads import LEADS

HASHED = Privacy(salt=b"a salt")
SECRETS = ("zacharias", "quellmann", "pid4711x", "4711", "1950", "19500314", "03-14")


def test_signal_rate_and_leads_come_back(clinical_folder: Path, clinical_name: str, clinical_uv: np.ndarray) -> None:
    record = read_clinical(clinical_folder, clinical_name, "r", HASHED)
    stored = {"muse.xml": ("I", "II", *LEADS[6:]), "kardia.json": LEADS[:6], "hand.atc": LEADS[:6]}.get(
        clinical_name, LEADS
    )
    step_uv = {"muse.xml": 4.88, "cart.dcm": 2.5}.get(clinical_name, 0.001)  # of the file's own resolution
    assert set(record.leads) == set(stored)
    assert record.fs_hz == 500.0
    true = clinical_uv[[LEADS.index(lead) for lead in record.leads]] / 1000
    np.testing.assert_allclose(record.ecg_mv, true, atol=0.51 * step_uv / 1000)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_signal_comes_back(clinical_name: str, seed: int, tmp_path: Path) -> None:
    steps = np.random.default_rng(seed).integers(-40, 41, (12, 1000))
    uv = np.clip(np.cumsum(steps, axis=1), -5000, 5000).astype("<i2")
    (tmp_path / clinical_name).write_bytes(CLINICAL_FILES[clinical_name](uv))
    record = read_clinical(tmp_path, clinical_name, "r", HASHED, FileOptions(implausible="flag"))
    step_uv = {"muse.xml": 4.88, "cart.dcm": 2.5, "hl7.xml": 2.5}.get(clinical_name, 0.001)
    true = uv[[LEADS.index(lead) for lead in record.leads]] / 1000
    np.testing.assert_allclose(record.ecg_mv, true, atol=0.51 * step_uv / 1000 + 1e-6)


def test_age_and_sex_come_back(clinical_folder: Path, clinical_name: str) -> None:
    record = read_clinical(clinical_folder, clinical_name, "r", HASHED)
    known = (None, None) if clinical_name in ("kardia.json", "hand.atc") else (70.0, "male")  # Kardia says neither
    assert (record.age_years, record.sex) == known


def test_nothing_that_names_the_patient_passes(clinical_folder: Path, clinical_name: str) -> None:
    content = (clinical_folder / clinical_name).read_bytes().lower()
    assert any(secret.encode() in content for secret in SECRETS)  # else this test could not fail
    record = read_clinical(clinical_folder, clinical_name, f"ward/{clinical_name}", HASHED)
    stored = pickle.dumps(record).lower() + repr(record).encode().lower()
    assert [secret for secret in SECRETS if secret.encode() in stored] == []


def test_one_patient_has_one_hash_in_every_format(clinical_folder: Path) -> None:
    from_dicom, from_scp = (read_clinical(clinical_folder, name, "r", HASHED) for name in ("cart.dcm", "cart.scp"))
    other_salt = read_clinical(clinical_folder, "cart.scp", "r", Privacy(salt=b"another"))
    assert from_dicom.patient_id == from_scp.patient_id != other_salt.patient_id
    assert len(str(from_dicom.patient_id)) == 32


def test_identifiers_are_kept_on_purpose(clinical_folder: Path) -> None:
    record = read_clinical(clinical_folder, "cart.scp", "Quellmann", Privacy(keep_identifiers=True))
    assert (record.patient_id, record.id) == ("PID4711X", "Quellmann")
    assert record.metadata["name"] == "Zacharias Quellmann"
    assert record.metadata["birth_date"] == "1950-03-14"


@pytest.mark.parametrize("record_id", ["2020/Quellmann_Z.scp", "pid4711x", "x-19500314", "1950-03-14.scp"])
def test_a_path_that_names_the_patient_is_hashed(clinical_folder: Path, record_id: str) -> None:
    record = read_clinical(clinical_folder, "cart.scp", record_id, HASHED)
    assert len(record.id.removesuffix(".scp")) == 32
    assert read_clinical(clinical_folder, "cart.scp", "ward 7", HASHED).id == "ward 7"


@pytest.mark.parametrize("name", ["Anonymous", "X", ""])
def test_a_path_is_hashed_where_the_file_does_not_say_whom_it_may_name(
    clinical_folder: Path, tmp_path: Path, name: str
) -> None:
    text = (clinical_folder / "muse.xml").read_text()
    (tmp_path / "Doe.xml").write_text(text.replace("Quellmann", name).replace("Zacharias", name))
    record = read_clinical(tmp_path, "Doe.xml", "Doe.xml", HASHED)
    assert record.id == hashed_path("Doe.xml", b"a salt")
    assert find_hashed(tmp_path, record.id, b"a salt") == tmp_path / "Doe.xml"
    assert read_clinical(tmp_path, "Doe.xml", "Doe.xml", Privacy(keep_identifiers=True)).id == "Doe.xml"


def test_a_lead_name_that_is_free_text_does_not_pass(clinical_folder: Path, tmp_path: Path) -> None:
    content = (clinical_folder / "holter.edf").read_bytes().replace(b"ECG V6 ".ljust(16), b"Quellmann, Z.   ")
    (tmp_path / "a.edf").write_bytes(content.replace(b"ECG I           ", b"ECG Lead I      "))
    record = read_clinical(tmp_path, "a.edf", "r", HASHED)
    assert record.leads == (*LEADS[:11], "lead 12")


def test_ages_over_89_are_not_told(clinical_folder: Path, tmp_path: Path) -> None:
    text = (clinical_folder / "muse.xml").read_text().replace("<PatientAge>70", "<PatientAge>97")
    (tmp_path / "old.xml").write_text(text)
    record = read_clinical(tmp_path, "old.xml", "r", HASHED)
    assert (record.age_years, record.metadata["age_over_89"]) == (90.0, True)
    assert read_clinical(tmp_path, "old.xml", "r", Privacy(keep_identifiers=True)).age_years == 97.0


@pytest.mark.parametrize("damage", ["half", "tenth", "garbage", "empty"])
def test_damaged_files_are_record_errors_without_content(
    clinical_folder: Path, clinical_name: str, damage: str, tmp_path: Path
) -> None:
    content = (clinical_folder / clinical_name).read_bytes()
    size = {"half": len(content) // 2, "tenth": len(content) // 10, "garbage": 0, "empty": 0}[damage]
    noise = np.random.default_rng(0).bytes(3000) if damage == "garbage" else b""
    (tmp_path / clinical_name).write_bytes(content[:size] + noise)
    with pytest.raises(RecordError) as caught:
        read_clinical(tmp_path, clinical_name, "r", HASHED)
    assert "find_hashed(folder, " in str(caught.value)
    assert clinical_name not in str(caught.value)
    assert [secret for secret in SECRETS if secret in str(caught.value).lower()] == []
    assert caught.value.__cause__ is None


def test_wrong_checksum(clinical_folder: Path, tmp_path: Path) -> None:
    for name, at in (("cart.scp", -100), ("holter.ecg", 100), ("muse.xml", -200)):
        content = bytearray((clinical_folder / name).read_bytes())
        content[at] = content[at] ^ 1 if name != "muse.xml" else ord("B" if content[at : at + 1] == b"A" else "A")
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordError) as error:
            read_clinical(tmp_path, name, "r", HASHED)
        assert error.value.reason == "checksum", name


def test_truncated_edf_is_named_so(clinical_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_bytes((clinical_folder / "holter.edf").read_bytes()[:-2000])
    with pytest.raises(RecordError) as error:
        read_clinical(tmp_path, "a.edf", "r", HASHED)
    assert error.value.reason == "truncated"


def test_no_unit_is_an_error(clinical_folder: Path, tmp_path: Path) -> None:
    text = (clinical_folder / "muse.xml").read_text()
    (tmp_path / "a.xml").write_text(text.replace("MICROVOLTS", "FURLONGS"))
    with pytest.raises(RecordError) as error:
        read_clinical(tmp_path, "a.xml", "r", HASHED)
    assert error.value.reason == "unit"
    (tmp_path / "b.xml").write_text(text.replace("MICROVOLTS", "VOLTS"))
    with pytest.raises(RecordError) as error:
        read_clinical(tmp_path, "b.xml", "r", HASHED)
    assert error.value.reason == "amplitude"
    assert "b.xml" not in str(error.value)  # a clinic names files after patients
    assert read_clinical(tmp_path, "b.xml", "r", HASHED, FileOptions(implausible="flag")).metadata[
        "implausible_amplitude"
    ]


def test_lead_fault_of_ishne_is_not_measured(clinical_folder: Path, tmp_path: Path) -> None:
    content = bytearray((clinical_folder / "holter.ecg").read_bytes())
    at = 522 + 2 * (12 * 500 + 3)  # sample 500 of aVR
    content[at : at + 2] = (-32768).to_bytes(2, "little", signed=True)
    (tmp_path / "a.ecg").write_bytes(content)
    record = read_clinical(tmp_path, "a.ecg", "r", HASHED)
    assert np.argwhere(np.isnan(record.ecg_mv)).tolist() == [[3, 500]]


def test_exact_rate_of_hl7(clinical_folder: Path, tmp_path: Path) -> None:
    text = (clinical_folder / "hl7.xml").read_text().replace('increment value="0.002"', 'increment value="0.00390625"')
    (tmp_path / "a.xml").write_text(text.replace("0.00390625", "0.0064"))
    assert read_clinical(tmp_path, "a.xml", "r", HASHED).fs_hz == pytest.approx(156.25)


def test_without_the_extra_the_remedy_is_named(clinical_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ecgdatakit", None)
    with pytest.raises(RecordError, match=r'pip install "beatssl\[formats\]"'):
        read_clinical(clinical_folder, "cart.scp", "r", HASHED)


def test_path_out_of_the_folder(clinical_folder: Path) -> None:
    with pytest.raises(RecordError) as error:
        read_clinical(clinical_folder / "inner", "../cart.scp", "r", HASHED)
    assert error.value.reason == "unsafe-path"
