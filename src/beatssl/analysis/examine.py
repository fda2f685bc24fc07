"""One piece of a record: its waves, its beats with their classes and amplitudes, and the quality of its leads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64

from beatssl.analysis.pieces import WINDOW_S, Piece
from beatssl.analysis.quality import Seconds, lead_seconds
from beatssl.analysis.result import WavesOfLeads
from beatssl.beats.classes.classifier import CLASSES, classify
from beatssl.beats.decoding.wave_decoding import Waves, find_waves
from beatssl.beats.peaks import RPeaks, rate_r_peaks
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import BEFORE_S, Beats, beats_of_rows, gather_windows
from beatssl.features import qrs, repolarisation
from beatssl.features.wave_intervals import WaveMeasures, measure_waves
from beatssl.features.waves import waves_of as levelled
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.signals.matching import match_times
from beatssl.signals.preparation import Preparation
from beatssl.signals.quality import Quality, quality_flags
from beatssl.signals.waves import WAVE_CLASSES

COARSE = Preparation(100.0, 0.5, 40.0, ())
"""How R peaks, beat classes and amplitudes take a record, as `prepare` does by default."""

OPENING_S = 60.0
"""How much of a piece is kept as it was prepared."""

AMPLITUDES = {"st_mv": "st_j60_mv", "t_mv": "t_amplitude_mv", "r_mv": "r_amplitude_mv", "s_mv": "s_amplitude_mv"}
"""Measures of single leads, and the families of features that they are."""

SAME_BEAT_S = 0.15
"""How far an R peak may lie from the middle of its QRS."""

_LEAST_SHARE = 0.5  # of the leads must show a QRS where a beat is to be
_LEAST_QRS = 0.05
"""Confidence below which a QRS is not counted: bursts of noise give less, and so do some very small complexes.
Chosen on synthetic bursts and PTB-XL's fold 8 (docs/evaluation.md, "Read with care")."""
_STANDS_OUT = 8.0  # times the median amplitude: a QRS complex where no R peak was found
_EDGE_S = 0.3
_ROW_S = 10.0
_BEATS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Examined:
    """What one piece gives; times are of the record."""

    waves: WavesOfLeads
    beat_s: Float64[np.ndarray, " beat"]
    class_probability: Float32[np.ndarray, "beat 4"]
    lead_share: Float32[np.ndarray, " beat"]
    r_confidence: Float32[np.ndarray, " beat"]
    measures: WaveMeasures
    amplitude_mv: Float32[np.ndarray, "measure_beat lead 4"]
    """Of the beats in `measures`, in the order of `AMPLITUDES`."""
    seconds: Seconds
    """Of the core."""
    flags: Quality
    opening_mv: Float32[np.ndarray, "lead time_of_opening"]
    """Its first minute as `COARSE` takes it, flat leads NaN: nothing has to filter a short record again."""


class Stretch(NamedTuple):
    """One piece of one record, as it was recorded."""

    recorded_mv: Float32[np.ndarray, "lead time"]
    """The whole record, in mV, NaN where not measured; its leads without name or signal are NaN."""
    leads: Sequence[str]
    """Canonical names, "" for a lead that is not measured."""
    fs_hz: float
    piece: Piece
    already_filtered: bool = False
    """The record comes from a store."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A stretch as the networks take it; times from its start."""

    of: Stretch
    part_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]
    flags: Quality
    fine_mv: Float32[np.ndarray, "lead fine_time"]
    coarse_mv: Float32[np.ndarray, "lead coarse_time"]

    @property
    def start_s(self) -> float:
        return self.of.piece.start / self.of.fs_hz


def examine(segmenter: EcgSegmenter, stretches: Sequence[Stretch]) -> list[Examined]:
    """Work through some pieces; those of one length and number of leads go through the networks together.

    Beats are R peaks of all leads (`beats.peaks`) at which at least half of the leads show the segmenter a QRS; where
    there is no R peak at all, the QRS complexes that half of the leads have and that stand far above all else.
    """
    ready = [_ready(stretch, segmenter.takes) for stretch in stretches]
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, one in enumerate(ready):
        groups.setdefault((*one.fine_mv.shape, *one.coarse_mv.shape), []).append(number)
    found: dict[int, Examined] = {}
    for numbers in groups.values():
        some = [ready[number] for number in numbers]
        waves = _waves(segmenter, some)
        of_beats = [_beats(own, one.coarse_mv, one.leads) for own, one in zip(waves, some, strict=True)]
        beats = [
            beats_of_rows([one.coarse_mv], [found.time_s], COARSE.fs_hz)
            for one, (found, _) in zip(some, of_beats, strict=True)
        ]
        classes = _classes(beats)
        for number, *arguments in zip(numbers, some, waves, of_beats, beats, classes, strict=True):
            found[number] = _examined(segmenter.preparation.fs_hz, *arguments)
    return [found[number] for number in range(len(ready))]


