"""Arrays in .npy, .npz, .mat and HDF5: which is the ECG, and what the file states of it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from beatssl.records.formats.arrays_in_files import hdf5_records, read_hdf5, read_mat, read_npy, read_npz
from beatssl.records.formats.options import FileOptions
from beatssl.records.record import RecordError
from beatssl.records.recording import Recording
from beatssl.signals.leads import LEADS

h5py = pytest.importorskip("h5py")
THREE = ("I", "II", "V1")
ECG = np.round(np.random.default_rng(0).normal(size=(3, 600)), 3)
TIME_S = np.arange(600) / 250
NAMED = FileOptions(csv_fs_hz=250.0, lead_names=THREE)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def mat(form: str = "5", **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays, format=form)  # type: ignore[arg-type]
    return buffer.getvalue()


def _is_ecg(found: Recording, ecg: np.ndarray = ECG, names: tuple[str, ...] = THREE) -> None:
    assert tuple(channel.name for channel in found.channels) == names
    for channel, row in zip(found.channels, ecg, strict=True):
        assert channel.fs_hz == 250.0
        np.testing.assert_array_equal(channel.samples, row)


@pytest.mark.parametrize("array", [ECG, ECG.T, ECG[None], np.asfortranarray(ECG), ECG.astype(">f8")])
def test_npy(array: np.ndarray) -> None:
    _is_ecg(read_npy(npy(array), "a", NAMED))


@pytest.mark.parametrize("read", [read_npz, read_mat])
def test_what_the_file_states(read: Callable[..., Recording]) -> None:
    stated = {"ecg": ECG, "fs": 250.0, "unit": "mV", "leads": np.array(THREE, object if read is read_mat else None)}
    found = read(npz(**stated) if read is read_npz else mat(**stated), "a", FileOptions())
    _is_ecg(found)
    assert {channel.unit for channel in found.channels} == {"mV"}


def test_matlab_of_physionet_and_structs() -> None:
    counts = np.round(200 * ECG).astype("i2")
    _is_ecg(read_mat(mat("4", val=counts), "a", NAMED), counts)
    found = read_mat(mat(ECG={"data": ECG, "sex": "Female", "age": 56}), "a", NAMED)
    _is_ecg(found)
    assert (found.person.sex, found.person.age_years) == ("female", 56.0)


def test_times_state_the_rate_and_are_no_lead() -> None:
    for content, read in ((npz(t=TIME_S, ecg=ECG[0]), read_npz), (mat(t=TIME_S, ecg=ECG[0]), read_mat)):
        _is_ecg(read(content, "a", FileOptions()), ECG[:1], ("ECG",))


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        (npz(a=ECG, b=ECG), "unreadable", r"a \(3, 600\), b \(3, 600\)"),
        (npz(ecg=ECG, data=ECG), "unreadable", "2 arrays"),
        (npz(x=TIME_S, y=ECG[0]), "unreadable", "2 arrays"),
        (npz(ecg=ECG + 1j), "unreadable", "0 arrays"),
        (npz(ecg=ECG, fs=500), "sampling-rate", "500 Hz"),
        (npz(ecg=np.where(ECG > 1, np.inf, ECG)), "nan", "infinite"),
        (npz(ecg=ECG)[:-30], "unreadable", "unpacked"),
    ],
)
def test_what_is_refused(content: bytes, reason: str, says: str) -> None:
    with pytest.raises(RecordError, match=says) as error:
        read_npz(content, "a", NAMED)
    assert error.value.reason == reason


@pytest.mark.parametrize("array", [ECG + 1j, ECG > 0, ECG.astype(str)])
def test_arrays_of_no_real_numbers_are_refused(array: np.ndarray) -> None:
    with pytest.raises(RecordError, match="numbers"):
        read_npy(npy(array), "a", NAMED)


def test_code_by_its_form(tmp_path: Path) -> None:
    tracings = np.zeros((3, 4096, 12), "f4")
    tracings[:, 600:-600] = np.random.default_rng(0).normal(size=(3, 2896, 12))
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["exam_id"], file["tracings"] = np.array([11, 22, 33]), tracings
    assert hdf5_records(tmp_path / "a.hdf5") == ["11", "22", "33"]
    found = read_hdf5(tmp_path / "a.hdf5", "22", "a", FileOptions())
    assert tuple(channel.name for channel in found.channels) == LEADS
    assert {(channel.fs_hz, channel.unit) for channel in found.channels} == {(400.0, "mV")}
    np.testing.assert_allclose(found.channels[4].samples, tracings[1, 600:-600, 4] / 10, rtol=1e-6)
    assert found.metadata == {"unit_assumed": True}
    with pytest.raises(RecordError, match="no record of this name"):
        read_hdf5(tmp_path / "a.hdf5", "44", "a", FileOptions())


def test_many_records_by_number_where_ids_stand_twice(tmp_path: Path) -> None:
    ecg = np.random.default_rng(0).normal(size=(3, 600, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["signals"], file["ecg_id"] = ecg, np.array([7, 8, 8])
        file["signals"].attrs["fs"] = 250
    assert hdf5_records(tmp_path / "a.h5") == ["0", "1", "2"]
    _is_ecg(read_hdf5(tmp_path / "a.h5", "2", "a", FileOptions(lead_names=THREE)), ecg[2].T)


def test_a_record_a_group(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for k in (1, 2):
            file[f"record{k}/ecg"] = ECG * k
            file[f"record{k}"].attrs["fs"] = 250
    assert hdf5_records(tmp_path / "a.h5") == ["record1", "record2"]
    _is_ecg(read_hdf5(tmp_path / "a.h5", "record2", "a", FileOptions(lead_names=THREE)), 2 * ECG)


def test_one_array_with_attributes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ecg"] = ECG
        file.attrs["sampling_rate"], file.attrs["lead_names"], file["ecg"].attrs["unit"] = 250, list(THREE), "mV"
        file.create_dataset("other", shape=(100_000, 100_000), dtype="f4", chunks=(1, 100_000))  # is not loaded
    assert hdf5_records(tmp_path / "a.h5") == [""]
    _is_ecg(read_hdf5(tmp_path / "a.h5", "", "a", FileOptions()))


def test_more_than_memory_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ecg", shape=(1_000_000, 1_000_000), dtype="f4", chunks=(1, 1_000_000))
    with pytest.raises(RecordError, match="too large"):
        read_hdf5(tmp_path / "a.h5", "", "a", NAMED)


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_npy, npy(ECG)),
        (read_npz, npz(ecg=ECG, fs=250)),
        (read_mat, mat(ecg=ECG, fs=250.0)),
        (read_mat, mat("4", val=ECG)),
    ],
)
def test_damaged_files(read: Callable[..., Recording], content: bytes, survives: Callable[..., list[str]]) -> None:
    assert survives(lambda damaged: read(damaged, "a", NAMED), content)


def test_damaged_hdf5(tmp_path: Path, survives: Callable[..., list[str]]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exam_id"], file["tracings"] = np.arange(2), np.ones((2, 4096, 12), "f4")
    content = (tmp_path / "a.h5").read_bytes()

    def read(damaged: bytes) -> Recording:
        (tmp_path / "b.h5").write_bytes(damaged)
        hdf5_records(tmp_path / "b.h5")
        return read_hdf5(tmp_path / "b.h5", "1", "a", FileOptions())

    assert survives(read, content, 100)
