"""From rows and their beats to everything that a shard stores of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int, Int16, Int64, Shaped

from beatssl.beats.classes.classifier import CLASSES, classify
from beatssl.beats.rate_doubt import doubt_of_rate, widths_from
from beatssl.beats.rate_likelihood import Widths
from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import Beats, median_beats
from beatssl.features import measure_beats, measure_records, record_columns
from beatssl.features.ragged import row_median
from beatssl.records.record import IDENTITY, METADATA, Record
from beatssl.signals.leads import LEADS
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import out_of_range, to_int16
from beatssl.store.shards.conditioning import Conditioned, row_flags
from beatssl.store.shards.duplicates import waveform_hash
from beatssl.store.shards.rows import Piece, beats_of_pieces, cut


@dataclass(frozen=True, slots=True)
class Measured:
    """What a shard stores of some rows; `row` counts from the first of them."""

    ecg: Int16[np.ndarray, "row lead time"]
    median_beats: Int16[np.ndarray, "row lead window"]
    records: "pd.DataFrame"
    beats: "pd.DataFrame"
    features: "pd.DataFrame"


@dataclass(frozen=True, slots=True)
class _Found:
    """Signals, beats and their waves, and what the features are measured from."""

    ecg_mv: Float32[np.ndarray, "row lead time"]
    beats: Beats
    fiducials: Fiducials
    probability: Float32[np.ndarray, "beat 4"]
    median_mv: Float32[np.ndarray, "row lead window"]
    widths: list[Widths]
    arguments: tuple[Any, ...]


def measure(pieces: list[Piece], config: PrepareConfig) -> Measured:
    """Signals, beats and features of the rows of all pieces at once."""
    found = _find(pieces, config)
    ecg = to_int16(found.ecg_mv)
    features, beat_features = measure_records(*found.arguments), measure_beats(*found.arguments)
    return Measured(
        ecg=ecg,
        median_beats=to_int16(found.median_mv),
        records=_record_table(
            pieces,
            ecg,
            {
                "flag_out_of_range": out_of_range(found.ecg_mv),
                "flag_rate_doubted": _rates_doubted(pieces, found.widths, found.ecg_mv, config),
            },
            config,
        ),
        beats=_beat_table(pieces, found.beats, found.fiducials, found.probability, beat_features, config),
        features=features.reset_index(drop=True).astype(np.float32),
    )


def row_features(
    pieces: list[Piece], config: PrepareConfig, names: Sequence[str]
) -> Float32[np.ndarray, "row feature"]:
    """Some features of the rows of all pieces alone, those that `measure` gives; NaN for a name that is none."""
    found = record_columns(*_find(pieces, config).arguments)
    out = np.full((sum(piece.rows for piece in pieces), len(names)), np.nan, np.float32)
    for column, name in enumerate(names):
        if name in found:
            out[:, column] = found[name]
    return out


def _find(pieces: list[Piece], config: PrepareConfig) -> _Found:
    ecg_mv = cut(pieces, config.row_samples)
    beats = beats_of_pieces(pieces, config.fs_hz, config.row_samples)
    rows = len(ecg_mv)
    fiducials = find_fiducials(beats.window_mv, beats.fs_hz, beats.r_index, beats.rr_prev_s, beats.rr_next_s)
    probability = classify(beats, fiducials)
    median_mv = median_beats(beats, rows, of_main_class(beats, probability, rows))
    rr_s = row_median(beats.rr_prev_s, beats.row, rows)
    median_fiducials = find_fiducials(median_mv, beats.fs_hz, beats.r_index, rr_s, rr_s)
    twelve = _on_twelve(_lead_places(pieces, ecg_mv.shape[1]))
    arguments = (
        replace(beats, window_mv=twelve(beats.window_mv, beats.row)),
        fiducials,
        twelve(median_mv, np.arange(rows)),
        median_fiducials,
        probability,
        twelve(ecg_mv, np.arange(rows)),
        config.fs_hz,
        rows,
    )
    return _Found(ecg_mv, beats, fiducials, probability, median_mv, widths_from(rr_s, median_fiducials), arguments)


def measure_nothing(config: PrepareConfig) -> Measured:
    """No rows, but every column with its type: those of a made-up row, without the row."""
    time_s = np.arange(config.row_samples) / config.fs_hz
    beat_mv = np.exp(-0.5 * ((time_s % 1.0 - 0.5) / 0.02) ** 2)
    ecg_mv = np.tile(beat_mv, (len(LEADS), 1)).astype(np.float32)
    record = Record(np.empty((len(LEADS), 0), np.float32), LEADS, config.fs_hz, "", "")
    flags = row_flags(ecg_mv, LEADS, record, 1, config.duration_s)
    made_up = Conditioned(record, ecg_mv, LEADS, flags, np.arange(0.5, config.duration_s, 1.0))
    row = measure([Piece(made_up, 0, 1)], config)
    return Measured(row.ecg[:0], row.median_beats[:0], row.records[:0], row.beats[:0], row.features[:0])


def _lead_places(pieces: list[Piece], leads: int) -> Int64[np.ndarray, "row lead"]:
    """For each row and lead the place among the twelve, or −1 for a lead that has none."""
    places = np.full((sum(piece.rows for piece in pieces), leads), -1, np.int64)
    row = 0
    for piece in pieces:
        names = piece.of.lead_names
        places[row : row + piece.rows, : len(names)] = [LEADS.index(n) if n in LEADS else -1 for n in names]
        row += piece.rows
    return places


def _on_twelve(
    places: Int64[np.ndarray, "row lead"],
) -> Callable[[Float32[np.ndarray, "n lead time"], Int[np.ndarray, " n"]], Float32[np.ndarray, "n 12 time"]]:
    """Puts signals of rows into canonical order for the features, all other leads NaN."""
    in_order = np.arange(len(LEADS))

    def put(signal: Float32[np.ndarray, "n lead time"], row: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n 12 time"]:
        if places.shape[1] == len(LEADS) and np.all((places == in_order) | (places == -1)):
            return signal
        out = np.full((len(signal), len(LEADS), signal.shape[2]), np.nan, np.float32)
        for lead in range(places.shape[1]):
            known = np.flatnonzero(places[row, lead] >= 0)
            out[known, places[row[known], lead]] = signal[known, lead]
        return out

    return put


def of_main_class(beats: Beats, probability: Float32[np.ndarray, "beat 4"], rows: int) -> Bool[np.ndarray, " beat"]:
    """Beats of their row's commonest class: those a median beat is made of. At a tie the order N S V F decides."""
    beat_class = probability.argmax(axis=1)
    counts = np.zeros((rows, len(CLASSES)), np.int64)
    np.add.at(counts, (beats.row, beat_class), 1)
    return np.asarray(beat_class == counts.argmax(axis=1)[beats.row])


