"""Intervals, axes and amplitudes of a record as measurements: a value with its spread, or why there is none."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64

from beatssl.analysis.examine import AMPLITUDES
from beatssl.analysis.measurement import Measurement, not_determinable
from beatssl.features.wave_intervals import DEFINITIONS, WaveMeasures, summary
from beatssl.signals.leads import LEADS

LEAST_SHARE = 0.5
"""An interval is stated where its waves are found in this share of the beats, at least."""

_MINUTE_S = 60.0
_QUARTERS = np.array([0.25, 0.5, 0.75])
_WAVE_OF = {"p": 0, "pr": 0, "qrs": 1, "qt": 2, "qtc": 2, "t": 2}
_WAVES = ("P", "QRS", "T")


def measured_intervals(
    measures: WaveMeasures,
    beat_s: Float64[np.ndarray, " beat"],
    rr_s: Float64[np.ndarray, " beat"],
    duration_s: float,
    leads: Sequence[str],
    as_found: WaveMeasures,
) -> dict[str, Measurement]:
    """Every measure of `features.wave_intervals`, by name. QT is corrected with the median RR interval of its minute
    (of a record up to a minute and a half: of all). `as_found`: the measures before P waves in fibrillation were left
    out."""
    known = np.isfinite(rr_s)
    minutes = _Minutes(beat_s[known], rr_s[known], duration_s)
    table = summary(measures, rr_s[known], minutes.rr_of)
    there, found_p = _visible(measures), _visible(as_found)["P"]
    limb = sum(name in LEADS[:6] for name in leads)
    out: dict[str, Measurement] = {}
    for name, (value, spread, count) in table.items():
        definition = DEFINITIONS[name]
        reason = _reason(name, there, len(measures.r_s), int(known.sum()), limb, float(value), found_p - there["P"])
        if reason:
            out[name] = not_determinable(definition.unit, reason, int(count))
        else:
            out[name] = Measurement(float(value), definition.unit, float(spread), int(count))
    return out


def lead_measurements(
    amplitude_mv: Float32[np.ndarray, "beat lead 4"], leads: Sequence[str]
) -> dict[str, dict[str, Measurement]]:
    """ST level, T, R and S of each lead: median over the beats."""
    ordered = np.sort(amplitude_mv.astype(np.float64), axis=0)  # NaN last
    counts = np.isfinite(ordered).sum(axis=0)
    out: dict[str, dict[str, Measurement]] = {}
    for number, lead in enumerate(leads):
        if not lead:
            continue
        own: dict[str, Measurement] = {}
        for place, name in enumerate(AMPLITUDES):
            count = int(counts[number, place])
            if not count or count < LEAST_SHARE * len(amplitude_mv):
                because = f"it can be measured in {count} of {len(amplitude_mv)} beats"
                own[name] = not_determinable("mV", because, count)
                continue
            low, middle, high = np.interp(_QUARTERS * (count - 1), np.arange(count), ordered[:count, number, place])
            own[name] = Measurement(float(middle), "mV", float(high - low), count)
        out[lead] = own
    return out


def _visible(measures: WaveMeasures) -> Mapping[str, int]:
    """Beats whose interval over the leads has both of its boundaries, by wave."""
    over = measures.over_leads
    onset = np.isfinite(over.qrs_onset_s)
    ends: dict[str, Bool[np.ndarray, " beat"]] = {
        "P": np.isfinite(over.p_onset_s) & onset & (measures.share[:, 0] >= LEAST_SHARE),
        "QRS": onset & np.isfinite(over.qrs_offset_s),
        "T": onset & np.isfinite(over.t_offset_s) & (measures.share[:, 2] >= LEAST_SHARE),
    }
    return {name: int(there.sum()) for name, there in ends.items()}


def _reason(name: str, there: Mapping[str, int], beats: int, intervals: int, limb: int, value: float, no_p: int) -> str:
    """Why a measure has no value, or ""."""
    if name == "rate_bpm":
        return "" if np.isfinite(value) else f"it takes two beats ({beats} found)"
    if not beats:
        return "no beats were found"
    wave = _WAVES[_WAVE_OF[name.split("_")[0]]]
    if there[wave] < LEAST_SHARE * beats:
        if wave == "P" and there["P"] + no_p >= LEAST_SHARE * beats:
            return f"the waves before {no_p} of {beats} beats are no P: the rhythm is atrial fibrillation or flutter"
        whole = {"P": "a P wave", "QRS": "a whole QRS complex", "T": "the end of a T wave"}[wave]
        return f"most leads show {whole} in only {there[wave]} of {beats} beats"
    if name.endswith("axis_deg") and limb < 2:
        return f"it takes two limb leads ({limb} recorded)"
    if name.startswith("qtc") and not intervals:
        return f"it takes an RR interval ({beats} beat found)"
    return "" if np.isfinite(value) else "its boundaries lie beyond what was measured"


class _Minutes:
    """The median RR interval of each minute."""

    def __init__(self, beat_s: Float64[np.ndarray, " beat"], rr_s: Float64[np.ndarray, " beat"], duration_s: float):
        self.count = max(1, round(duration_s / _MINUTE_S))
        minute = self._minute(beat_s)
        whole = float(np.median(rr_s)) if len(rr_s) else np.nan
        of_minutes = np.split(rr_s, np.searchsorted(minute, np.arange(1, self.count)))
        self.rr_s = np.array([np.median(of) if len(of) else whole for of in of_minutes])

    def rr_of(self, times_s: Float64[np.ndarray, " time"]) -> Float64[np.ndarray, " time"]:
        """The interval that the QT of beats at these times is corrected by."""
        return self.rr_s[self._minute(times_s)]

    def _minute(self, times_s: Float64[np.ndarray, " time"]) -> np.ndarray:
        return np.clip((times_s // _MINUTE_S).astype(np.int64), 0, self.count - 1)
