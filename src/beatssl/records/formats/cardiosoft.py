"""CardioSoft XML (GE): the continuous strip of a resting ECG."""

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np

from beatssl.records.demographics import age_of, sex_of
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording

_ENCODING = re.compile(r'encoding="[^"]*"')
_DECIMAL = re.compile(r"\s*\d{1,9}(?:\.\d{1,9})?\s*", re.ASCII)
_INTEGER = re.compile(r"\s*[+-]?\d{1,9}\s*", re.ASCII)


def read_cardiosoft(content: bytes, where: str) -> Recording:
    """The leads of `StripData`; the median beats beside it are not read.

    Raises `RecordError`: "unreadable" (what was expected and found), "truncated".
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = _ENCODING.sub("", content.decode("utf-16", "replace"), count=1).encode()
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content or b"\0" in content[:256]:
        raise RecordError("unreadable", f"{where}: XML that defines entities, which no recorder writes")
    try:
        root = ElementTree.fromstring(content.replace(b'encoding="ISO8859-1"', b'encoding="ISO-8859-1"', 1))
    except (ElementTree.ParseError, ValueError, LookupError):
        raise RecordError("unreadable", f"{where}: CardioSoft XML that breaks off or is damaged") from None
    strip = root.find(".//StripData")
    if strip is None:
        raise RecordError("unreadable", f"{where}: CardioSoft XML without StripData, which holds the recorded leads")
    fs_hz = _number(strip, "SampleRate", "Hz", where)
    step_uv = _number(strip, "Resolution", "uVperLsb", where)
    samples = _number(strip, "ChannelSampleCountTotal", None, where)
    stated, found = _number(strip, "NumberOfLeads", None, where), list(strip.iter("WaveformData"))
    if len(found) != stated:
        raise RecordError("truncated", f"{where}: its StripData holds {len(found)} leads, {stated:g} are stated")
    channels = tuple(
        Channel(str(data.get("lead") or ""), _samples(data, samples, where) * step_uv, fs_hz, "uV") for data in found
    )
    return Recording("cardiosoft", channels, _person(root))


def _number(strip: Any, name: str, unit: str | None, where: str) -> float:
    found = strip.find(name)
    if found is not None and unit in (None, found.get("units")) and _DECIMAL.fullmatch(found.text or ""):
        value = float(found.text)
        if value > 0:
            return value
    raise RecordError(
        "unreadable", f"{where}: expected {name} as a number{f' in {unit}' if unit else ''}, found no such number"
    )


def _samples(data: Any, expected: float, where: str) -> Any:
    texts = (data.text or "").split(",")
    if not texts[-1].strip():
        texts.pop()  # a comma may follow the last
    if not all(_INTEGER.fullmatch(text) for text in texts):
        raise RecordError("unreadable", f"{where}: a lead holds something else than whole numbers")
    if len(texts) != expected:
        raise RecordError("truncated", f"{where}: a lead holds {len(texts)} samples, {expected:g} are stated")
    return np.array(texts, np.int64).astype(np.float64)


def _person(root: Any) -> Person:
    patient = root.find(".//PatientInfo")
    if patient is None:
        return Person()
    names = tuple(
        text for name in ("GivenName", "FamilyName") if (text := (patient.findtext(f".//{name}") or "").strip())
    )
    born = [(patient.findtext(f".//BirthDateTime/{part}") or "").strip() for part in ("Year", "Month", "Day")]
    birth = (
        "-".join(part.zfill(2) for part in born) if all(part.isdigit() for part in born) and len(born[0]) == 4 else ""
    )
    age = patient.find(".//Age")
    return Person(
        number=(patient.findtext(".//PID") or "").strip(),
        names=names,
        birth_date=birth,
        age_years=age_of(age.text or "") if age is not None and age.get("units", "years") == "years" else None,
        sex=sex_of(patient.findtext(".//Gender") or ""),
    )
