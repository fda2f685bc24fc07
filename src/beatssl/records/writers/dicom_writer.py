"""DICOM: 12-lead ECG (PS3.3 A.34.3) of any of the twelve leads, in µV."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from beatssl.records.formats.mdc_leads import LEAD_OF_CODE
from beatssl.records.record import Record
from beatssl.records.writers.steps import Values, digitised, simplest
from beatssl.signals.leads import LEADS

_TWELVE_LEAD, _GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.9.1.2"
_LONGEST_ID, _LONGEST_DECIMAL, _MOST_OF_A_UNIT = 64, 16, 999
_UNKNOWN = (
    "PatientName", "PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID",
    "SeriesNumber", "Manufacturer",
)  # fmt: skip
"""What the standard wants there, if empty (type 2)."""
_CODES = {lead: code for code, lead in LEAD_OF_CODE.items()}


def dicom_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """The file: a General ECG where the 12-lead one may not have the rate (200–1000 Hz) or length (16,384 samples).

    Patient id, age and sex are kept; name and dates there are none, though the standard wants that of the recording.
    Raises ValueError for a lead that is not among the twelve and for a patient id that DICOM cannot hold, ImportError
    without pydicom.
    """
    try:
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.sequence import Sequence
        from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
    except ImportError:
        raise ImportError('DICOM files are written through pydicom: pip install "beatssl[formats]"') from None
    if others := [lead for lead in record.leads if lead not in LEADS]:
        raise ValueError(
            f"leads {', '.join(others)} have no code as one of the twelve; save the record as .hea or .csv"
        )
    patient = record.patient_id or ""
    if len(patient) > _LONGEST_ID or "\\" in patient or not patient.isprintable():
        raise ValueError(
            f"record {record.id}: DICOM's patient id has at most {_LONGEST_ID} characters and no backslash; "
            "set another with record.replace(patient_id=...)"
        )

    def code(value: str, scheme: str, meaning: str) -> Any:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return Sequence([item])

    leads = [digitised(row, 16, _sensitivities, _mv) for row in record.ecg_mv]
    channels: list[Any] = []
    for name, lead in zip(record.leads, leads, strict=True):
        channel = Dataset()
        channel.ChannelSourceSequence = code(f"2:{_CODES[name]}", "MDC", f"Lead {name}")
        channel.ChannelSensitivity = _decimal(lead.scale)
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", _decimal(lead.offset * lead.scale)
        channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
        channel.ChannelSensitivityUnitsSequence = code("uV", "UCUM", "microvolt")
        channels.append(channel)
    group = Dataset()
    group.WaveformOriginality, group.NumberOfWaveformChannels = "ORIGINAL", len(leads)
    group.NumberOfWaveformSamples, group.SamplingFrequency = record.ecg_mv.shape[1], _decimal(float(record.fs_hz))
    group.MultiplexGroupLabel, group.ChannelDefinitionSequence = "RHYTHM", Sequence(channels)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new(0x5400100A, "OW", (-(2**15)).to_bytes(2, "little", signed=True))
    samples = np.stack([lead.samples for lead in leads], axis=1)
    group.add_new(0x54001010, "OW", samples.astype("<i2").tobytes())
    meta = FileMetaDataset()
    twelve = 200 <= record.fs_hz <= 1000 and record.ecg_mv.shape[1] <= 16_384
    meta.MediaStorageSOPClassUID = UID(_TWELVE_LEAD if twelve else _GENERAL)
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta, data.preamble = meta, b"\0" * 128
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = generate_uid(), generate_uid(), "ECG"
    data.InstanceNumber = 1
    for unknown in _UNKNOWN:
        setattr(data, unknown, None)
    data.AcquisitionContextSequence = Sequence()
    data.PatientID, data.PatientSex = patient, {"female": "F", "male": "M"}.get(record.sex or "", "")
    if record.age_years is not None:
        data.PatientAge = _age(record.age_years)
    data.WaveformSequence = Sequence([group])
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return {path: buffer.getvalue()}


def _decimal(value: float) -> str:
    """A decimal string of DICOM, at most 16 characters."""
    return next(text for digits in range(17, 0, -1) if len(text := f"{value:.{digits}g}") <= _LONGEST_DECIMAL)


def _sensitivities(least_mv: float, most_mv: float) -> Iterator[float]:
    """µV a step."""
    yield float(_decimal(simplest(1000 * least_mv, 1000 * most_mv)))
    yield float(_decimal(500 * (least_mv + most_mv)))


def _mv(samples: Values, offset: int, sensitivity: float) -> Values:
    return (samples * sensitivity + float(_decimal(offset * sensitivity))) * 1e-3


def _age(years: float) -> str:
    """In years where they are whole or no finer unit has room, else in months, below three years in days."""
    days, months = int(years * 365.25 + 1e-6), int(years * 12 + 1e-6)
    if float(years).is_integer() or months > _MOST_OF_A_UNIT:
        return f"{int(years):03d}Y"
    return f"{days:03d}D" if days <= _MOST_OF_A_UNIT else f"{months:03d}M"
