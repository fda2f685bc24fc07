"""Intervals, rate and axes of a record from the waves of its single leads: median over leads and beats, with spread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.decoding.wave_decoding import Waves
from beatssl.beats.global_beats import SAME_WAVE_S, GlobalBeats, global_beats
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features import intervals
from beatssl.features.definition import Definition
from beatssl.features.vcg_loop import frontal_axis_deg
from beatssl.signals.leads import LEADS, to_twelve
from beatssl.signals.matching import match_times
from beatssl.signals.waves import WAVE_CLASSES

_OF_BEATS = (
    "p_duration_ms", "pr_interval_ms", "qrs_duration_ms", "qt_interval_ms", "qtc_bazett_ms", "qtc_fridericia_ms",
    "qtc_framingham_ms", "qtc_hodges_ms",
)  # fmt: skip
_AXES = {"p_axis_deg": ("p_onset_s", "p_offset_s"), "qrs_axis_deg": ("qrs_onset_s", "qrs_offset_s"),
         "t_axis_deg": ("t_onset_s", "t_offset_s")}  # fmt: skip


def global_name(name: str) -> str:
    """Name of an interval over the leads together: "qrs_duration_global_ms" for "qrs_duration_ms"."""
    return f"{name.removesuffix('_ms')}_global_ms"


DEFINITIONS = (
    {"rate_bpm": Definition("1/min", "60 over the median RR interval, R where most leads have a QRS.")}
    | {name: intervals.DEFINITIONS[name] for name in _OF_BEATS}
    | {
        global_name(name): Definition(
            "ms", f"{intervals.DEFINITIONS[name].text.removesuffix('.')}, over the leads together."
        )
        for name in _OF_BEATS
    }
    | {
        f"{wave}_axis_deg": Definition("deg", f"{text} axis in the frontal plane, from net areas of I and aVF.")
        for wave, text in (("p", "P"), ("qrs", "QRS"), ("t", "T"))
    }
)
"""Every measure: its unit and what it is. QT is corrected with the record's median RR interval."""

_LEVEL_S = (-0.024, -0.004)  # before the QRS onset: the level that areas are taken from
_LEAST_SHARE = 0.5  # of the leads that have QRS complexes: fewer are no beat of the record
_QUARTERS = np.array([0.25, 0.5, 0.75])
_AREA_HZ = 400.0  # points of a wave that its area is taken over
_SAME_BEAT_S = 0.15  # between R as found elsewhere and the middle of the leads' QRS
_FARTHEST_P_S = 0.45  # before R: an earlier P is not of the beat (AV block)
_APART_S = 10.0  # between leads on one time axis: more than any wave reaches


@dataclass(frozen=True, slots=True)
class WaveMeasures:
    """What `measure_waves` reads off the waves of a record, or of a part of one, before any median is taken."""

    r_s: Float64[np.ndarray, " beat"]
    """The beats, R where most leads have a QRS."""
    over_leads: GlobalBeats
    """Boundaries of each of these beats over the leads together, NaN where no lead has the wave."""
    share: Float32[np.ndarray, "beat 3"]
    """Share of the beat's leads (those with a QRS) in which P, QRS and T were found."""
    lead_r_s: Float64[np.ndarray, " lead_beat"]
    within: Fiducials
    """Boundaries of every beat of every lead by that lead alone, from its own R in `lead_r_s`."""
    net: Float64[np.ndarray, "beat 3 2"]
    """Net areas of P, QRS and T in I and aVF; NaN where not measurable."""

    @classmethod
    def joined(cls, parts: Sequence["WaveMeasures"]) -> "WaveMeasures":
        """Those of consecutive parts of a record as one."""
        names = [field.name for field in fields(GlobalBeats)]
        over = {name: np.concatenate([getattr(part.over_leads, name) for part in parts]) for name in names}
        within = {name: np.concatenate([getattr(part.within, name) for part in parts]) for name in _TIMES}
        rest = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("r_s", "share", "lead_r_s", "net")
        }
        return cls(over_leads=GlobalBeats(**over), within=Fiducials(**within), **rest)

    def part(self, start_s: float, stop_s: float, shift_s: float) -> "WaveMeasures":
        """The beats from `start_s` to before `stop_s`, all times moved by `shift_s`."""
        beat = (self.r_s >= start_s) & (self.r_s < stop_s)
        lead_beat = (self.lead_r_s >= start_s) & (self.lead_r_s < stop_s)
        over = {field.name: getattr(self.over_leads, field.name)[beat] + shift_s for field in fields(GlobalBeats)}
        within = {name: getattr(self.within, name)[lead_beat] for name in _TIMES}
        return WaveMeasures(
            self.r_s[beat] + shift_s, GlobalBeats(**over), self.share[beat], self.lead_r_s[lead_beat] + shift_s,
            Fiducials(**within), self.net[beat],
        )  # fmt: skip

    def of_beats(self, rr_s: Float32[np.ndarray, " beat"]) -> dict[str, Float32[np.ndarray, " beat"]]:
        """Intervals of every beat over the leads together, named as `intervals.DEFINITIONS`; QT is corrected with
        `rr_s`."""
        return intervals.measure(_from_r(self.over_leads, self.r_s), rr_s)