def _ready(stretch: Stretch, takes: Preparation) -> _Ready:
    part_mv, fs_hz = stretch.recorded_mv[:, stretch.piece.start : stretch.piece.stop], stretch.fs_hz
    flags = quality_flags(part_mv, stretch.leads, fs_hz)
    if flags.flat.any():
        part_mv = np.where(flags.flat[:, None], np.float32(np.nan), part_mv)
    there = zip(stretch.leads, flags.flat | flags.missing, strict=True)
    fine_mv, coarse_mv = (_prepared(part_mv, fs_hz, one, stretch.already_filtered) for one in (takes, COARSE))
    return _Ready(stretch, part_mv, tuple(name if not off else "" for name, off in there), flags, fine_mv, coarse_mv)


def _waves(segmenter: EcgSegmenter, ready: Sequence[_Ready]) -> list[Waves]:
    """The waves of stretches of one shape, times from each one's start."""
    fine_mv, fs_hz = np.stack([one.fine_mv for one in ready]), segmenter.preparation.fs_hz
    probability = segmenter.of_prepared_batch(fine_mv, [one.leads for one in ready], segmenter.takes, WINDOW_S)
    leads = fine_mv.shape[1]
    lines, of_record = probability.reshape(-1, *probability.shape[2:]), np.repeat(np.arange(len(ready)), leads)
    waves = find_waves(lines, fs_hz, fine_mv.reshape(-1, fine_mv.shape[2]), of_record)
    ends = np.searchsorted(waves.lead, np.arange(len(ready) + 1) * leads)
    parts = [waves.where(slice(start, stop)) for start, stop in pairwise(ends.tolist())]
    return [part._replace(lead=part.lead - number * leads) for number, part in enumerate(parts)]


