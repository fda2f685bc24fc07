"""Formats that ecgdatakit reads: aECG, MUSE, SCP-ECG, ISHNE, MFER, Philips, Mortara, Kardia's JSON."""

import re
import struct
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from beatssl.records.demographics import sex_of
from beatssl.records.formats.content import kind_of_content
from beatssl.records.formats.scp_repair import is_scp, repaired_scp
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording
from beatssl.records.units import UnitPolicy

NEEDS_FORMATS = 'clinical files are read through ecgdatakit (and DICOM through pydicom): pip install "beatssl[formats]"'
ISHNE_MARK, MFER_MARK = b"ISHNE1.0", b"MFR "
_MFER_CHANNELS, _MFER_DATA, _MFER_ATTRIBUTE = 0x05, 0x1E, 0x3F  # tags
_LEAD_FAULT = -32768  # ISHNE's sample for a lead that was off
_INCREMENT = re.compile(rb"<(?:\w+:)?increment\b[^>]*>")
_VALUE, _UNIT = re.compile(rb'\bvalue="([^"]*)"'), re.compile(rb'\bunit="([^"]*)"')
_SECONDS = {b"s": 1.0, b"ms": 1e-3, b"us": 1e-6, b"": 1.0}
_PHILIPS_PLAIN = re.compile(rb"<parsedwaveforms(?![^>]*compress)[^>]*>([^<]*)<", re.IGNORECASE)  # Base64 of 16 bits
_RATES_HZ = (20.0, 100_000.0)


def read_kit(content: bytes, where: str, policy: UnitPolicy, fs_hz_override: float | None = None) -> Recording:
    """The file that `content` is, by ecgdatakit, its leads in mV.

    A section of an SCP file that is damaged and not needed for the samples is left out and named in
    `metadata["damaged_sections"]`. What ecgdatakit merely warns of, but spoils a record, is an error here.

    Raises `RecordError`: "unreadable" (what was expected and found), "truncated", "checksum", "unit",
    "sampling-rate" (an aECG whose time increment no ECG has, unless the rate is overridden).
    """
    metadata: dict[str, Any] = {}
    if is_scp(content):
        content, damaged = repaired_scp(content, where)
        if damaged:
            metadata["damaged_sections"] = ", ".join(map(str, damaged))
    elif content.startswith(ISHNE_MARK):
        content, metadata["trailing"] = _ishne_as_stated(content, where)
    elif content[2:6] == MFER_MARK:
        _check_mfer(content, where)
    elif b"AnnotatedECG" in content[:4096]:
        stated_hz = _stated_hz(content)
        if fs_hz_override is None:
            _check_rate(stated_hz, where)
        else:
            content, metadata["fs_overridden_from_hz"] = _at_rate(content, fs_hz_override), stated_hz
    parsed = _parse(content, where, policy)
    if plain := _PHILIPS_PLAIN.search(content):
        samples = sum(len(lead.samples) for lead in parsed.leads)
        metadata["trailing"] = len(re.sub(rb"\s", b"", plain[1])) * 3 // 8 > samples + 8
    return Recording(
        parsed.source_format,
        _channels(parsed, where),
        _person(parsed.patient),
        _metadata(parsed) | {key: value for key, value in metadata.items() if value},
    )


def _check_mfer(content: bytes, where: str) -> None:
    """That a file states its number of channels (tag 5): ecgdatakit takes it for one where it does not."""
    at = 0
    while at + 2 <= len(content):
        tag, at = content[at], at + 1
        if tag == _MFER_CHANNELS:
            return
        if tag == _MFER_ATTRIBUTE:  # the number of the channel follows, in seven bits a byte
            while at < len(content) and content[at] & 0x80:
                at += 1
            at += 1
        if tag == _MFER_DATA or at >= len(content):
            break
        size, at = content[at], at + 1
        if size & 0x80:
            wide = size & 0x7F
            size, at = int.from_bytes(content[at : at + wide], "big"), at + wide
        at += size
    raise RecordError(
        "unreadable", f"{where}: an MFER file that does not state its number of channels before its samples"
    )


def _ishne_as_stated(content: bytes, where: str) -> tuple[bytes, bool]:
    """The file up to the samples that its header states, and whether more follows."""
    if len(content) < 522:
        raise RecordError("truncated", f"{where}: an ISHNE file of {len(content)} bytes; its header alone has 522")
    samples, _, start = struct.unpack_from("<3i", content, 14)
    (leads,) = struct.unpack_from("<h", content, 156)
    if not 1 <= leads <= 12 or samples < 1 or start < 522:
        raise RecordError(
            "unreadable",
            f"{where}: an ISHNE header of {leads} leads with {samples} samples from byte {start}; expected 1 to 12",
        )
    held = (len(content) - start) // (2 * leads)
    if held < samples:
        raise RecordError("truncated", f"{where}: its header says {samples} samples a lead, it holds {max(held, 0)}")
    end = start + 2 * leads * samples
    return content[:end], len(content) > end


def _stated_hz(content: bytes) -> float:
    """The rate that the first time increment of an aECG states; NaN where it is no number."""
    tag = _INCREMENT.search(content)
    value, unit = (_VALUE.search(tag[0]), _UNIT.search(tag[0])) if tag else (None, None)
    try:
        return 1 / (float(value[1]) * _SECONDS[unit[1] if unit else b""]) if value else float("nan")
    except (ValueError, KeyError, ZeroDivisionError):
        return float("nan")