def _record_table(
    pieces: list[Piece],
    ecg: Int16[np.ndarray, "row lead time"],
    flags_of_rows: dict[str, Bool[np.ndarray, " row"]],
    config: PrepareConfig,
) -> "pd.DataFrame":
    of = [piece.of for piece in pieces for _ in range(piece.rows)]
    segment = np.concatenate([piece.first + np.arange(piece.rows) for piece in pieces])
    lengths = np.array([item.ecg_mv.shape[1] for item in of])
    table = pd.DataFrame(
        {
            "record_id": [item.record.id for item in of],
            "segment": segment.astype(np.int32),
            "start_s": segment * (config.row_samples / config.fs_hz),
            "patient_id": [config.patient_key(item.record.source, item.record.patient_id) for item in of],
            "age_years": np.array([item.record.age_years for item in of], np.float32),
            "sex": [item.record.sex for item in of],
            "source": [item.record.source for item in of],
            "source_fs_hz": [float(item.record.fs_hz) for item in of],
            "samples": np.minimum(lengths - segment * config.row_samples, config.row_samples).astype(np.int32),
            "lead_names": [list(item.lead_names) for item in of],
            "fold": pd.array([item.record.fold for item in of], dtype="Int32"),
            "waveform_hash": [
                waveform_hash(row[: len(item.ecg_mv)])  # the lead slots beyond are the neighbours'
                for row, item in zip(ecg, of, strict=True)
            ],
            "metadata": [text for piece in pieces for text in [_metadata(piece.of.record, config)] * piece.rows],
        }
    )
    flags = pd.DataFrame([item.flags[row] for item, row in zip(of, segment, strict=True)], index=table.index)
    return pd.concat([table, _own_columns(of, table.index), flags.assign(**flags_of_rows)], axis=1)


