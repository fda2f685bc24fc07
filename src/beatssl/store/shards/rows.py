"""Records cut into rows of equal length, and the beats of those rows seen in their whole record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from beatssl.beats.windows import AFTER_S, BEFORE_S, Beats, gather_windows, known_intervals
from beatssl.store.shards.conditioning import Conditioned


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive rows of one record."""

    of: Conditioned
    first: int  # within the record
    rows: int


def blocks(records: Iterable[Conditioned], block_rows: int) -> Iterator[list[Piece]]:
    """Pieces in groups of `block_rows` rows (the last of fewer): memory does not grow with a record's length."""
    group: list[Piece] = []
    room = block_rows
    for of in records:
        first, rows = 0, of.rows
        while first < rows:
            take = min(room, rows - first)
            group.append(Piece(of, first, take))
            first, room = first + take, room - take
            if room == 0:
                yield group
                group, room = [], block_rows
    if group:
        yield group


def cut(pieces: list[Piece], row_samples: int) -> Float32[np.ndarray, "row lead time"]:
    """The rows of all pieces; NaN where a record has ended or has fewer leads than another."""
    leads = max(piece.of.ecg_mv.shape[0] for piece in pieces)
    out = np.full((sum(piece.rows for piece in pieces), leads, row_samples), np.nan, np.float32)
    row = 0
    for piece in pieces:
        start = piece.first * row_samples
        signal = piece.of.ecg_mv[:, start : start + piece.rows * row_samples]
        for index in range(piece.rows):
            part = signal[:, index * row_samples : (index + 1) * row_samples]
            out[row + index, : part.shape[0], : part.shape[1]] = part
        row += piece.rows
    return out


def beats_of_pieces(pieces: list[Piece], fs_hz: float, row_samples: int) -> Beats:
    """Beats of all rows. Windows and neighbouring intervals come from the whole record, across the borders of rows."""
    parts = [_beats_of(piece, fs_hz, row_samples) for piece in pieces]
    leads = max(piece.of.ecg_mv.shape[0] for piece in pieces)
    offsets = np.cumsum([0] + [piece.rows for piece in pieces[:-1]])
    count = sum(len(part) for part in parts)
    window_mv = np.full((count, leads, round(BEFORE_S * fs_hz) + round(AFTER_S * fs_hz)), np.nan, np.float32)
    at = 0
    for part in parts:
        window_mv[at : at + len(part), : part.window_mv.shape[1]] = part.window_mv
        at += len(part)
    return Beats(
        row=np.concatenate([part.row + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)]),
        time_s=np.concatenate([part.time_s for part in parts]),
        rr_prev_s=np.concatenate([part.rr_prev_s for part in parts]),
        rr_next_s=np.concatenate([part.rr_next_s for part in parts]),
        window_mv=window_mv,
        fs_hz=fs_hz,
        r_index=round(BEFORE_S * fs_hz),
    )


def _beats_of(piece: Piece, fs_hz: float, row_samples: int) -> Beats:
    times = piece.of.r_times_s
    sample = np.minimum(np.round(times * fs_hz).astype(np.int64), piece.of.ecg_mv.shape[1] - 1)
    row = np.minimum((times * fs_hz).astype(np.int64) // row_samples, piece.of.rows - 1) - piece.first
    here = (row >= 0) & (row < piece.rows)
    interval = np.diff(times, prepend=np.nan, append=np.nan).astype(np.float32)
    if here.any():  # of the piece's beats, which follow one another, with the one before and the one after
        near = slice(max(here.argmax() - 1, 0), len(here) - here[::-1].argmax() + 1)
        start, stop = sample[near][0], sample[near][-1] + 1
        measured = np.asarray(np.isfinite(piece.of.ecg_mv[:, start:stop]).any(axis=0))
        known = known_intervals(times[near] - start / fs_hz, measured, fs_hz)
        interval[near.start : near.start + len(known)][np.isnan(known)] = np.nan
    return Beats(
        row=row[here].astype(np.int32),
        time_s=times[here] - (row[here] + piece.first) * (row_samples / fs_hz),
        rr_prev_s=interval[:-1][here],
        rr_next_s=interval[1:][here],
        window_mv=gather_windows(piece.of.ecg_mv, sample[here], fs_hz),
        fs_hz=fs_hz,
        r_index=round(BEFORE_S * fs_hz),
    )
