"""Measured features of prepared signals, those that `prepare` keeps in a store, as a model's second input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from beatssl.beats.peaks import find_r_peaks
from beatssl.records.record import Record
from beatssl.signals.leads import without_dropouts
from beatssl.signals.preparation import Preparation
from beatssl.store.config import PrepareConfig
from beatssl.store.shards.conditioning import Conditioned
from beatssl.store.shards.measuring import row_features
from beatssl.store.shards.rows import Piece

_AT_ONCE = 64
_GAP_S = 0.2


def measure_features(
    ecg_mv: Float32[np.ndarray, "record lead time"],
    leads: Sequence[str],
    preparation: Preparation,
    names: Sequence[str],
    valid: Int64[np.ndarray, " record"] | None = None,
) -> Float32[np.ndarray, "record feature"]:
    """Features `names` of records of one length, prepared as `preparation` says; NaN where not measurable.

    `ecg_mv` is NaN where not measured, or zero, as networks take it: what stays the same in all leads for 0.2 s counts
    as not measured. `valid` says how many samples come before the padding (None: all). A record without beats has none
    of them.
    """
    samples = ecg_mv.shape[2]
    lengths = np.full(len(ecg_mv), samples) if valid is None else valid
    config = PrepareConfig("files", Path(), out=Path(), fs_hz=preparation.fs_hz, duration_s=samples / preparation.fs_hz)
    out = np.full((len(ecg_mv), len(names)), np.nan, np.float32)
    pieces: list[tuple[int, Piece]] = []
    for row, (whole, length) in enumerate(zip(ecg_mv, lengths, strict=True)):
        signal = without_dropouts(whole[:, :length], preparation.fs_hz, _GAP_S)
        r_times_s = find_r_peaks(signal, preparation.fs_hz)
        if len(r_times_s):
            pieces.append((row, Piece(_conditioned(signal, leads, preparation.fs_hz, r_times_s), 0, 1)))
    for start in range(0, len(pieces), _AT_ONCE):
        part = pieces[start : start + _AT_ONCE]
        out[[row for row, _ in part]] = row_features([piece for _, piece in part], config, names)
    return out


def _conditioned(
    signal: Float32[np.ndarray, "lead time"], leads: Sequence[str], fs_hz: float, r_times_s: np.ndarray
) -> Conditioned:
    names = tuple(name if np.isfinite(of_lead).any() else "" for name, of_lead in zip(leads, signal, strict=True))
    without_signal = Record(np.empty((len(leads), 0), np.float32), tuple(leads), fs_hz, "", "")
    return Conditioned(without_signal, signal, names, ({},), r_times_s)