def _at_rate(content: bytes, fs_hz: float) -> bytes:
    """The aECG with this rate's increment in the place of all of its own."""
    increment = b'value="%.12g"' % (1 / fs_hz)
    return _INCREMENT.sub(lambda tag: _UNIT.sub(b'unit="s"', _VALUE.sub(increment, tag[0])), content)


def _check_rate(stated_hz: float, where: str) -> None:
    if stated_hz < _RATES_HZ[0] or stated_hz > _RATES_HZ[1]:  # what is no number, ecgdatakit refuses
        meant = f"; were ms meant, it is {1000 * stated_hz:g} Hz" if stated_hz < _RATES_HZ[0] else ""
        raise RecordError(
            "sampling-rate",
            f"{where}: states a time increment of {1 / stated_hz:g} s ({stated_hz:g} Hz), which no ECG has{meant}; "
            "pass the true rate as fs_hz_override=",
        )


def _parse(content: bytes, where: str, policy: UnitPolicy) -> Any:
    try:
        import ecgdatakit  # an extra
    except ImportError:
        raise RecordError("unreadable", f"{where}: {NEEDS_FORMATS}") from None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        path = Path(folder, "ecg")  # its parsers go by content
        path.write_bytes(content)
        try:
            parsed: Any = ecgdatakit.FileParser.parse(path)
        except ImportError:
            raise RecordError("unreadable", f"{where}: {NEEDS_FORMATS}") from None
        # From here on only what cannot quote the file is given.
        except ecgdatakit.UnsupportedFormatError as error:
            raise RecordError("unreadable", f"{where}: {_unsupported(content, str(error))}") from None
        except Exception as error:
            reason, found = _failure(str(error))
            raise RecordError(reason, f"{where}: {found} ({type(error).__name__} of ecgdatakit)") from None
    if any(issubclass(warning.category, ecgdatakit.ChecksumWarning) for warning in heard):
        raise RecordError("checksum", f"{where}: its checksum does not fit its content; export it again")
    if any("truncated" in str(warning.message) for warning in heard):
        raise RecordError("truncated", f"{where}: holds less than its header says; export it again")
    if parsed.raw_metadata.get("scale_warning") and policy.missing != "assume":
        raise RecordError(
            "unit", f"{where}: states no amplitude scale; pass no_unit='assume' to take ecgdatakit's guess"
        )
    return parsed


def _unsupported(content: bytes, message: str) -> str:
    if match := re.search(r"type (\w+)ECG", message):
        return f"a document of type {match[1]}ECG, where the XML of a Philips recorder says SierraECG or PhilipsECG"
    head = content[:4096]
    if b"<" in head and re.match(rb"\s*(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*<", head):
        return "XML of no ECG format that is known; aECG, MUSE, Philips, Mortara and CardioSoft are read"
    return (
        "no file of any known ECG format: expected the first bytes of DICOM, SCP-ECG (a record size and section 0), "
        f"ISHNE, EDF, MFER or XML, found {kind_of_content(head)}"
    )


_FAILURES = (
    ("holds no samples", "unreadable", "its leads hold no sample"),
    ("No rhythm series", "unreadable", "an aECG without any rhythm series: expected one with leads, found none"),
    ("time increment", "sampling-rate", "states no time increment; pass the true rate as fs_hz_override="),
    ("truncated", "truncated", "holds less than its header says"),
    ("too short", "truncated", "holds less than its header says"),
    ("overrun", "truncated", "a length in its header leads beyond its end"),
)


def _failure(message: str) -> tuple[Any, str]:
    """A reason and what was found, for an error message that may quote the file."""
    for mark, reason, found in _FAILURES:
        if mark in message:
            return reason, found
    return "unreadable", "damaged: its content does not follow its format"


def _channels(parsed: Any, where: str) -> tuple[Channel, ...]:
    leads = [lead for lead in parsed.leads if len(lead.samples)]
    if not leads:
        raise RecordError("unreadable", f"{where}: a file of format {parsed.source_format} without any lead in it")
    fault = parsed.source_format == "ishne_holter"
    return tuple(
        Channel(
            lead.label,
            _without_fault(lead) if fault else np.asarray(lead.samples),
            _rate(parsed.raw_metadata, lead),
            "mV" if lead.units == "mV" and not lead.is_raw else lead.units or "no unit",
        )
        for lead in leads
    )


def _without_fault(lead: Any) -> Float64[np.ndarray, " time"]:
    step_mv = lead.resolution / 1000  # resolution: µV a unit
    return np.where(lead.samples < (_LEAD_FAULT + 0.5) * step_mv, np.nan, lead.samples)


def _rate(raw: dict[str, Any], lead: Any) -> float:
    """The exact rate: ecgdatakit rounds the leads' own to whole hertz and keeps the file's beside it."""
    return float(raw.get("rhythm_time", {}).get("sampling_rate_exact") or lead.sampling_rate)  # HL7


def _person(person: Any) -> Person:
    names = tuple(text.strip() for text in (person.first_name, person.last_name) if text.strip())
    birth = person.birth_date.date().isoformat() if person.birth_date else ""
    age = person.age if person.age is not None else None
    return Person(person.patient_id.strip(), names, birth, None if age is None else float(age), sex_of(person.sex))


def _metadata(parsed: Any) -> dict[str, Any]:
    """The whitelist: numbers of the recording. Free text of any kind may name someone and stays out."""
    filters = parsed.recording.acquisition.filters
    found = {
        "highpass_hz": filters.highpass,
        "lowpass_hz": filters.lowpass,
        "notch_hz": filters.notch,
        "pacemaker": parsed.patient.has_pacemaker,
    }
    return {key: value for key, value in found.items() if value is not None and (value or key == "pacemaker")}
