"""Small files of every clinical format, each holding the same known ECG and the same invented patient: for tests."""

import base64
import binascii
import io
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int16

from beatssl.records.formats.mdc_leads import LEAD_OF_CODE
from beatssl.signals.leads import LEADS

FS_HZ = 500
FIRST, LAST, NUMBER = "Zacharias", "Quellmann", "PID4711X"  # born 1950-03-14, recorded 2020-06-01: 70 years, male
SCP_CODES = tuple(code for lead in LEADS for code, name in LEAD_OF_CODE.items() if name == lead)

Uv = Int16[np.ndarray, "lead time"]


def ecg_uv() -> Uv:
    """Twelve leads of 1000 samples in whole µV, each of another shape."""
    t = np.arange(1000) / FS_HZ
    beat = np.exp(-(((t % 1.0) - 0.4) ** 2) / 0.0004)
    rows = [(300 + 100 * k) * beat + 50 * np.sin(2 * np.pi * (k + 1) * t) for k in range(12)]
    return np.round(np.stack(rows)).astype("<i2")


def _b64(samples: Any) -> str:
    return base64.b64encode(samples.astype("<i2").tobytes()).decode()


def hl7(uv: Uv) -> bytes:
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/><value xsi:type="SLIST_PQ">'
        f'<origin value="0" unit="uV"/><scale value="2.5" unit="uV"/><digits>{" ".join(map(str, row))}</digits>'
        "</value></sequence></component>"
        for lead, row in zip(LEADS, uv / 2.5, strict=True)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<effectiveTime><low value="20200601083000"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>
<id root="1.2" extension="{NUMBER}"/><subjectDemographicPerson><name><given>{FIRST}</given><family>{LAST}</family>
</name><administrativeGenderCode code="M"/><birthTime value="19500314"/></subjectDemographicPerson>
</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
<component><series><code code="RHYTHM"/><component><sequenceSet>
<component><sequence><code code="TIME_RELATIVE"/><value><head value="0" unit="s"/><increment value="0.002" unit="s"/>
</value></sequence></component>{sequences}</sequenceSet></component></series></component></AnnotatedECG>""".encode()


def muse(uv: Uv) -> bytes:
    leads = "".join(
        f"<LeadData><LeadByteCountTotal>2000</LeadByteCountTotal><LeadSampleCountTotal>1000</LeadSampleCountTotal>"
        "<LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
        f"<LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize>"
        f"<LeadDataCRC32>{binascii.crc32(row.astype('<i2').tobytes())}</LeadDataCRC32>"
        f"<WaveFormData>{_b64(row)}</WaveFormData></LeadData>"
        for lead, row in zip(LEADS, np.round(uv / 4.88), strict=True)
        if lead in ("I", "II") or lead.startswith("V")  # MUSE stores eight leads
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?><RestingECG><MuseInfo><MuseVersion>9</MuseVersion></MuseInfo>
<PatientDemographics><PatientID>{NUMBER}</PatientID><PatientAge>70</PatientAge><AgeUnits>YEARS</AgeUnits>
<DateofBirth>03-14-1950</DateofBirth><Gender>MALE</Gender><PatientLastName>{LAST}</PatientLastName>
<PatientFirstName>{FIRST}</PatientFirstName></PatientDemographics>
<TestDemographics><AcquisitionDate>06-01-2020</AcquisitionDate><AcquisitionTime>08:30:00</AcquisitionTime>
</TestDemographics><Waveform><WaveformType>Rhythm</WaveformType><SampleBase>500</SampleBase>
<SampleExponent>0</SampleExponent>{leads}</Waveform></RestingECG>""".encode()


def edf(uv: Uv) -> bytes:
    def text(value: object, size: int) -> bytes:
        return str(value).encode().ljust(size)[:size]

    n = len(uv)
    head = text("0", 8) + text(f"{NUMBER} M 14-MAR-1950 {LAST}_{FIRST}", 80)
    head += text("Startdate 01-JUN-2020 X X X", 80) + b"01.06.2008.30.00" + text(256 * (n + 1), 8) + text("EDF+C", 44)
    head += text(2, 8) + text(1, 8) + text(n, 4)
    fields: list[tuple[list[Any], int]] = [
        ([f"ECG {lead}" for lead in LEADS], 16), ([""] * n, 80), (["uV"] * n, 8), ([-32768] * n, 8),
        ([32767] * n, 8), ([-32768] * n, 8), ([32767] * n, 8), ([""] * n, 80), ([FS_HZ] * n, 8), ([""] * n, 32),
    ]  # fmt: skip
    head += b"".join(text(value, size) for values, size in fields for value in values)
    return head + b"".join(np.ascontiguousarray(uv[:, at : at + FS_HZ]).tobytes() for at in (0, FS_HZ))


