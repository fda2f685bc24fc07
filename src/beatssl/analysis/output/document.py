"""The JSON form of an analysis, its JSON Schema, and its table of beats."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from beatssl.analysis.result import FORMAT_VERSION, Analysis, Beats, LeadQuality
from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.global_beats import GlobalBeats
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features.intervals import measure
from beatssl.results import to_json
from beatssl.signals.waves import WAVE_CLASSES

SCHEMA = "analysis.schema.json"
_TIME_DIGITS, _SHARE_DIGITS = 4, 3  # a tenth of a millisecond
_BOUNDARIES = tuple(one.name for one in fields(GlobalBeats))
_INTERVALS = ("pr_interval_ms", "qrs_duration_ms", "qt_interval_ms")


@lru_cache(maxsize=1)
def analysis_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `Analysis.to_dict`."""
    return json.loads(files("beatssl.analysis.output").joinpath(SCHEMA).read_text(encoding="utf-8"))


def document(a: Analysis, waves: bool, embeddings: bool) -> dict[str, Any]:
    """The analysis as JSON takes it; times in seconds to a tenth of a millisecond."""
    out: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "use": a.use,
        "record": to_json(a.record),
        "flags": to_json(a.flags),
        "rhythm": to_json(a.rhythm),
        "intervals": to_json(a.intervals),
        "leads": to_json(a.lead_measures),
        "diagnoses": to_json(replace(a.diagnoses, statements=())) | {
            "statements": [to_json(one) | {"above_threshold": one.above} for one in a.diagnoses.statements]
        },
        "quality": {"score": round(a.quality.score, 3), "leads": [_quality(lead) for lead in a.quality.leads]},
        "beats": _lines(_beat_columns(a.beats)),
        "waves": _lines(_wave_columns(a)) if waves else None,
        "embeddings": to_json(a.embeddings) if embeddings else None,
        "similar": to_json(a.similar),
        "provenance": to_json(a.provenance),
    }  # fmt: skip
    return out


def beat_frame(a: Analysis) -> "pd.DataFrame":
    """A line a beat; NaN where a boundary was not found."""
    beats = a.beats
    columns: dict[str, Any] = {"time_s": beats.time_s, "rr_s": beats.rr_s, "class": list(beats.labels)}
    columns |= {f"class_p_{name}": beats.class_probability[:, at] for at, name in enumerate(CLASSES)}
    columns |= {"lead_share": beats.lead_share, "p_share": beats.p_share, "t_share": beats.t_share}
    columns |= {"r_confidence": beats.r_confidence}
    columns |= {name: getattr(beats.marks, name) for name in _BOUNDARIES}
    relative = Fiducials(*((getattr(beats.marks, name) - beats.time_s).astype(np.float32) for name in _BOUNDARIES))
    found = measure(relative, beats.rr_s.astype(np.float32))
    return pd.DataFrame(columns | {name: found[name] for name in _INTERVALS})


def _beat_columns(beats: Beats) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {
        "time_s": _rounded(beats.time_s, _TIME_DIGITS),
        "rr_s": _rounded(beats.rr_s, _TIME_DIGITS),
        "class": [name or None for name in beats.labels],
        "confidence": _rounded(beats.confidence, _SHARE_DIGITS),
        "lead_share": _rounded(beats.lead_share, _SHARE_DIGITS),
        "r_confidence": _rounded(beats.r_confidence, _SHARE_DIGITS),
        "has_p": np.isfinite(beats.marks.p_peak_s).tolist(),
        "p_share": _rounded(beats.p_share, _SHARE_DIGITS),
        "has_t": np.isfinite(beats.marks.t_peak_s).tolist(),
        "t_share": _rounded(beats.t_share, _SHARE_DIGITS),
    }
    return columns | {name: _rounded(getattr(beats.marks, name), _TIME_DIGITS) for name in _BOUNDARIES}


def _wave_columns(a: Analysis) -> dict[str, Sequence[Any]]:
    waves = a.waves
    columns: dict[str, Sequence[Any]] = {
        "lead": [waves.leads[lead] for lead in waves.lead.tolist()],
        "wave": [WAVE_CLASSES[wave] for wave in waves.wave.tolist()],
    }
    columns |= {name: _rounded(getattr(waves, name), _TIME_DIGITS) for name in ("onset_s", "peak_s", "offset_s")}
    sure = ("onset_confidence", "offset_confidence", "confidence")
    return columns | {name: _rounded(getattr(waves, name), _SHARE_DIGITS) for name in sure}


def _quality(lead: LeadQuality) -> dict[str, Any]:
    seconds = _rounded(lead.seconds, 2)
    return {"lead": lead.lead, "score": round(lead.score, 3), "flags": list(lead.flags), "seconds": seconds}


def _lines(columns: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, line, strict=True)) for line in zip(*columns.values(), strict=True)]


def _rounded(values: Float[np.ndarray, " value"], digits: int) -> list[float | None]:
    """Numbers as JSON takes them, NaN as None."""
    rounded = np.round(values.astype(np.float64), digits)
    return [value if known else None for value, known in zip(rounded.tolist(), np.isfinite(rounded), strict=True)]