def _rates_doubted(
    pieces: list[Piece], widths: list[Widths], ecg_mv: Float32[np.ndarray, "row lead time"], config: PrepareConfig
) -> Bool[np.ndarray, " row"]:
    """Whether heart rate, QRS and QT of a row contradict the sampling rate that its record states."""
    stated_hz = [piece.of.record.fs_hz for piece in pieces for _ in range(piece.rows)]
    return np.array(
        [
            doubt_of_rate(of_row, row_mv, config.fs_hz, fs_hz) is not None
            for of_row, row_mv, fs_hz in zip(widths, ecg_mv, stated_hz, strict=True)
        ]
    )


def _own_columns(of: list[Conditioned], index: "pd.Index") -> "pd.DataFrame":
    """Those of the user's own table, the same for every record."""
    titles = list(of[0].record.own) if of else []
    return pd.DataFrame({title: [item.record.own[title] for item in of] for title in titles}, index=index)


def _metadata(record: Record, config: PrepareConfig) -> str:
    """What the reader says besides, as JSON: known keys alone, sorted."""
    kept = METADATA | IDENTITY if config.keep_identifiers else METADATA
    found = {key: value for key, value in record.metadata.items() if key in kept}
    return json.dumps(found, sort_keys=True, ensure_ascii=False, default=lambda value: value.item())


def _beat_table(
    pieces: list[Piece],
    beats: Beats,
    fiducials: Fiducials,
    probability: Float32[np.ndarray, "beat 4"],
    beat_features: "pd.DataFrame",
    config: PrepareConfig,
) -> "pd.DataFrame":
    segment: Int64[np.ndarray, " row"] = np.concatenate([piece.first + np.arange(piece.rows) for piece in pieces])
    ids = np.array([piece.of.record.id for piece in pieces for _ in range(piece.rows)], dtype=object)
    start_s = segment * (config.row_samples / config.fs_hz)
    # Fiducials count from the window's R sample, the table's from the R time, which lies between samples.
    to_r_time_s = np.round(beats.time_s * config.fs_hz) / config.fs_hz - beats.time_s
    table = pd.DataFrame(
        {
            "row": beats.row,
            "record_id": ids[beats.row],
            "time_s": beats.time_s,
            "time_in_record_s": start_s[beats.row] + beats.time_s,
            "rr_prev_s": beats.rr_prev_s,
            "rr_next_s": beats.rr_next_s,
        }
        | {f.name: (getattr(fiducials, f.name) + to_r_time_s).astype(np.float32) for f in fields(Fiducials)}
        | {"class": _class_names(probability)}
        | {f"class_p_{name}": probability[:, index] for index, name in enumerate(CLASSES)}
    )
    own = beat_features.reset_index(drop=True)
    extra = own[[name for name in own.columns if name not in table.columns]].astype(np.float32)
    return pd.concat([table, extra], axis=1)


def _class_names(probability: Float32[np.ndarray, "beat 4"]) -> Shaped[np.ndarray, " beat"]:
    """The likeliest class; None for a beat that no lead has measured."""
    names = np.array(CLASSES, dtype=object)[probability.argmax(axis=1)]
    names[np.isnan(probability).any(axis=1)] = None
    return names