def ishne(uv: Uv) -> bytes:
    head = bytearray(512)
    struct.pack_into("<iiii", head, 0, 0, uv.shape[1], 522, 522)
    struct.pack_into("<h", head, 16, 1)
    head[18 : 18 + len(FIRST)], head[58 : 58 + len(LAST)] = FIRST.encode(), LAST.encode()
    head[98 : 98 + len(NUMBER)] = NUMBER.encode()
    struct.pack_into("<hh9h3h", head, 118, 1, 0, 14, 3, 1950, 1, 6, 2020, 1, 6, 2020, 8, 30, 0)
    struct.pack_into("<h12h12h12h", head, 146, 12, *range(5, 17), *[1] * 12, *[500] * 12)  # 500 nV a unit
    struct.pack_into("<h", head, 262, FS_HZ)
    crc = binascii.crc_hqx(bytes(head), 0xFFFF)
    return b"ISHNE1.0" + struct.pack("<H", crc) + bytes(head) + np.ascontiguousarray((uv * 2).T.astype("<i2")).tobytes()


def scp(uv: Uv) -> bytes:
    def section(number: int, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        chunk = struct.pack("<HIBB6x", number, len(body) + 16, 20, 20) + body
        return struct.pack("<H", binascii.crc_hqx(chunk, 0xFFFF)) + chunk

    tags = {
        0: LAST.encode() + b"\0", 1: FIRST.encode() + b"\0", 2: NUMBER.encode() + b"\0",
        4: struct.pack("<HB", 70, 1), 5: struct.pack("<HBB", 1950, 3, 14), 8: b"\1",
        25: struct.pack("<HBB", 2020, 6, 1),
    }  # fmt: skip
    one = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags.items()) + b"\xff\0\0"
    three = bytes([12, 0x04 | 12 << 3 & 0xFF]) + b"".join(struct.pack("<IIB", 1, 1000, code) for code in SCP_CODES)
    six = struct.pack("<HHBB", 1000, 2000, 0, 0) + struct.pack("<12H", *[2000] * 12) + uv.tobytes()  # 1000 nV a unit
    sections = {1: section(1, one), 3: section(3, three), 6: section(6, six)}
    pointers, at = struct.pack("<HII", 0, 16 + 40, 7), 6 + 16 + 40
    for number, chunk in sections.items():
        pointers += struct.pack("<HII", number, len(chunk), at + 1)
        at += len(chunk)
    body = struct.pack("<I", at) + section(0, pointers) + b"".join(sections.values())
    return struct.pack("<H", binascii.crc_hqx(body, 0xFFFF)) + body


def mfer(uv: Uv) -> bytes:
    def tag(code: int, value: bytes) -> bytes:
        size = bytes([len(value)]) if len(value) < 128 else b"\x84" + struct.pack(">I", len(value))
        return bytes([code]) + size + value

    out = tag(0x40, b"MFR ecg") + tag(0x01, b"\0") + tag(0x0B, struct.pack(">BbH", 1, -3, 2))  # 2 ms
    out += tag(0x0C, struct.pack(">BbH", 0, -6, 1)) + tag(0x0A, b"\0")  # 1 µV, int16
    out += tag(0x05, b"\x0c") + tag(0x04, struct.pack(">H", 1000)) + tag(0x06, b"\1")
    for channel, code in enumerate(SCP_CODES):
        attribute = tag(0x09, struct.pack(">H", code))
        out += bytes([0x3F, channel, len(attribute)]) + attribute
    out += tag(0x81, f"{LAST}^^{FIRST}".encode()) + tag(0x82, NUMBER.encode()) + tag(0x84, b"\1")
    out += tag(0x83, struct.pack(">BHHBB", 70, 0, 1950, 3, 14))
    return out + tag(0x1E, uv.astype(">i2").tobytes()) + b"\x80\0"


def philips(uv: Uv) -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?><restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>
<documenttype>PhilipsECG</documenttype><documentversion>1.04</documentversion></documentinfo>
<dataacquisition date="2020-06-01" time="08:30:00"><signalcharacteristics><samplingrate>500</samplingrate>
<resolution>1</resolution><signaloffset>0</signaloffset></signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>{NUMBER}</patientid><name><lastname>{LAST}</lastname><firstname>{FIRST}</firstname>
</name><age><dateofbirth>1950-03-14</dateofbirth><years>70</years></age><sex>Male</sex></generalpatientdata></patient>
<waveforms><parsedwaveforms dataencoding="Base64" durationperchannel="2000" numberofleads="12" signalsigned="true"
leadlabels="{" ".join(LEADS)}">{_b64(uv)}</parsedwaveforms></waveforms></restingecgdata>""".encode()


def mortara(uv: Uv) -> bytes:
    channels = "".join(
        f'<CHANNEL NAME="{lead}" SAMPLE_FREQ="500" UNITS_PER_MV="1000" DURATION="1000" BITS="16" FORMAT="SIGNED" '
        f'ENCODING="BASE64" DATA="{_b64(row)}"/>'
        for lead, row in zip(LEADS, uv, strict=True)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?><ECG ACQUISITION_TIME="20200601083000" AGE="70" AGE_UNITS="YEARS">
<SOURCE MANUFACTURER="Mortara"/><SUBJECT LAST_NAME="{LAST}" FIRST_NAME="{FIRST}" ID="{NUMBER}" GENDER="MALE"
DOB="19500314"/>{channels}</ECG>""".encode()


