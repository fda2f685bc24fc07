"""Waves of every lead by methods that are not trained: NeuroKit2's wavelets, and the package's own rules."""

import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64

from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import BEFORE_S, gather_windows
from beatssl.progress import track
from beatssl.records.registry import READERS
from beatssl.signals.leads import present_leads
from beatssl.store.store import Store

COLUMNS = ("record_id", "lead", "wave", "onset_s", "peak_s", "offset_s")
_NEUROKIT = {"P": ("P_Onsets", "P_Peaks", "P_Offsets"), "T": ("T_Onsets", "T_Peaks", "T_Offsets")}
_RULES = {"P": "p", "QRS": "qrs", "T": "t"}


def neurokit_waves(store: Store, source: Path | None = None) -> pd.DataFrame:
    """Waves by NeuroKit2, lead by lead: `ecg_clean`, `ecg_peaks` and `ecg_delineate` with the method "dwt".

    With `source`, the folder that the store was prepared from, it gets each record as it was recorded, at its own
    rate; without, the store's filtered rows. A lead that it gives up on has no waves, a QRS has the R peak as its
    peak. About 0.6 s a record.

    Returns a line a wave, with `COLUMNS`. Raises ImportError without the extra `bench`.
    """
    try:
        import neurokit2
    except ImportError as error:
        raise ImportError("the comparison needs NeuroKit2: pip install 'beatssl[bench]'") from error
    parts: list[pd.DataFrame] = []
    records = list(_stored(store) if source is None else _recorded(store, source))
    for record_id, leads, ecg_mv, fs_hz, start_s in track(records, "NeuroKit2"):
        for lead, signal_mv in zip(leads, ecg_mv, strict=True):
            if lead and np.isfinite(signal_mv).all():
                waves = _neurokit_lead(neurokit2, signal_mv, round(fs_hz))
                for name in ("onset_s", "peak_s", "offset_s"):
                    waves[name] += start_s
                parts.append(waves.assign(record_id=record_id, lead=lead))
    return _table(parts)


def rule_waves(store: Store, each_lead: bool) -> pd.DataFrame:
    """Waves by the package's rules (`beats.fiducials`) around the R peaks found on all leads together.

    With `each_lead` the rules see one lead at a time and find waves of its own; else all leads of a record share the
    boundaries found on all of them. Returns a line a wave, with `COLUMNS`.
    """
    present = present_leads(store.ecg_mv(slice(None)).reshape(len(store) * len(store.leads), -1))
    present = present.reshape(len(store), -1)
    names = np.array(store.leads, object)
    parts: list[pd.DataFrame] = []
    for row, beats in track(list(store.beats.groupby("row")), "Rules"):
        at = int(str(row))
        found = Fiducials(*(beats[field.name].to_numpy(np.float32) for field in fields(Fiducials)))
        ecg_mv = store.ecg_mv([at])[0] if each_lead else None
        record_s = beats["time_in_record_s"].to_numpy(np.float64)
        for lead in np.flatnonzero(present[at]):
            marks, r_s = found, record_s
            if ecg_mv is not None:
                marks, r_s = _lead_marks(ecg_mv[lead : lead + 1], beats, store.fs_hz)
            waves = _of_marks(marks, r_s)
            parts.append(waves.assign(record_id=str(beats["record_id"].iloc[0]), lead=names[lead]))
    return _table(parts)


def _table(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=float if name.endswith("_s") else object) for name in COLUMNS})
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


_Signals = tuple[str, tuple[str, ...], Float32[np.ndarray, "lead time"], float, float]


def _stored(store: Store) -> Iterator[_Signals]:
    about = store.records
    for row, (record_id, start_s) in enumerate(zip(about["record_id"], about["start_s"], strict=True)):
        yield str(record_id), store.leads, store.ecg_mv([row])[0], store.fs_hz, float(start_s)


def _recorded(store: Store, source: Path) -> Iterator[_Signals]:
    reader = READERS[store.kind]()
    wanted = set(store.records["record_id"].astype(str))
    found = [each for each in reader.sources(source) if each.id in wanted]
    if len(found) < len(wanted):
        raise ValueError(f"{source} has {len(found)} of the {len(wanted)} records of {store.path}; pass its own source")
    for each in found:
        record = reader.read(source, each)
        yield record.id, record.leads, record.ecg_mv, record.fs_hz, 0.0


def _neurokit_lead(neurokit2: Any, signal_mv: Float32[np.ndarray, " time"], fs_hz: int) -> pd.DataFrame:
    """Waves of one lead; none where NeuroKit2 finds no beats or fails on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean = neurokit2.ecg_clean(signal_mv, sampling_rate=fs_hz)
            _, peaks = neurokit2.ecg_peaks(clean, sampling_rate=fs_hz)
            _, marks = neurokit2.ecg_delineate(clean, peaks, sampling_rate=fs_hz, method="dwt")
        except (ValueError, IndexError, ZeroDivisionError):
            return pd.DataFrame({"wave": [], "onset_s": [], "peak_s": [], "offset_s": []})
    r_peaks = np.asarray(peaks["ECG_R_Peaks"], np.float64)
    columns = {
        wave: [np.asarray(marks[f"ECG_{name}"], np.float64) for name in names] for wave, names in _NEUROKIT.items()
    }
    columns["QRS"] = [
        np.asarray(marks["ECG_R_Onsets"], np.float64),
        r_peaks,
        np.asarray(marks["ECG_R_Offsets"], np.float64),
    ]
    return pd.concat([_waves(wave, *(at / fs_hz for at in times)) for wave, times in columns.items()])


def _lead_marks(
    signal_mv: Float32[np.ndarray, "1 time"], beats: pd.DataFrame, fs_hz: float
) -> tuple[Fiducials, Float64[np.ndarray, " beat"]]:
    """The marks of a row's beats on one lead alone, and the times they are relative to."""
    index = np.round(beats["time_s"].to_numpy(np.float64) * fs_hz).astype(np.int64)
    before, after = (beats[name].to_numpy(np.float32) for name in ("rr_prev_s", "rr_next_s"))
    windows = gather_windows(signal_mv, index, fs_hz)
    marks = find_fiducials(windows, fs_hz, round(BEFORE_S * fs_hz), before, after)
    row_s = float((beats["time_in_record_s"] - beats["time_s"]).iloc[0])
    return marks, index / fs_hz + row_s


def _of_marks(marks: Fiducials, r_s: Float64[np.ndarray, " beat"]) -> pd.DataFrame:
    names = {
        wave: (f"{part}_onset_s", "r_peak_s" if wave == "QRS" else f"{part}_peak_s", f"{part}_offset_s")
        for wave, part in _RULES.items()
    }
    return pd.concat([_waves(wave, *(r_s + getattr(marks, name) for name in times)) for wave, times in names.items()])


def _waves(
    wave: str,
    onset_s: Float64[np.ndarray, " wave"],
    peak_s: Float64[np.ndarray, " wave"],
    offset_s: Float64[np.ndarray, " wave"],
) -> pd.DataFrame:
    """A line a wave that has any boundary."""
    some = np.isfinite(onset_s) | np.isfinite(offset_s)
    return pd.DataFrame({"wave": wave, "onset_s": onset_s[some], "peak_s": peak_s[some], "offset_s": offset_s[some]})