def wave_intervals(
    waves: "pd.DataFrame",
    ecg_mv: Float32[np.ndarray, "lead time"] | None = None,
    leads: Sequence[str] = LEADS,
    fs_hz: float = 100.0,
) -> "pd.DataFrame":
    """Measures of one record, from its decoded waves and, for the axes, its signal.

    Intervals are taken within each lead, from that lead's own boundaries, and pooled: the value is the median over all
    beats of all leads. Those called `…_global_ms` are taken over the leads together, as recorders print them: in each
    beat from the onset by which a quarter of its leads have begun to the offset after which a quarter still go on, so
    that one lead's outlying boundary moves nothing; the value is the median over beats. They are longer than within a
    lead, by 10 to 20 ms for QRS and QT. A P that peaks more than 450 ms before R is none of the beat's: atria that beat
    on their own have no PR.

    Args:
        waves: a line a wave with `lead`, `wave`, `onset_s`, `peak_s`, `offset_s`, times from the signal's first sample.
        ecg_mv: the record's signal, NaN where missing; axes need leads that give I and aVF.
        leads: names of the signal's leads.
        fs_hz: the signal's sampling rate.

    Returns:
        A line for each of `DEFINITIONS`: `value` (median), `spread` (interquartile range), `count` (of lead-beats; of
        RR intervals for the rate, of beats for axes). NaN, and a count of 0, where it is not measurable.
    """
    measures = measure_waves(waves, ecg_mv, leads, fs_hz)
    return pd.DataFrame.from_dict(
        summary(measures, np.diff(measures.r_s)), orient="index", columns=["value", "spread", "count"]
    )


def measure_waves(
    waves: "pd.DataFrame | Waves",
    ecg_mv: Float32[np.ndarray, "lead time"] | None = None,
    leads: Sequence[str] = LEADS,
    fs_hz: float = 100.0,
    beats_s: Float64[np.ndarray, " some_beat"] | None = None,
) -> WaveMeasures:
    """Boundaries and areas of every beat; arguments as those of `wave_intervals`, the waves as arrays too.

    `beats_s`: R times of the beats that count, found by other means; a beat of the waves counts that is the nearest one
    to any of them and within 150 ms. None: those that at least half of the leads with QRS complexes have.
    """
    marks = _Marks.of(waves)
    beats = marks.beats()
    if beats_s is None:
        r_s = _common_beats(marks, beats.r_peak_s)
    else:
        r_s = beats.r_peak_s[match_times(beats_s, beats.r_peak_s, _SAME_BEAT_S)[1]]
    own = _LeadBeats.of(marks)
    over, share = own.over_leads(r_s)
    net = np.full((len(r_s), len(_AXES), 2), np.nan)
    if ecg_mv is not None and len(beats):
        limb_mv = to_twelve(ecg_mv, leads)[[LEADS.index("I"), LEADS.index("aVF")]]
        kept = np.isin(beats.r_peak_s, r_s)
        for number, ends in enumerate(_AXES.values()):
            net[:, number] = _net_areas(limb_mv, fs_hz, beats, kept, *ends)
    return WaveMeasures(r_s, over, share, own.marks.r_peak_s - own.shift_s, _from_r(own.marks, own.marks.r_peak_s), net)


def summary(
    measures: WaveMeasures,
    rr_s: Float64[np.ndarray, " interval"],
    corrected_by_s: Callable[[Float64[np.ndarray, " time"]], Float64[np.ndarray, " time"]] | None = None,
) -> dict[str, tuple[float, float, int]]:
    """The lines of `wave_intervals`, value, spread and count, from all beats and the RR intervals between them.

    `corrected_by_s` gives the RR interval by which the QT of beats at some times is corrected; None: the median of all.
    """
    median = np.float64(np.median(rr_s)) if rr_s.size else np.float64(np.nan)
    by_lead, by_beat = (
        np.full(len(times_s), median) if corrected_by_s is None else corrected_by_s(times_s)
        for times_s in (measures.lead_r_s, measures.r_s)
    )
    within = intervals.measure(measures.within, by_lead.astype(np.float32))
    together = measures.of_beats(by_beat.astype(np.float32))
    lines = {"rate_bpm": _summary(60 / rr_s)} | {name: _summary(within[name]) for name in _OF_BEATS}
    lines |= {global_name(name): _summary(together[name]) for name in _OF_BEATS}
    lines |= {name: _axis(measures.net[:, number]) for number, name in enumerate(_AXES)}
    return {name: lines[name] for name in DEFINITIONS}


