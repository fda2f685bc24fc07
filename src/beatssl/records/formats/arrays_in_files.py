"""Arrays in `.npy`, `.npz`, MATLAB's `.mat` and HDF5: which holds the ECG, at what rate, in what unit and order."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from beatssl.records.demographics import age_of, sex_of
from beatssl.records.formats.matlab import mat_variables
from beatssl.records.formats.options import FileOptions
from beatssl.records.formats.stated import has_constant_step, hz_of_times, in_leads, rate
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording
from beatssl.records.units import mv_per
from beatssl.signals.leads import LEADS

_SIGNAL = ("val", "data", "ecg", "signal", "signals", "p_signal", "tracings", "tracing", "waveform", "ecg_mv")
_RATE = (
    "fs",
    "fs_hz",
    "sf",
    "freq",
    "frequency",
    "sampling_rate",
    "sample_rate",
    "samplingrate",
    "sampling_frequency",
    "srate",
    "hz",
)
_NAMES = ("leads", "lead_names", "sig_name", "signames", "channels", "channel_names", "labels")
_UNIT = ("unit", "units")
_TIMES = ("t", "time", "times", "timestamp", "timestamps", "time_s", "time_ms", "seconds", "sec")
_IDS = ("exam_id", "id", "ids", "record_id", "ecg_id")
_LARGEST = 2**29  # bytes of one array
CODE_HZ, CODE_UNIT_MV, CODE_SAMPLES = 400.0, 0.1, 4096
"""Of the CODE sets (Ribeiro et al. 2020, 2021): 400 Hz, 1e-4 V a unit, 4096 samples of which zeros at both ends pad."""

Arrays = Mapping[str, Any]


def read_npy(content: bytes, where: str, options: FileOptions) -> Recording:
    """The one array of a `.npy` file, which states nothing. Raises `RecordError`."""
    return _recording({"": _loaded(content, where, "npy")}, where, "npy", options)


def read_npz(content: bytes, where: str, options: FileOptions) -> Recording:
    """The array of a `.npz` file that is called as signals are, or the only one. Raises `RecordError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > _LARGEST:
                raise RecordError(
                    "unreadable", f"{where}: unpacks to more than {_LARGEST >> 20} MiB; save fewer records a file"
                )
            members = {info.filename.removesuffix(".npy"): archive.read(info) for info in archive.infolist()}
    except RecordError:
        raise
    except Exception:  # zipfile and zlib raise whatever their decoding runs into
        raise RecordError("unreadable", f"{where}: expected a .npz file, found one that cannot be unpacked") from None
    return _recording({name: _loaded(data, where, "npz") for name, data in members.items()}, where, "npz", options)


def _loaded(content: bytes, where: str, kind: str) -> Any:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # NumPy raises whatever its parsing of the header runs into
        raise RecordError("unreadable", f"{where}: not a .{kind} file of numbers, or cut short") from None


def read_mat(content: bytes, where: str, options: FileOptions) -> Recording:
    """The variable of a MATLAB file (v4, v5) that is called as signals are, also in a struct. Raises `RecordError`."""
    arrays: dict[str, Any] = {}
    for name, value in mat_variables(content, where).items():
        arrays |= value if isinstance(value, dict) else {name: value}
    scalars = {name: one.item() for name, one in arrays.items() if isinstance(one, np.ndarray) and one.size == 1}
    return _recording(arrays | scalars, where, "mat", options)


def hdf5_records(path: Path) -> list[str]:
    """Names of the records in an HDF5 file: [""] where it holds one, or cannot be opened.

    An array (record, time, lead) holds many, under the ids beside it, or by number where ids are none or stand twice;
    an array of one name in several groups is a record a group.
    """
    try:
        with _opened(path, path.name) as file:
            found = _datasets(file)
            if groups := _groups(found):
                return groups
            arrays = _by_name(found)
            name = _signal_name(arrays, path.name, "hdf5")
            return _ids(arrays, len(arrays[name])) if arrays[name].ndim == 3 else [""]
    except (RecordError, OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError):
        return [""]


def read_hdf5(path: Path, record: str, where: str, options: FileOptions) -> Recording:
    """One record of an HDF5 file, by a name of `hdf5_records`.

    The CODE sets are known by their form: `exam_id` beside `tracings` of (n, 4096, 12); they state neither rate, unit
    nor leads, and pad with zeros. Raises `RecordError`.
    """
    try:
        with _opened(path, where) as file:
            found = _datasets(file)
            attributes = dict(file.attrs.items())
            if groups := _groups(found):
                if record not in groups:
                    raise RecordError(
                        "unreadable", f"{where}: has no record of this name; it holds {len(groups)} records"
                    )
                attributes |= dict(file[record].attrs.items())
                found = {key: one for key, one in found.items() if key.rpartition("/")[0] in ("", record)}
            arrays = _by_name(found)
            name = _signal_name(arrays, where, "hdf5")
            signal = arrays[name]
            shape = signal.shape[1:] if signal.ndim == 3 else signal.shape
            if int(np.prod(shape, dtype=object)) * 8 > _LARGEST:
                raise RecordError("unreadable", f"{where}: one record of shape {shape} is too large")
            values = np.asarray(signal[_row(arrays, len(signal), record, where)] if signal.ndim == 3 else signal[()])
            if signal.ndim == 3 and "exam_id" in arrays and values.shape == (CODE_SAMPLES, len(LEADS)):
                return _of_code(values, options)
            small = {key: one[()] for key, one in arrays.items() if _is_small(one) or key.lower() in _TIMES}
            small |= attributes | dict(signal.attrs.items()) | {name: values}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(
            "unreadable", f"{where}: expected an HDF5 file; it cannot be decoded ({type(error).__name__})"
        ) from None
    return _recording(small, where, "hdf5", options, name)


def _is_small(value: Any) -> bool:
    return int(np.prod(np.shape(value), dtype=object)) <= 64


def _of_code(signal: Any, options: FileOptions) -> Recording:
    measured = np.flatnonzero(np.any(signal != 0, axis=1))
    if len(measured):
        signal = signal[measured[0] : measured[-1] + 1]
    unit = options.unit or "mV"
    factor = 1.0 if options.unit else CODE_UNIT_MV
    channels = tuple(
        Channel(lead, column.astype(np.float64) * factor, options.csv_fs_hz or CODE_HZ, unit)
        for lead, column in zip(LEADS, signal.T, strict=True)
    )
    return Recording("hdf5", channels, metadata={} if options.unit else {"unit_assumed": True})


def _opened(path: Path, where: str) -> Any:
    try:
        import h5py  # an extra
    except ImportError:
        raise RecordError("unreadable", f'{where}: HDF5 is read through h5py: pip install "beatssl[formats]"') from None
    try:
        return h5py.File(path, "r")
    except OSError:
        raise RecordError(
            "unreadable", f"{where}: expected an HDF5 file; it cannot be opened, or is cut short"
        ) from None


def _datasets(file: Any) -> dict[str, Any]:
    """Every dataset by its path."""
    found: dict[str, Any] = {}

    def visit(name: str, one: Any) -> None:
        if hasattr(one, "shape") and hasattr(one, "dtype") and one.shape is not None:
            found[name] = one

    file.visititems(visit)
    return found


def _by_name(found: Mapping[str, Any]) -> dict[str, Any]:
    """Datasets by the last part of their paths, the outermost of one name."""
    out: dict[str, Any] = {}
    for path, one in sorted(found.items(), key=lambda item: item[0].count("/")):
        out.setdefault(path.rpartition("/")[2], one)
    return out


def _groups(found: Mapping[str, Any]) -> list[str]:
    """The groups that hold a record each: those with an array of one name that is a signal's; [] for one alone."""
    for wanted in _SIGNAL:
        paths = [key for key, one in found.items() if key.lower().split("/")[-1] == wanted and _may_be_signal(one)]
        if paths:
            return (
                [path.rpartition("/")[0] for path in paths]
                if len(paths) > 1 and all("/" in path for path in paths)
                else []
            )
    return []


def _ids(arrays: Mapping[str, Any], count: int) -> list[str]:
    for name in _IDS:
        if name in arrays and arrays[name].shape == (count,):
            values = np.asarray(arrays[name]).tolist()
            ids = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]
            if len(set(ids)) == count:
                return ids
    return [str(row) for row in range(count)]


def _row(arrays: Mapping[str, Any], count: int, record: str, where: str) -> int:
    ids = _ids(arrays, count)
    if record not in ids:
        raise RecordError("unreadable", f"{where}: has no record of this name; it holds {count} records")
    return ids.index(record)


def _signal_name(arrays: Mapping[str, Any], where: str, kind: str) -> str:
    """The one array that is called as signals are, or else the only one that may be. Raises `RecordError`."""
    shaped = {name: array for name, array in arrays.items() if _may_be_signal(array) and name.lower() not in _TIMES}
    called = [name for name in shaped if name.lower() in _SIGNAL] or list(shaped)
    if len(called) == 1:
        return called[0]
    shapes = ", ".join(f"{_shown(name)} {np.shape(shaped[name])}" for name in called[:8]) or "none"
    raise RecordError(
        "unreadable",
        f"{where}: a .{kind} file with {len(called)} arrays that may be the ECG ({shapes}); expected one, or one "
        "called 'ecg'",
    )


def _may_be_signal(array: Any) -> bool:
    dtype = getattr(array, "dtype", None)
    if dtype is None:
        return False
    shape = np.shape(array)
    return dtype.kind in "fiu" and 1 <= len(shape) <= 3 and max(shape, default=0) >= 50


def _shown(name: str) -> str:
    return name if re.fullmatch(r"\w{1,20}", name) else "an array"


def _recording(arrays: Arrays, where: str, kind: str, options: FileOptions, name: str | None = None) -> Recording:
    if name is None:
        name = "" if list(arrays) == [""] else _signal_name(arrays, where, kind)
    said = {key.lower(): value for key, value in arrays.items() if key != name}
    if np.asarray(arrays[name]).dtype.kind not in "fiu":
        raise RecordError("unreadable", f"{where}: not a .{kind} file of numbers, or cut short")
    with np.errstate(invalid="ignore"):  # of NaNs in other than the usual bits
        values = np.asarray(arrays[name], np.float64)
    if np.isinf(values).any():
        raise RecordError("nan", f"{where}: holds infinite values; mark what was not measured as NaN")
    fs_hz = rate(_number(said, _RATE) or _hz_of_times(said, max(values.shape, default=0)), where, kind, options)
    unit = _text(said, _UNIT)
    if unit and options.unit and mv_per(unit) != mv_per(options.unit):
        raise RecordError("unit", f"{where}: states {unit[:8]} itself, but unit={options.unit!r} is passed")
    names = options.lead_names or _texts(said, _NAMES)
    if not names and (values.ndim == 1 or (values.ndim == 2 and 1 in values.shape)):
        names = ("ECG",)
    if not names:
        raise RecordError(
            "unreadable", f"{where}: a .{kind} array of shape {values.shape} names no leads; pass lead_names="
        )
    if values.ndim == 2 and 1 in values.shape and len(names) == 1:
        values = values.reshape(-1)
    leads = in_leads(values, names, where, kind)
    person = Person(age_years=age_of(str(said.get("age", ""))), sex=sex_of(str(said.get("sex", ""))))
    channels = tuple(Channel(lead, row, fs_hz, unit or None) for lead, row in zip(names, leads, strict=True))
    return Recording(kind, channels, person, told=bool(options.lead_names))


def _number(said: Mapping[str, Any], names: Sequence[str]) -> float | None:
    for name in names:
        if name in said and np.size(said[name]) == 1:
            try:
                value = float(np.asarray(said[name]).reshape(-1)[0])
            except (TypeError, ValueError):
                continue
            if np.isfinite(value) and value > 0:
                return value
    return None


def _hz_of_times(said: Mapping[str, Any], samples: int) -> float | None:
    for name in _TIMES:
        if name in said and np.asarray(said[name]).dtype.kind in "fiu":
            times = np.asarray(said[name], np.float64).reshape(-1)
            if len(times) == samples and has_constant_step(times):
                return hz_of_times(times, name.replace("_", " "))
    return None


def _text(said: Mapping[str, Any], names: Sequence[str]) -> str:
    found = _texts(said, names)
    return found[0] if found and len(set(found)) == 1 and mv_per(found[0]) is not None else ""


def _texts(said: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name in said:
            flat = np.atleast_1d(np.asarray(said[name])).reshape(-1)
            texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in flat.tolist()]
            if flat.dtype.kind in "USO":
                return tuple(text.strip() for text in texts)
    return ()
