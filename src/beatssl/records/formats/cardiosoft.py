"""CardioSoft XML (GE): the continuous strip of a resting ECG."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np

from beatssl.records.demographics import age_of, sex_of
from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Person, Recording


def read_cardiosoft(content: bytes, where: str) -> Recording:
    """The leads of `StripData`; the median beats beside it are not read.

    Raises `RecordError`: "unreadable" (what was expected and found), "truncated".
    """
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
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
    channels = tuple(
        Channel(str(data.get("lead") or ""), _samples(data, samples, where) * step_uv, fs_hz, "uV")
        for data in strip.iter("WaveformData")
    )
    if not channels:
        raise RecordError("unreadable", f"{where}: its StripData holds no lead")
    return Recording("cardiosoft", channels, _person(root))


def _number(strip: Any, name: str, unit: str | None, where: str) -> float:
    found = strip.find(name)
    try:
        value = float(found.text)
        if np.isfinite(value) and value > 0 and unit in (None, found.get("units")):
            return value
    except (AttributeError, TypeError, ValueError):
        pass
    raise RecordError("unreadable", f"{where}: expected {name} as a number{f' in {unit}' if unit else ''}, found none")


def _samples(data: Any, expected: float, where: str) -> Any:
    try:
        values = np.array([float(text) for text in (data.text or "").split(",") if text.strip()])
    except ValueError:
        raise RecordError("unreadable", f"{where}: a lead holds something else than numbers") from None
    if len(values) != expected:
        raise RecordError("truncated", f"{where}: a lead holds {len(values)} samples, {expected:g} are stated")
    return values


def _person(root: Any) -> Person:
    patient = root.find(".//PatientInfo")
    if patient is None:
        return Person()
    names = tuple(text for name in ("GivenName", "FamilyName") if (text := (patient.findtext(f".//{name}") or "").strip()))
    born = [(patient.findtext(f".//BirthDateTime/{part}") or "").strip() for part in ("Year", "Month", "Day")]
    birth = "-".join(part.zfill(2) for part in born) if all(part.isdigit() for part in born) and len(born[0]) == 4 else ""
    return Person(
        (patient.findtext(".//PID") or "").strip(), names, birth, age_of(patient.findtext(".//Age") or ""),
        sex_of(patient.findtext(".//Gender") or ""),
    )  # fmt: skip