class _Marks(NamedTuple):
    """A record's waves as arrays; `middle_s` is the peak, or the middle of what there is of a wave, always finite."""

    lead: Int64[np.ndarray, " wave"]
    wave: np.ndarray
    onset_s: Float64[np.ndarray, " wave"]
    middle_s: Float64[np.ndarray, " wave"]
    offset_s: Float64[np.ndarray, " wave"]

    @classmethod
    def of(cls, waves: "pd.DataFrame | Waves") -> "_Marks":
        if isinstance(waves, Waves):
            onset, peak, offset = waves.onset_s, waves.peak_s, waves.offset_s
            lead = np.unique(waves.lead, return_inverse=True)[1]
            wave = np.array(WAVE_CLASSES)[waves.kind]
        else:
            onset, peak, offset = (waves[name].to_numpy(np.float64) for name in ("onset_s", "peak_s", "offset_s"))
            lead, wave = pd.factorize(waves["lead"])[0], waves["wave"].to_numpy(str)
        middle = np.where(np.isfinite(peak), peak, (np.fmax(onset, offset) + np.fmin(onset, offset)) / 2)
        return cls(lead, wave, onset, middle, offset).where(np.isfinite(middle))

    def where(self, which: Bool[np.ndarray, " wave"]) -> "_Marks":
        return _Marks(*(column[which] for column in self))

    def beats(self) -> GlobalBeats:
        return global_beats(self.wave.tolist(), self.onset_s, self.middle_s, self.offset_s)

    def apart(self) -> Float64[np.ndarray, " lead"]:
        """What to add to the times of each lead so that all leads follow one another on one axis, far apart."""
        leads = int(self.lead.max(initial=-1)) + 1
        first, last = float(self.middle_s.min(initial=0)), float(self.middle_s.max(initial=0))
        return np.arange(leads) * (last - first + 4 * _APART_S) - first


def _common_beats(marks: _Marks, r_s: Float64[np.ndarray, " beat"]) -> Float64[np.ndarray, " kept"]:
    """The beats that at least half of the leads with QRS complexes have."""
    qrs = marks.where(marks.wave == "QRS")
    shift_s = marks.apart()
    matched = match_times((shift_s[:, None] + r_s).ravel(), qrs.middle_s + shift_s[qrs.lead], SAME_WAVE_S)[0] % max(
        len(r_s), 1
    )
    votes = np.bincount(matched, minlength=len(r_s))
    return r_s[votes >= _LEAST_SHARE * len(np.unique(qrs.lead))]


class _LeadBeats(NamedTuple):
    """Every beat of every lead by that lead's own boundaries; all leads follow one another on one time axis."""

    lead: Int64[np.ndarray, " beat"]
    shift_s: Float64[np.ndarray, " beat"]  # to take off for times of the record
    marks: GlobalBeats

    @classmethod
    def of(cls, marks: _Marks) -> "_LeadBeats":
        """A QRS that is none stands before each lead, so that nothing of a lead counts for the next. A P more than
        450 ms before R is not of the beat."""
        shift_s = marks.apart()
        none, here = np.full(len(shift_s), np.nan), shift_s[marks.lead]
        before_s = shift_s + marks.middle_s.min(initial=0) - _APART_S
        beats = global_beats(
            ["QRS"] * len(shift_s) + marks.wave.tolist(),
            np.concatenate([none, marks.onset_s + here]),
            np.concatenate([before_s, marks.middle_s + here]),
            np.concatenate([none, marks.offset_s + here]),
        )
        real = ~np.isin(beats.r_peak_s, before_s)
        lead = np.searchsorted(before_s, beats.r_peak_s[real]) - 1
        own = GlobalBeats(*(getattr(beats, name)[real] for name in _TIMES))
        far = own.r_peak_s - own.p_peak_s > _FARTHEST_P_S
        for times_s in (own.p_onset_s, own.p_peak_s, own.p_offset_s):
            times_s[far] = np.nan
        return cls(lead, shift_s[lead], own)

    def over_leads(self, r_s: Float64[np.ndarray, " beat"]) -> tuple[GlobalBeats, Float32[np.ndarray, "beat 3"]]:
        """Boundaries of the record's beats at `r_s` over their leads together, and in what share of these leads P, QRS
        and T are."""
        none = np.full(len(r_s), np.nan)
        if not r_s.size or not self.lead.size:
            return GlobalBeats(*(none for _ in _TIMES)), np.zeros((len(r_s), 3), np.float32)
        own_s = self.marks.r_peak_s - self.shift_s
        beat = np.clip(np.searchsorted((r_s[:-1] + r_s[1:]) / 2, own_s), 0, len(r_s) - 1)
        near = np.abs(own_s - r_s[beat]) <= SAME_WAVE_S
        over: dict[str, Float64[np.ndarray, " beat"]] = {}
        there: list[Float64[np.ndarray, " beat"]] = []
        for name in _TIMES:
            of_lead = np.full((len(r_s), int(self.lead.max()) + 1), np.nan)
            of_lead[beat[near], self.lead[near]] = (getattr(self.marks, name) - self.shift_s)[near]
            over[name] = _of_a_quarter(of_lead, latest=name.endswith("offset_s"))
            if name in _PEAKS:
                there.append(np.isfinite(of_lead).sum(axis=1))
        leads = np.maximum(there[1], 1)
        return GlobalBeats(**over), (np.stack(there, axis=1) / leads[:, None]).astype(np.float32)


