"""Rate, intervals and axes of an analysis as a FHIR R5 Observation, coded by LOINC and UCUM.

Its form is https://hl7.org/fhir/R5/observation.html, and its codes are those of LOINC's ECG measurements.
"""

from typing import Any

from beatssl.analysis.measurement import Measurement
from beatssl.analysis.result import USE, Analysis

_LOINC = "http://loinc.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_UNITS = {"ms": ("ms", "ms"), "1/min": ("/min", "/min"), "deg": ("°", "deg")}
"""As people read a unit, and as UCUM writes it."""

MEASURES = {
    "rate_bpm": ("8867-4", "Heart rate", ""),
    "pr_interval_global_ms": ("8625-6", "P-R Interval", ""),
    "qrs_duration_global_ms": ("8633-0", "QRS duration", ""),
    "qt_interval_global_ms": ("8634-8", "Q-T interval", ""),
    "qtc_bazett_global_ms": ("76635-2", "Q-T interval corrected based on Bazett formula", ""),
    "qtc_fridericia_global_ms": ("76634-5", "Q-T interval corrected based on Fridericia formula", ""),
    "qtc_framingham_global_ms": ("8636-3", "Q-T interval corrected", ", Framingham formula"),
    "qtc_hodges_global_ms": ("8636-3", "Q-T interval corrected", ", Hodges formula"),
    "p_axis_deg": ("8626-4", "P wave axis", ""),
    "qrs_axis_deg": ("8632-2", "QRS axis", ""),
    "t_axis_deg": ("8638-9", "T wave axis", ""),
}
"""What is stated: LOINC's code and name, and what the name leaves open."""


def observation(a: Analysis) -> dict[str, Any]:
    """The resource, ready for `json.dumps`. It names no patient and no time, as the analysis knows neither."""
    models = ", ".join(f"{one.kind} {one.weights_sha256[:12]}" for one in a.provenance.models)
    notes = [USE, *(flag.message for flag in a.flags)]
    return {
        "resourceType": "Observation",
        "identifier": [{"value": a.record.id}],
        "status": "preliminary",
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "procedure"}]}],
        "code": _coded("11524-6", "EKG study"),
        "note": [{"text": text} for text in notes],
        "method": {"text": f"Measured by beatssl {a.provenance.beatssl} (weights: {models}); medians over beats"},
        "component": [
            {"code": _coded(code, name, more)} | _value(a.intervals[measure])
            for measure, (code, name, more) in MEASURES.items()
        ],
    }


def _coded(code: str, name: str, more: str = "") -> dict[str, Any]:
    return {"coding": [{"system": _LOINC, "code": code, "display": name}], "text": name + more}


def _value(found: Measurement) -> dict[str, Any]:
    if found.value is None:
        absent = {"system": f"{_TERMINOLOGY}/data-absent-reason", "code": "unknown"}
        return {"dataAbsentReason": {"coding": [absent], "text": found.reason}}
    unit, code = _UNITS[found.unit]
    quantity = {"value": round(found.value, 1), "unit": unit, "system": "http://unitsofmeasure.org", "code": code}
    return {"valueQuantity": quantity}
