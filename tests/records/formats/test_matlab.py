"""MATLAB files against scipy's reader, and damaged."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from beatssl.records.formats import matlab
from beatssl.records.formats.matlab import mat_variables
from beatssl.records.record import RecordError

RNG = np.random.default_rng(0)
KINDS = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
ARRAYS: dict[str, Any] = {f"a_{kind}": RNG.integers(0, 100, (3, 50)).astype(kind) for kind in KINDS}
ARRAYS |= {"deep": RNG.normal(size=(2, 3, 4)), "none": np.zeros((0, 5)), "one": 250.0, "whole": np.arange(300.0)}


def mat(form: str = "5", compressed: bool = False, **variables: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, format=form, do_compression=compressed)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_those_of_scipy(compressed: bool) -> None:
    content = mat(compressed=compressed, **ARRAYS)
    found, true = mat_variables(content, "a"), loadmat(io.BytesIO(content))
    assert set(found) == set(ARRAYS)
    for name in ARRAYS:
        np.testing.assert_array_equal(found[name], true[name])
        assert found[name].dtype == true[name].dtype


def test_version_4() -> None:
    kinds = {"f8": np.float64, "i2": np.int16, "i4": np.int32, "u1": np.uint8}
    arrays = {f"a_{name}": RNG.integers(0, 100, (3, 50)).astype(kind) for name, kind in kinds.items()}
    content = mat("4", **arrays, text="mV", complex=np.ones((2, 2)) * 1j, last=np.eye(3))
    found = mat_variables(content, "a")
    for name, array in (arrays | {"last": np.eye(3)}).items():
        np.testing.assert_array_equal(found[name], array)
    assert found["text"] == "mV"
    assert "complex" not in found


def test_texts_cells_and_structs() -> None:
    leads = np.array(["I", "II", "V1"], object)
    content = mat(
        unit="µV", leads=leads, rows=np.array(["I ", "V1"]), ecg={"data": np.eye(60), "fs": 250, "leads": leads}
    )
    found = mat_variables(content, "a")
    assert (found["unit"], found["leads"], found["rows"]) == ("µV", ["I", "II", "V1"], ["I", "V1"])
    assert (found["ecg"]["fs"].item(), found["ecg"]["leads"]) == (250, ["I", "II", "V1"])
    np.testing.assert_array_equal(found["ecg"]["data"], np.eye(60))


def test_what_is_no_array_of_real_numbers_is_left_out() -> None:
    many = np.zeros(2, [("a", "f8"), ("b", "f8")])
    assert set(mat_variables(mat(x=np.ones((2, 2)) * 1j, many=many, y=np.eye(2)), "a")) == {"y"}


def test_files_of_cinc(data_root: Path) -> None:
    for path in sorted((data_root / "cinc2020").glob("*.mat"))[:5]:
        np.testing.assert_array_equal(mat_variables(path.read_bytes(), "a")["val"], loadmat(path)["val"])


@pytest.mark.parametrize("content", [mat(**ARRAYS), mat("4", val=np.eye(60))])
def test_every_cut_is_found_or_leaves_whole_variables(content: bytes) -> None:
    whole = mat_variables(content, "a")
    for size in range(128 if content[:6] == b"MATLAB" else 1, len(content), 13):
        try:
            found = mat_variables(content[:size], "a")
        except RecordError:
            continue
        for name, array in found.items():
            np.testing.assert_array_equal(array, whole[name])


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "_LARGEST", 10**6)
    content = mat(compressed=True, a=np.zeros((200, 1000)))
    with pytest.raises(RecordError, match="unpacks to more than"):
        mat_variables(content, "a")


@pytest.mark.parametrize(
    "content",
    [
        mat(**ARRAYS),
        mat(compressed=True, **ARRAYS),
        mat(ecg={"data": np.eye(60), "fs": 250, "leads": np.array(["I", "II"], object)}, unit="mV"),
        mat("4", val=np.eye(60), text="mV"),
    ],
)
def test_damaged_files(content: bytes, survives: Callable[..., list[str]]) -> None:
    assert survives(lambda damaged: mat_variables(damaged, "a"), content, 600)
