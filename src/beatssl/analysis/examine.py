"""One piece of a record: its waves, its beats with their classes and amplitudes, and the quality of its leads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64

from beatssl.analysis.pieces import WINDOW_S, Piece
from beatssl.analysis.quality import Seconds, lead_seconds
from beatssl.analysis.result import WavesOfLeads
from beatssl.beats.classes.classifier import CLASSES, classify
from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import BEFORE_S, beats_of_rows, gather_windows
from beatssl.features import qrs, repolarisation
from beatssl.features.wave_intervals import WaveMeasures, measure_waves
from beatssl.features.waves import waves_of as levelled
from beatssl.inference.segmenter import EcgSegmenter, waves_of
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
    measures: WaveMeasures
    amplitude_mv: Float32[np.ndarray, "measure_beat lead 4"]
    """Of the beats in `measures`, in the order of `AMPLITUDES`."""
    seconds: Seconds
    """Of the core."""
    flags: Quality
    opening_mv: Float32[np.ndarray, "lead time_of_opening"]
    """Its first minute as `COARSE` takes it, flat leads NaN: nothing has to filter a short record again."""


def examine(
    segmenter: EcgSegmenter,
    recorded_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    fs_hz: float,
    piece: Piece,
    already_filtered: bool = False,
) -> Examined:
    """Work through one piece.

    Beats are R peaks of all leads (`beats.peaks`) at which at least half of the leads show the segmenter a QRS; where
    there is no R peak at all, the QRS complexes that half of the leads have and that stand far above all else.

    Args:
        segmenter: finds the waves.
        recorded_mv: the whole record, in mV, NaN where not measured; its leads without name or signal are NaN.
        leads: canonical names, "" for a lead that is not measured.
        fs_hz: sampling rate.
        piece: which stretch.
        already_filtered: the record comes from a store.
    """
    part_mv, start_s = recorded_mv[:, piece.start : piece.stop], piece.start / fs_hz
    names = tuple(name for name in leads if name)
    flags = quality_flags(part_mv, leads, fs_hz)
    if flags.flat.any():
        part_mv = np.where(flags.flat[:, None], np.float32(np.nan), part_mv)
    leads = [name if not off else "" for name, off in zip(leads, flags.flat | flags.missing, strict=True)]
    fine_mv = _prepared(part_mv, fs_hz, segmenter.takes, already_filtered)
    coarse_mv = _prepared(part_mv, fs_hz, COARSE, already_filtered)
    fine_hz = segmenter.preparation.fs_hz
    probability = segmenter.of_prepared(fine_mv, leads, segmenter.takes, WINDOW_S)
    table = waves_of(probability[None], fine_mv[None], [leads], fine_hz)
    r_s, share = _beats(table, coarse_mv, leads)
    beats = beats_of_rows([coarse_mv], [r_s], COARSE.fs_hz)
    in_rows = replace(beats, row=(beats.time_s // _ROW_S).astype(np.int32))
    core = (r_s + start_s >= piece.core_start_s) & (r_s + start_s < piece.core_stop_s)
    measures = measure_waves(table, fine_mv, leads, fine_hz, r_s)
    own = measures.part(piece.core_start_s - start_s, piece.core_stop_s - start_s, 0.0)
    amplitude_mv = _amplitudes(own, coarse_mv)
    seconds = lead_seconds(part_mv, fs_hz, coarse_mv, beats)
    first = max(0, int(max(piece.core_start_s, 0) - start_s))
    last = first + max(1, int(min(piece.core_stop_s, piece.stop / fs_hz) - max(piece.core_start_s, 0)))
    return Examined(
        waves=_in_core(table, names, piece, start_s),
        beat_s=r_s[core] + start_s,
        class_probability=classify(in_rows)[core] if len(beats) else np.zeros((0, len(CLASSES)), np.float32),
        lead_share=share[core],
        measures=own.part(-np.inf, np.inf, start_s),
        amplitude_mv=amplitude_mv,
        seconds=seconds[:, first:last],
        flags=flags,
        opening_mv=coarse_mv[:, : round(OPENING_S * COARSE.fs_hz)],
    )


def _prepared(
    recorded_mv: Float32[np.ndarray, "lead time"], fs_hz: float, takes: Preparation, already_filtered: bool
) -> Float32[np.ndarray, "lead prepared_time"]:
    if already_filtered:
        return takes.apply(recorded_mv, [""] * len(recorded_mv), fs_hz, already_filtered=True)
    return takes.filtered(recorded_mv, fs_hz)


def _beats(
    table: pd.DataFrame, coarse_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
) -> tuple[Float64[np.ndarray, " beat"], Float32[np.ndarray, " beat"]]:
    """R times from the piece's start, and the share of its leads that show a QRS at each."""
    qrs_table = table[(table["wave"] == "QRS").to_numpy() & np.isfinite(table["peak_s"].to_numpy(np.float64))]
    lead, peak_s = pd.factorize(qrs_table["lead"])[0], qrs_table["peak_s"].to_numpy(np.float64)
    usable = max(1, sum(1 for name in leads if name))
    r_s = find_r_peaks(coarse_mv, COARSE.fs_hz)
    if not len(r_s):
        r_s = _standing_out(measure_waves(table).r_s, coarse_mv)
    shift_s = lead * (len(coarse_mv[0]) / COARSE.fs_hz + 1)  # all leads one after the other on one axis
    apart_s = np.arange(int(lead.max(initial=-1)) + 1)[:, None] * (len(coarse_mv[0]) / COARSE.fs_hz + 1)
    matched = match_times((r_s + apart_s).ravel(), peak_s + shift_s, SAME_BEAT_S)[0]
    votes = np.bincount(matched % max(len(r_s), 1), minlength=len(r_s))
    share = (votes / usable).astype(np.float32)
    kept = share >= _LEAST_SHARE
    return r_s[kept], share[kept]


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


def _in_core(table: pd.DataFrame, names: tuple[str, ...], piece: Piece, start_s: float) -> WavesOfLeads:
    """The waves whose middle lies in the core, in record time, those of no measured lead left out."""
    onset, peak, offset = (table[name].to_numpy(np.float64) + start_s for name in ("onset_s", "peak_s", "offset_s"))
    middle = np.where(np.isfinite(peak), peak, np.where(np.isfinite(onset), onset, offset))
    kept: Bool[np.ndarray, " wave"] = (middle >= piece.core_start_s) & (middle < piece.core_stop_s)
    place = {name: number for number, name in enumerate(names)}
    kinds = {name: number for number, name in enumerate(WAVE_CLASSES)}
    return WavesOfLeads(
        leads=names,
        lead=np.array([place[name] for name in table["lead"][kept]], np.int8),
        wave=np.array([kinds[name] for name in table["wave"][kept]], np.int8),
        onset_s=onset[kept],
        peak_s=peak[kept],
        offset_s=offset[kept],
        onset_confidence=table["onset_confidence"].to_numpy(np.float32)[kept],
        offset_confidence=table["offset_confidence"].to_numpy(np.float32)[kept],
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