_PEAKS = ("p_peak_s", "r_peak_s", "t_peak_s")
_TIMES = tuple(field.name for field in fields(Fiducials))


def _of_a_quarter(times_s: Float64[np.ndarray, "beat lead"], latest: bool) -> Float64[np.ndarray, " beat"]:
    """The time that a quarter of a beat's leads are at or before, or, of the latest, at or after; NaN without any."""
    ordered = np.sort(-times_s if latest else times_s, axis=1)  # NaN last
    place = np.maximum(np.isfinite(times_s).sum(axis=1) - 1, 0) // 4
    found = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    return -found if latest else found


def _from_r(marks: GlobalBeats, r_s: Float64[np.ndarray, " beat"]) -> Fiducials:
    return Fiducials(*((getattr(marks, name) - r_s).astype(np.float32) for name in _TIMES))


def _summary(values: np.ndarray) -> tuple[float, float, int]:
    values = values[np.isfinite(values)]
    if not values.size:
        return np.nan, np.nan, 0
    low, middle, high = _quartiles(values)
    return float(middle), float(high - low), int(values.size)


def _quartiles(values: np.ndarray) -> Float64[np.ndarray, "3"]:
    """As `numpy.percentile` gives them, many times as fast for few values."""
    return np.interp(_QUARTERS * (values.size - 1), np.arange(values.size), np.sort(values))


def _axis(net: Float64[np.ndarray, "beat 2"]) -> tuple[float, float, int]:
    """Axis of the median net area of I and aVF, and how far the single beats' axes scatter about it."""
    net = net[np.isfinite(net).all(axis=1)]
    if not len(net):
        return np.nan, np.nan, 0
    axis = float(frontal_axis_deg(np.median(net, axis=0)[None])[0])
    low, _, high = _quartiles((frontal_axis_deg(net) - axis + 180) % 360 - 180)
    return axis, float(high - low), len(net)


def _net_areas(
    limb_mv: Float32[np.ndarray, "2 time"],
    fs_hz: float,
    beats: GlobalBeats,
    kept: Bool[np.ndarray, " beat"],
    begin: str,
    end: str,
) -> Float64[np.ndarray, "kept 2"]:
    """Net area of one wave of each kept beat in I and aVF; NaN where a boundary is missing."""
    spans = np.stack([getattr(beats, name)[kept] for name in (begin, end, "qrs_onset_s")])
    there = np.isfinite(spans).all(axis=0)
    out = np.full((spans.shape[1], 2), np.nan)
    out[there] = _areas(limb_mv, fs_hz, *spans[:, there])
    return out


def _areas(
    limb_mv: Float32[np.ndarray, "2 time"],
    fs_hz: float,
    begin_s: Float64[np.ndarray, " beat"],
    end_s: Float64[np.ndarray, " beat"],
    qrs_onset_s: Float64[np.ndarray, " beat"],
) -> Float64[np.ndarray, "beat 2"]:
    """Net areas above the level just before the QRS, NaN where the record does not reach or is not measured."""
    at = np.arange(limb_mv.shape[1]) / fs_hz
    level_at = qrs_onset_s[:, None] + np.linspace(*_LEVEL_S, 5)
    points = np.maximum(2, np.round((end_s - begin_s) * _AREA_HZ)).astype(np.int64)
    start = np.cumsum(points) - points
    beat = np.repeat(np.arange(len(points)), points)
    share = (np.arange(len(beat)) - start[beat]) / (points - 1)[beat]
    inside = begin_s[beat] + share * (end_s - begin_s)[beat]
    reached = (np.minimum(level_at[:, 0], begin_s) >= at[0]) & (end_s <= at[-1])
    out = np.full((len(points), 2), np.nan)
    for number, lead in enumerate(limb_mv):
        mean = np.bincount(beat, np.interp(inside, at, lead), len(points)) / points
        out[:, number] = (mean - np.interp(level_at, at, lead).mean(axis=1)) * (end_s - begin_s)
    out[~reached] = np.nan
    return out
