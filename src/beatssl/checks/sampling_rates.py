"""Sampling rates: how many wrong ones heart rate and widths give away, and how many true ones are taken for wrong."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import check_heart_rate
from beatssl.beats.rate_doubt import doubt_of_rate, widths_of
from beatssl.records.record import RecordError
from beatssl.results import Number
from beatssl.signals.preparation import Preparation
from beatssl.store.store import Store

_USUAL = Preparation(100.0, 0.5, 40.0, ())

Outcome = Literal["refused", "gross", "flagged", "fine"]


@dataclass(frozen=True)
class SamplingRateCheckConfig:
    """Rows looked at, evenly over the store, and what the true rate is multiplied by."""

    rows: int = 500
    factors: tuple[float, ...] = (1.0, 2.0, 2.5, 5.0, 10.0, 0.5, 0.4, 0.2, 0.1)


@dataclass(frozen=True)
class FactorFigures:
    """Shares of rows stated at `factor` times their rate, which add up to 1."""

    factor: float
    refused: Number
    """No beats, or a heart rate that no person has."""
    gross: Number
    """Doubted by a factor of four or more: models refuse it."""
    flagged: Number
    """Doubted by less: models warn."""
    fine: Number


@dataclass(frozen=True)
class SamplingRateFigures:
    """Rows of a store as records at the store's rate; those of factor 1 that are not fine are false alarms."""

    rows: int
    fs_hz: float
    factors: tuple[FactorFigures, ...]


def check_sampling_rates(
    store: Store, config: SamplingRateCheckConfig = SamplingRateCheckConfig()
) -> SamplingRateFigures:
    """Each row stated at its true and at wrong rates, and what becomes of it. Raises ValueError for an empty store."""
    if not len(store):
        raise ValueError(f"store {store.path} has no row; prepare one with records")
    rows = np.unique(np.linspace(0, len(store) - 1, min(config.rows, len(store))).round().astype(np.int64))
    found = []
    for factor in config.factors:
        outcomes = [outcome(store.ecg_mv([row])[0], store.fs_hz * factor) for row in rows]
        share = {name: outcomes.count(name) / len(rows) for name in ("refused", "gross", "flagged", "fine")}
        found.append(FactorFigures(factor, **share))
    return SamplingRateFigures(len(rows), store.fs_hz, tuple(found))


def outcome(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Outcome:
    """What the checks of beats make of a record of any leads at a stated rate."""
    ready = _USUAL.apply(ecg_mv, [""] * len(ecg_mv), fs_hz)
    times_s = find_r_peaks(ready, _USUAL.fs_hz)
    try:
        check_heart_rate(times_s, ecg_mv.shape[1] / fs_hz, fs_hz, "the row", "see fs_hz")
    except RecordError:
        return "refused"
    doubt = doubt_of_rate(widths_of([ready], _USUAL.fs_hz, [times_s])[0], ecg_mv, fs_hz, fs_hz)
    return "fine" if doubt is None else "gross" if doubt.gross else "flagged"