def kardia(uv: Uv) -> bytes:
    samples = {f"lead{lead}" if len(lead) < 4 and lead[0] == "I" else lead: row.tolist()
               for lead, row in zip(LEADS[:6], uv[:6], strict=True)}  # fmt: skip
    raw = {"frequency": FS_HZ, "mainsFrequency": 50, "amplitudeResolution": 1000, "numLeads": 6, "samples": samples}
    return json.dumps(
        {"recordedAt": "2020-06-01T08:30:00Z", "patientID": NUMBER, "note": f"{FIRST} {LAST}", "data": {"raw": raw}}
    ).encode()


def dicom(uv: Uv) -> bytes:
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta: Any = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data: Any = FileDataset(io.BytesIO(), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = f"{LAST}^{FIRST}", NUMBER
    data.PatientBirthDate, data.PatientSex, data.PatientAge = "19500314", "M", "070Y"
    data.AcquisitionDateTime = "20200601083000"

    def code(value: str, scheme: str, meaning: str) -> Any:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return Sequence([item])

    channels: list[Any] = []
    for lead, number in zip(LEADS, SCP_CODES, strict=True):
        channel = Dataset()
        channel.ChannelSourceSequence = code(f"2:{number}", "MDC", f"Lead {lead}")
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = "2.5", "1"
        channel.ChannelBaseline, channel.WaveformBitsStored = "0", 16
        channel.ChannelSensitivityUnitsSequence = code("uV", "UCUM", "microvolt")
        channels.append(channel)
    group = Dataset()
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 12, uv.shape[1]
    group.SamplingFrequency, group.MultiplexGroupLabel = str(FS_HZ), "RHYTHM"
    group.WaveformOriginality = "ORIGINAL"
    group.ChannelDefinitionSequence = Sequence(channels)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new(0x54001010, "OW", np.ascontiguousarray(np.round(uv / 2.5).astype("<i2").T).tobytes())
    data.WaveformSequence = Sequence([group])
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def atc(uv: Uv) -> bytes:
    def block(name: bytes, data: bytes) -> bytes:
        out = name + struct.pack("<I", len(data)) + data
        return out + struct.pack("<I", sum(out) & 0xFFFFFFFF)

    leads = [(b"ecg ", 0), *((f"ecg{k}".encode(), k - 1) for k in range(2, 7))]
    info = block(b"info", f"{NUMBER} {FIRST} {LAST}".encode().ljust(96, b"\0"))
    form = block(b"fmt ", struct.pack("<BHHBH", 1, FS_HZ, 1000, 0x2E, 0))
    return b"ALIVE\0\0\0" + struct.pack("<I", 3) + info + form + b"".join(block(n, uv[i].tobytes()) for n, i in leads)


def cardiosoft(uv: Uv) -> bytes:
    leads = "".join(
        f'<WaveformData lead="{lead}">\t{",".join(map(str, row.tolist()))}</WaveformData>'
        for lead, row in zip(LEADS, uv, strict=True)
    )
    return f"""<?xml version="1.0" encoding="ISO8859-1" ?>
<CardiologyXML><ObservationType>RestECG</ObservationType><PatientInfo><PID>{NUMBER}</PID>
<Name><FamilyName>{LAST}</FamilyName><GivenName>{FIRST}</GivenName></Name><Age units="years">70</Age><BirthDateTime>
<Day>14</Day><Month>3</Month><Year>1950</Year></BirthDateTime><Gender>MALE</Gender></PatientInfo><StripData>
<NumberOfLeads>12</NumberOfLeads><SampleRate units="Hz">{FS_HZ}</SampleRate>
<ChannelSampleCountTotal>{uv.shape[1]}</ChannelSampleCountTotal><Resolution units="uVperLsb">1</Resolution>{leads}
</StripData></CardiologyXML>""".encode()


CLINICAL_FILES: dict[str, Callable[[Uv], bytes]] = {
    "hl7.xml": hl7, "muse.xml": muse, "holter.edf": edf, "holter.ecg": ishne, "cart.scp": scp, "nihon.mwf": mfer,
    "philips.xml": philips, "mortara.xml": mortara, "kardia.json": kardia, "hand.atc": atc, "soft.xml": cardiosoft,
    "cart.dcm": dicom,
}  # fmt: skip
"""A writer for each file name; Contec's format, which has no place for a rate or unit, is written in its own test."""
