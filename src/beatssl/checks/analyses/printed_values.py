"""Measurements that a recording machine printed, as its file holds them: rate, intervals and axes."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

PRINTED = {
    "rate_bpm": ("ventricularrate", "heartrate", "mdc_ecg_heart_rate"),
    "rr_ms": ("rrint", "rrinterval", "meanrrint", "rr interval"),
    "pr_ms": ("printerval", "pqinterval", "meanprint", "print", "mdc_ecg_time_pd_pr", "pr interval"),
    "qrs_ms": ("qrsduration", "meanqrsdur", "qrsdur", "mdc_ecg_time_pd_qrs", "qrs duration"),
    "qt_ms": ("qtinterval", "meanqtint", "qtint", "mdc_ecg_time_pd_qt", "qt interval"),
    "p_axis_deg": ("paxis", "pfrontaxis", "mdc_ecg_angle_p_front", "p axis"),
    "qrs_axis_deg": ("raxis", "qrsfrontaxis", "mdc_ecg_angle_qrs_front", "qrs axis"),
    "t_axis_deg": ("taxis", "tfrontaxis", "mdc_ecg_angle_t_front", "t axis"),
    "qtc_ms": ("qtcorrected", "qtcinterval", "meanqtc", "qtcb", "mdc_ecg_time_pd_qtc", "qtc interval"),
}
"""Names of MUSE, CardioSoft, Philips, aECG and DICOM for each measure, in small letters; QTc is Bazett's in all."""

_GLOBAL = ("restingecgmeasurements", "interpretation")
"""Elements of MUSE, CardioSoft and Philips whose values are of the whole record."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def printed_values(path: Path) -> dict[str, float]:
    """The values by the names of `PRINTED`; empty for a file of another format, or one that holds none.

    The rate is 60,000 over the RR interval where the file holds this alone. Zero intervals and rates are none.
    """
    suffix = path.suffix.lower()
    named = dict(_of_dicom(path) if suffix == ".dcm" else _of_xml(path) if suffix == ".xml" else ())
    found: dict[str, float] = {}
    for measure, names in PRINTED.items():
        value = next((named[name] for name in names if name in named), None)
        if value is not None and (value or measure.endswith("deg")):
            found[measure] = value
    if "rate_bpm" not in found and "rr_ms" in found:
        found["rate_bpm"] = 60_000 / found["rr_ms"]
    return found


def _of_dicom(path: Path) -> Iterator[tuple[str, float]]:
    import pydicom

    for one in pydicom.dcmread(path).get("WaveformAnnotationSequence", ()):
        if "NumericValue" in one and one.get("ConceptNameCodeSequence"):
            yield str(one.ConceptNameCodeSequence[0].CodeMeaning).lower(), float(one.NumericValue)


def _of_xml(path: Path) -> Iterator[tuple[str, float]]:
    """Elements of the first part that holds values of the whole record; of aECG, the first value of each code."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError):
        return
    parts = [one for one in root.iter() if _tag(one) in _GLOBAL]
    seen: dict[str, float] = {}
    for one in (inner for part in parts or [root] for inner in part.iter()):
        name, text = _coded(one) or (_tag(one), one.text or "")
        if name not in seen and _NUMBER.fullmatch(text.strip()):
            seen[name] = float(text)
    yield from seen.items()


def _coded(element: ElementTree.Element) -> tuple[str, str] | None:
    """Code and value of an aECG annotation: <code code="…"/> with <value value="…"/> beside it."""
    children: Mapping[str, ElementTree.Element] = {_tag(one): one for one in element}
    if "code" in children and "value" in children:
        return children["code"].get("code", "").lower(), children["value"].get("value", "")
    return None


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()
