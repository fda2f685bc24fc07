"""Rows of a store as a batch that views take, and what a view gives measured again as preparation measures a record."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Float64, Int64

from beatssl.beats.classes.classifier import classify
from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import beats_of_rows, median_beats
from beatssl.features import measure_records
from beatssl.features.ragged import row_median
from beatssl.signals.leads import LEADS
from beatssl.store.shards.measuring import of_main_class
from beatssl.store.store import Store
from beatssl.views.view import Signals

ChosenRows = Int64[np.ndarray, " chosen"]


@dataclass(frozen=True, slots=True)
class MeasuredAgain:
    """What is found in signals, one entry a record."""

    features: pd.DataFrame
    median_mv: Float32[np.ndarray, "record lead window"]
    median_fiducials: Fiducials


def signals_of_rows(store: Store, rows: ChosenRows) -> Signals:
    """Rows of a store and their beats as a batch on the CPU.

    Raises ValueError for a store that has not the twelve leads in canonical order.
    """
    if store.leads != LEADS:
        raise ValueError(f"store {store.path} has leads as recorded; views need one prepared with leads='twelve'")
    ecg_mv = store.ecg_mv(rows)
    measured = np.isfinite(ecg_mv)
    place = pd.Series(np.arange(len(rows)), index=rows)
    beats = store.beats.loc[store.beats["row"].isin(rows), ["row", "time_s"]]
    beats = beats.assign(row=beats["row"].map(place)).sort_values(["row", "time_s"])
    return Signals(
        ecg_mv=torch.as_tensor(np.where(measured, ecg_mv, np.float32(0))),
        lead_mask=torch.as_tensor(measured.any(axis=2)),
        valid=torch.as_tensor(store.records["samples"].to_numpy(np.int64)[rows]),
        beat_record=torch.as_tensor(beats["row"].to_numpy(np.int64)),
        beat_at=torch.as_tensor((beats["time_s"].to_numpy(np.float64) * store.fs_hz).astype(np.float32)),
        fs_hz=store.fs_hz,
    )


def leads_of(signals: Signals) -> list[Float32[np.ndarray, "lead _time"]]:
    """Each record up to its end, NaN in leads that are not measured."""
    ecg_mv = torch.where(signals.lead_mask[:, :, None], signals.ecg_mv, torch.nan).numpy()
    return [ecg[:, :samples] for ecg, samples in zip(ecg_mv, signals.valid.tolist(), strict=True)]


def marks_s(signals: Signals) -> list[Float64[np.ndarray, " _beat"]]:
    """Beat marks of each record in seconds, those within it."""
    at = signals.beat_at.double().numpy() / signals.fs_hz
    record, end_s = signals.beat_record.numpy(), signals.valid.numpy() / signals.fs_hz
    within = (at >= 0) & (at < end_s[record])
    return [at[within & (record == row)] for row in range(len(end_s))]


def peaks_s(signals: Signals) -> list[Float64[np.ndarray, " _beat"]]:
    """R peaks of each record as the detector finds them in the signal, in seconds."""
    return [find_r_peaks(ecg, signals.fs_hz) for ecg in leads_of(signals)]


def measure_again(signals: Signals, r_times_s: list[Float64[np.ndarray, " _beat"]]) -> MeasuredAgain:
    """Features and median beats of a batch about the given R times, as `prepare` makes them for a store."""
    rows = len(r_times_s)
    beats = beats_of_rows(leads_of(signals), r_times_s, signals.fs_hz)
    fiducials = find_fiducials(beats.window_mv, beats.fs_hz, beats.r_index, beats.rr_prev_s, beats.rr_next_s)
    probability = classify(beats, fiducials)
    median_mv = median_beats(beats, rows, of_main_class(beats, probability, rows))
    rr_s = row_median(beats.rr_prev_s, beats.row, rows)
    of_median = find_fiducials(median_mv, beats.fs_hz, beats.r_index, rr_s, rr_s)
    beyond = torch.arange(signals.ecg_mv.shape[2]) >= signals.valid[:, None]
    ecg_mv = torch.where(signals.lead_mask[:, :, None] & ~beyond[:, None], signals.ecg_mv, torch.nan).numpy()
    features = measure_records(
        beats, fiducials, median_mv, of_median, probability, ecg_mv, signals.fs_hz, rows
    ).reset_index(drop=True)
    return MeasuredAgain(features.astype(np.float32), median_mv, of_median)
