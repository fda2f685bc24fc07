"""DICOM: 12-lead ECG (PS3.3 A.34.3) of any of the twelve leads, in µV."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from beatssl.records.formats.mdc_leads import LEAD_OF_CODE
from beatssl.records.record import Record
from beatssl.records.writers.steps import digitised
from beatssl.signals.leads import LEADS

_TWELVE_LEAD, _GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.9.1.2"
_CODES = {lead: code for code, lead in LEAD_OF_CODE.items()}


def dicom_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """The file: a General ECG where the standard's 12-lead one does not allow the rate (200–1000 Hz) or length (16,384).

    Patient id, age and sex are kept, a name there is none. Raises ValueError for a lead that is not among the twelve,
    ImportError without pydicom.
    """
    try:
        from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
        from pydicom.sequence import Sequence
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid
    except ImportError:
        raise ImportError('DICOM files are written through pydicom: pip install "beatssl[formats]"') from None
    if others := [lead for lead in record.leads if lead not in LEADS]:
        raise ValueError(f"leads {', '.join(others)} have no code as one of the twelve; save the record as .hea or .csv")

    def code(value: str, scheme: str, meaning: str) -> Any:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return Sequence([item])

    leads = [digitised(row, 16) for row in record.ecg_mv]
    channels: list[Any] = []
    for name, lead in zip(record.leads, leads, strict=True):
        channel = Dataset()
        channel.ChannelSourceSequence = code(f"2:{_CODES[name]}", "MDC", f"Lead {name}")
        channel.ChannelSensitivity = _decimal(1000 / lead.units_per_mv)
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "1", "0"
        channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", 16
        channel.ChannelSensitivityUnitsSequence = code("uV", "UCUM", "microvolt")
        channels.append(channel)
    group = Dataset()
    group.WaveformOriginality, group.NumberOfWaveformChannels = "ORIGINAL", len(leads)
    group.NumberOfWaveformSamples, group.SamplingFrequency = record.ecg_mv.shape[1], _decimal(record.fs_hz)
    group.MultiplexGroupLabel, group.ChannelDefinitionSequence = "RHYTHM", Sequence(channels)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new(0x5400100A, "OW", (-(2**15)).to_bytes(2, "little", signed=True))
    samples = np.stack([lead.samples for lead in leads], axis=1)
    group.add_new(0x54001010, "OW", samples.astype("<i2").tobytes())
    meta = FileMetaDataset()
    twelve = 200 <= record.fs_hz <= 1000 and record.ecg_mv.shape[1] <= 16_384
    meta.MediaStorageSOPClassUID = _TWELVE_LEAD if twelve else _GENERAL
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = generate_uid(), generate_uid(), "ECG"
    data.PatientName, data.PatientID = "", record.patient_id or ""
    data.PatientSex = {"female": "F", "male": "M"}.get(record.sex or "", "")
    if record.age_years is not None:
        data.PatientAge = f"{int(record.age_years):03d}Y"
    data.WaveformSequence = Sequence([group])
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return {path: buffer.getvalue()}


def _decimal(value: float) -> str:
    """A decimal string of DICOM, at most 16 characters."""
    return next(text for digits in range(17, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
