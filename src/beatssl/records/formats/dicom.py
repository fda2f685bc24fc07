"""DICOM waveforms (PS3.3 C.10.9) through pydicom: the recorded group, its padding, skew and stored bits as stated."""

import io
import warnings
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from beatssl.records.demographics import sex_of
from beatssl.records.formats.content import kind_of_content
from beatssl.records.formats.mdc_leads import LEAD_OF_CODE
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording
from beatssl.signals.leads import lead_kind

_DTYPES = {
    (8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4",
    (64, "SV"): "i8", (64, "UV"): "u8",
}  # fmt: skip
_PADDING_RUN_S = 0.1  # of a padding value that samples may take too: an ECG does not rest at one step for so long
_DERIVED_WORDS = ("MEDIAN", "REPRESENTATIVE", "AVERAGE", "BEAT", "TEMPLATE")


def read_dicom(content: bytes, where: str) -> Recording:
    """The recorded channels of a DICOM waveform file.

    Of several multiplex groups the one with most of the twelve leads is read, an original one before a derived one
    (median beats), and the first of equals; the others are counted in `metadata["left_out_groups"]`. Physical value =
    sample · sensitivity · correction + baseline (C.10.9.1.4.2). Where a sample has fewer stored bits than allocated
    ones, the bits above are not looked at. A padding value outside of the samples' own values marks what was not
    measured; one that samples take too does so only in runs of 0.1 s. Channels are shifted by their skew, to whole
    samples.

    Raises `RecordError`: "unreadable", "truncated".
    """
    try:
        import pydicom  # an extra
    except ImportError:
        raise RecordError(
            "unreadable", f'{where}: DICOM files are read through pydicom: pip install "beatssl[formats]"'
        ) from None
    if content[128:132] != b"DICM":
        raise RecordError("unreadable", f"{where}: expected a DICOM file, found {kind_of_content(content[:64])}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that no decision here depends on
            dataset: Any = pydicom.dcmread(io.BytesIO(content))
            groups: list[Any] = list(dataset.get("WaveformSequence") or [])
            if not groups:
                kind = "an image or another object" if "PixelData" in dataset else "another object"
                raise RecordError("no-ecg", f"{where}: a DICOM file of {kind}, without any waveform")
            group = max(groups, key=_worth)
            channels, trailing = _channels(group, dataset.is_little_endian is not False, where)
            person, filters = _person(dataset), _filters(group)
    except RecordError:
        raise
    except Exception as error:  # pydicom raises whatever its decoding runs into; the text may quote the file
        raise RecordError(
            "unreadable", f"{where}: a DICOM file whose elements cannot be decoded ({type(error).__name__})"
        ) from None
    left = {"left_out_groups": len(groups) - 1} if len(groups) > 1 else {}
    return Recording("dicom_waveform", channels, person, left | filters | ({"trailing": True} if trailing else {}))


def _worth(group: Any) -> tuple[bool, int]:
    """Whether a group was recorded rather than derived, and how many of the twelve leads it holds."""
    label = str(group.get("MultiplexGroupLabel") or "").upper()
    derived = str(group.get("WaveformOriginality") or "").upper() == "DERIVED"
    derived = derived or any(word in label for word in _DERIVED_WORDS)
    names = {_name(channel) for channel in group.get("ChannelDefinitionSequence") or []}
    return not derived, sum(lead_kind(name) == "twelve" for name in names)


def _name(channel: Any) -> str:
    """The lead by its code, else by what the file calls it."""
    source = (channel.get("ChannelSourceSequence") or [None])[0]
    if source is not None:
        value = str(source.get("CodeValue") or source.get("LongCodeValue") or "").strip()
        number = value.rpartition("-" if value.startswith("5.6.3-9-") else ":")[2]
        if number.isdigit() and int(number) in LEAD_OF_CODE:
            return LEAD_OF_CODE[int(number)]
        if value.upper().startswith("MDC_ECG_LEAD_"):
            return value
        meaning = str(source.get("CodeMeaning") or "").split(",")[0].split("(")[0].strip()
        if meaning:
            return meaning
    return str(channel.get("ChannelLabel") or "").strip()


def _channels(group: Any, little_endian: bool, where: str) -> tuple[tuple[Channel, ...], bool]:
    """The channels, and whether the group holds more samples than it states."""
    definitions = list(group.get("ChannelDefinitionSequence") or [])
    count, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    fs_hz = float(group.SamplingFrequency)
    bits, kind = int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation)
    if (dtype := _DTYPES.get((bits, kind))) is None:
        raise RecordError(
            "unreadable", f"{where}: samples of kind {kind[:4]!r} in {bits} bits; 8, 16, 32 or 64 plain bits are read"
        )
    if count != len(definitions) or count < 1 or samples < 1:
        raise RecordError(
            "unreadable", f"{where}: states {count} channels of {samples} samples and defines {len(definitions)}"
        )
    data = bytes(group.WaveformData)
    size = np.dtype(dtype).itemsize
    if len(data) < count * samples * size:
        raise RecordError(
            "truncated", f"{where}: holds {len(data) // (count * size)} samples a channel, states {samples}"
        )
    stored = np.frombuffer(data, ("<" if little_endian else ">") + dtype, count * samples).reshape(samples, count).T
    padding = _padding(group, dtype, little_endian)
    channels = tuple(_channel(one, row, padding, fs_hz) for one, row in zip(definitions, stored, strict=True))
    return channels, len(data) - stored.nbytes > 1  # one byte may fill up an odd length


def _channel(definition: Any, stored: Any, padding: int | None, fs_hz: float) -> Channel:
    digital = _in_stored_bits(stored, int(definition.get("WaveformBitsStored") or 0))
    sensitivity = definition.get("ChannelSensitivity")
    unit_code = (definition.get("ChannelSensitivityUnitsSequence") or [None])[0]
    unit = str(unit_code.get("CodeValue") or "").strip() if unit_code is not None else ""
    factor = 1.0 if sensitivity is None else float(sensitivity)
    correction = definition.get("ChannelSensitivityCorrectionFactor")
    factor *= 1.0 if correction is None else float(correction)
    values = digital * factor + float(definition.get("ChannelBaseline") or 0.0)
    if padding is not None:
        values[_padded(stored.astype(np.int64), padding, fs_hz)] = np.nan
    skew = float(definition.get("ChannelSampleSkew") or 0.0) + float(definition.get("ChannelTimeSkew") or 0.0) * fs_hz
    # A sensitivity of no unit is no voltage: "no unit" is none that `choose` takes for one.
    return Channel(
        _name(definition), _shifted(values, round(skew)), fs_hz, unit if sensitivity is not None and unit else "no unit"
    )


def _in_stored_bits(stored: Any, bits: int) -> Float64[np.ndarray, " time"]:
    allocated = stored.dtype.itemsize * 8
    if stored.dtype.kind != "i" or not 0 < bits < allocated:
        return stored.astype(np.float64)
    shift = allocated - bits
    return (
        ((stored.astype(np.int64) << (64 - bits)) >> (64 - bits)).astype(np.float64)
        if shift
        else stored.astype(np.float64)
    )


def _padding(group: Any, dtype: str, little_endian: bool) -> int | None:
    value = group.get("WaveformPaddingValue")
    if value is None or value == b"":
        return None
    if isinstance(value, (bytes, bytearray)):
        size = np.dtype(dtype).itemsize
        if len(value) < size:
            return None
        return int(np.frombuffer(value[:size], ("<" if little_endian else ">") + dtype)[0])
    return int(value)


def _padded(stored: Int64[np.ndarray, " time"], padding: int, fs_hz: float) -> Bool[np.ndarray, " time"]:
    at = stored == padding
    others = stored[~at]
    if not at.any() or not len(others) or not others.min() < padding < others.max():
        return at
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]]).astype(np.int8)))
    out = np.zeros(len(at), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        out[start:stop] = stop - start >= _PADDING_RUN_S * fs_hz
    return out


def _shifted(values: Float64[np.ndarray, " time"], by: int) -> Float64[np.ndarray, " time"]:
    """Samples that were taken `by` samples later than those of the group, put where they belong."""
    if by == 0:
        return values
    out = np.full_like(values, np.nan)
    if abs(by) < len(values):
        out[max(by, 0) : len(values) + min(by, 0)] = values[max(-by, 0) : len(values) - max(by, 0)]
    return out


def _filters(group: Any) -> dict[str, float]:
    """Of the first channel that states any."""
    names = {
        "highpass_hz": "FilterLowFrequency", "lowpass_hz": "FilterHighFrequency", "notch_hz": "NotchFilterFrequency",
    }  # fmt: skip
    for channel in group.get("ChannelDefinitionSequence") or []:
        if found := {key: float(channel.get(name)) for key, name in names.items() if channel.get(name)}:
            return found
    return {}


def _person(dataset: Any) -> Person:
    name = dataset.get("PatientName")
    names = tuple(str(name).replace("^", " ").replace("=", " ").split()) if name else ()
    born = str(dataset.get("PatientBirthDate") or "")
    birth = f"{born[:4]}-{born[4:6]}-{born[6:8]}" if len(born) == 8 and born.isdigit() else ""
    return Person(
        number=str(dataset.get("PatientID") or "").strip(),
        names=names,
        birth_date=birth,
        age_years=_age(str(dataset.get("PatientAge") or ""), birth, dataset),
        sex=sex_of(str(dataset.get("PatientSex") or "")),
    )


def _age(text: str, birth: str, dataset: Any) -> float | None:
    per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}.get(text[-1:])
    if per_year and text[:-1].isdigit():
        return float(int(text[:-1]) // per_year)
    day = str(dataset.get("AcquisitionDateTime") or dataset.get("AcquisitionDate") or dataset.get("StudyDate") or "")[
        :8
    ]
    if birth and len(day) == 8 and day.isdigit():
        years = (int(day) - int(birth.replace("-", ""))) // 10_000
        return float(years) if years >= 0 else None
    return None