def _classes(of_stretches: Sequence[Beats]) -> list[Float32[np.ndarray, "_beat 4"]]:
    """Probabilities of the classes of all beats of each stretch, which rows of ten seconds are compared within."""
    total = sum(map(len, of_stretches))
    if not total:
        return [np.zeros((0, len(CLASSES)), np.float32) for _ in of_stretches]
    first, rows = 0, list[np.ndarray]()
    for beats in of_stretches:
        own = (beats.time_s // _ROW_S).astype(np.int32)
        rows.append(own + first)
        first += int(own.max(initial=0)) + 1
    names = ("time_s", "rr_prev_s", "rr_next_s", "window_mv")
    columns: dict[str, Any] = {name: np.concatenate([getattr(beats, name) for beats in of_stretches]) for name in names}
    together = replace(of_stretches[0], row=np.concatenate(rows), **columns)
    return np.split(classify(together), np.cumsum([len(beats) for beats in of_stretches])[:-1])


def _examined(
    fine_hz: float,
    ready: _Ready,
    waves: Waves,
    of_beats: tuple[RPeaks, Float32[np.ndarray, " beat"]],
    beats: Beats,
    class_probability: Float32[np.ndarray, "beat 4"],
) -> Examined:
    piece, start_s, fs_hz = ready.of.piece, ready.start_s, ready.of.fs_hz
    r_peaks, share = of_beats
    r_s = r_peaks.time_s
    core = (r_s + start_s >= piece.core_start_s) & (r_s + start_s < piece.core_stop_s)
    measures = measure_waves(waves, ready.fine_mv, ready.leads, fine_hz, r_s)
    own = measures.part(piece.core_start_s - start_s, piece.core_stop_s - start_s, 0.0)
    seconds = lead_seconds(ready.part_mv, fs_hz, ready.coarse_mv, beats)
    first = max(0, int(max(piece.core_start_s, 0) - start_s))
    last = first + max(1, int(min(piece.core_stop_s, piece.stop / fs_hz) - max(piece.core_start_s, 0)))
    return Examined(
        waves=_in_core(waves, ready.of.leads, piece, start_s),
        beat_s=r_s[core] + start_s,
        class_probability=class_probability[core],
        lead_share=share[core],
        r_confidence=r_peaks.confidence[core].astype(np.float32),
        measures=own.part(-np.inf, np.inf, start_s),
        amplitude_mv=_amplitudes(own, ready.coarse_mv),
        seconds=seconds[:, first:last],
        flags=ready.flags,
        opening_mv=ready.coarse_mv[:, : round(OPENING_S * COARSE.fs_hz)],
    )


def _prepared(
    recorded_mv: Float32[np.ndarray, "lead time"], fs_hz: float, takes: Preparation, already_filtered: bool
) -> Float32[np.ndarray, "lead prepared_time"]:
    if already_filtered:
        return takes.apply(recorded_mv, [""] * len(recorded_mv), fs_hz, already_filtered=True)
    return takes.filtered(recorded_mv, fs_hz)


def _beats(
    waves: Waves, coarse_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
) -> tuple[RPeaks, Float32[np.ndarray, " beat"]]:
    """R peaks, times from the piece's start, and the share of its leads that show a QRS at each."""
    is_qrs = (waves.kind == WAVE_CLASSES.index("QRS")) & np.isfinite(waves.peak_s)
    is_qrs &= waves.confidence >= _LEAST_QRS
    lead, peak_s = waves.lead[is_qrs], waves.peak_s[is_qrs]
    usable = max(1, sum(1 for name in leads if name))
    r_s, confidence = rate_r_peaks(coarse_mv, COARSE.fs_hz)
    if not len(r_s):
        r_s = _standing_out(measure_waves(waves).r_s, coarse_mv)
        confidence = np.full(len(r_s), np.nan)
    axis_s = len(coarse_mv[0]) / COARSE.fs_hz + 1  # all leads one after the other on one axis
    apart_s = np.arange(len(coarse_mv))[:, None] * axis_s
    matched = match_times((r_s + apart_s).ravel(), peak_s + lead * axis_s, SAME_BEAT_S)[0]
    votes = np.bincount(matched % max(len(r_s), 1), minlength=len(r_s))
    share = (votes / usable).astype(np.float32)
    kept = share >= _LEAST_SHARE
    return RPeaks(r_s[kept], confidence[kept]), share[kept]


def _standing_out(
    r_s: Float64[np.ndarray, " beat"], coarse_mv: Float32[np.ndarray, "lead time"]
) -> Float64[np.ndarray, " some_beat"]:
    """Those beats whose multi-lead amplitude is far above the usual: one beat in ten seconds, but no noise, nor what
    filters make of the record's ends."""
    amplitude = np.sqrt(np.mean(np.nan_to_num(coarse_mv) ** 2, axis=0))
    reach = round(SAME_BEAT_S * COARSE.fs_hz)
    around = np.round(r_s * COARSE.fs_hz).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    height = amplitude[np.clip(around, 0, len(amplitude) - 1)].max(axis=1, initial=0)
    inside = (r_s > _EDGE_S) & (r_s < len(amplitude) / COARSE.fs_hz - _EDGE_S)
    return r_s[inside & (height > _STANDS_OUT * np.median(amplitude))]


def _in_core(waves: Waves, leads: Sequence[str], piece: Piece, start_s: float) -> WavesOfLeads:
    """The waves whose middle lies in the core, in record time, those of no measured lead left out."""
    onset, peak, offset = (times + start_s for times in (waves.onset_s, waves.peak_s, waves.offset_s))
    middle = np.where(np.isfinite(peak), peak, np.where(np.isfinite(onset), onset, offset))
    kept: Bool[np.ndarray, " wave"] = (middle >= piece.core_start_s) & (middle < piece.core_stop_s)
    place = np.cumsum([bool(name) for name in leads]) - 1
    return WavesOfLeads(
        leads=tuple(name for name in leads if name),
        lead=place[waves.lead[kept]].astype(np.int8),
        wave=waves.kind[kept].astype(np.int8),
        onset_s=onset[kept],
        peak_s=peak[kept],
        offset_s=offset[kept],
        onset_confidence=waves.onset_confidence[kept].astype(np.float32),
        offset_confidence=waves.offset_confidence[kept].astype(np.float32),
        confidence=waves.confidence[kept].astype(np.float32),
    )


def _amplitudes(
    measures: WaveMeasures, coarse_mv: Float32[np.ndarray, "lead time"]
) -> Float32[np.ndarray, "beat lead 4"]:
    """ST, T, R and S of every beat in every lead, by the features' own measuring."""
    out = np.full((len(measures.r_s), len(coarse_mv), len(AMPLITUDES)), np.nan, np.float32)
    at = np.round(measures.r_s * COARSE.fs_hz).astype(np.int64)
    from_r = {f.name: getattr(measures.over_leads, f.name) - at / COARSE.fs_hz for f in fields(Fiducials)}
    for start in range(0, len(at), _BEATS_AT_ONCE):
        some = slice(start, start + _BEATS_AT_ONCE)
        marks = Fiducials(**{name: times[some].astype(np.float32) for name, times in from_r.items()})
        windows = gather_windows(coarse_mv, at[some], COARSE.fs_hz)
        waves = levelled(windows, marks, COARSE.fs_hz, round(BEFORE_S * COARSE.fs_hz))
        found = qrs.amplitudes(waves) | repolarisation.families(waves)
        measured = waves.present & waves.has_qrs[:, None]
        for number, family in enumerate(AMPLITUDES.values()):
            out[some, :, number] = np.where(measured, found[family], np.float32(np.nan))
    return out


def joined_waves(parts: Sequence[WavesOfLeads]) -> WavesOfLeads:
    """The waves of consecutive pieces, in order of lead and time."""
    columns = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(WavesOfLeads)
        if f.name != "leads"
    }
    order = np.argsort(columns["lead"], kind="stable")
    return WavesOfLeads(parts[0].leads, **{name: values[order] for name, values in columns.items()})
