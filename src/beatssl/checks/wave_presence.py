"""P (and T) where there are some, and none where there are none: records by statement, and synthetic ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from beatssl.beats.decoding.wave_decoding import find_waves
from beatssl.checks.synthetic_waves import LEAST_SHARE, MADE, MadeFigures, of_made
from beatssl.features.wave_intervals import measure_waves
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.segmenter import EcgSegmenter, slots
from beatssl.results import Number
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import resample_rows
from beatssl.store.store import Store

TEST_FOLD = 9
RATES = ((100, 110), (110, 120), (120, 130), (130, 150))
LEAD_SETS = {"12 leads": LEADS, "II, V5": ("II", "V5"), "II": ("II",)}

_NO_SINUS = ("AFIB", "AFLT", "PSVT", "SVTAC", "SVARR", "PACE")
_MOST_ORDINARY = 300
_AT_ONCE = 16


@dataclass(frozen=True)
class PresenceFigures:
    """Over the records of one group."""

    records: int
    beats: int
    p_per_beat: Number
    """Share of the beats in which half of the leads, at least, show a P."""
    pr_stated: int
    """Records in half of whose beats, at least, there is one: `analyze` states their PR."""


@dataclass(frozen=True)
class WavePresenceCheck:
    """By leads, and group of records or kind of synthetic records."""

    by_leads: dict[str, dict[str, PresenceFigures]]
    made: dict[str, dict[str, MadeFigures]]


def check_wave_presence(store: Store, segmenter: str = "default", device: Device = "auto") -> WavePresenceCheck:
    """P of the records of PTB-XL's test fold, by statement and rate, and P, QRS and T of synthetic records.

    A beat is one of the store's. Records in AV block of second and third degree are few: they come from all folds.

    Raises:
        ValueError: the store has no PTB-XL statements.
        CheckpointError: there is no such segmenter.
    """
    network = EcgSegmenter.from_pretrained(segmenter).to(torch_device(device))
    groups = record_groups(store)
    by_leads = {
        name: {group: _of_rows(network, store, rows, leads) for group, rows in groups.items()}
        for name, leads in LEAD_SETS.items()
    }
    made = {
        name: {kind: of_made(network, leads, made) for kind, made in MADE.items()} for name, leads in LEAD_SETS.items()
    }
    return WavePresenceCheck(by_leads, made)


def record_groups(store: Store, fold: int = TEST_FOLD) -> dict[str, Int64[np.ndarray, " row"]]:
    """Rows of a fold by what PTB-XL's statements say of P; sinus rhythms have no other rhythm stated."""
    statements, of_fold = store.targets("scp"), store.records["fold"].fillna(-1).to_numpy(np.int64) == fold
    rate = 60 / store.beats.groupby("row")["rr_prev_s"].median().reindex(np.arange(len(store))).to_numpy(np.float64)

    def stated(*names: str) -> Bool[np.ndarray, " row"]:
        return np.asarray(statements.reindex(columns=list(names), fill_value=False).to_numpy(bool).any(axis=1))

    sinus = of_fold & ~stated(*_NO_SINUS)
    groups = {
        f"sinus tachycardia, {low}-{high}/min": sinus & stated("STACH") & (rate >= low) & (rate < high)
        for low, high in RATES
    }
    groups |= {
        "first-degree AV block": sinus & stated("1AVB"),
        "sinus rhythm": sinus & stated("SR"),
        "atrial fibrillation": of_fold & stated("AFIB"),
        "atrial flutter": of_fold & stated("AFLT"),
        "second- or third-degree AV block": stated("2AVB", "3AVB"),
    }
    rng = np.random.default_rng(0)
    rows = {name: np.flatnonzero(some) for name, some in groups.items()}
    return {name: np.sort(rng.permutation(some)[:_MOST_ORDINARY]) for name, some in rows.items()}


def _of_rows(
    segmenter: EcgSegmenter, store: Store, rows: Int64[np.ndarray, " row"], leads: Sequence[str]
) -> PresenceFigures:
    place = [LEADS.index(name) for name in leads]
    of_row = {row: times.to_numpy(np.float64) for row, times in store.beats.groupby("row")["time_s"]}
    fs_hz = segmenter.preparation.fs_hz
    beats = with_p = stated = 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        ecg_mv = resample_rows(store.ecg_mv(some), store.fs_hz, fs_hz)[:, place]
        slot = np.broadcast_to(slots(leads), (len(some), len(leads)))
        probability = segmenter.of_batch(ecg_mv, slot, segmenter.takes)
        for row, one, signal in zip(some.tolist(), probability, ecg_mv, strict=True):
            share = measure_waves(find_waves(one, fs_hz, signal), beats_s=np.sort(of_row.get(row, np.zeros(0)))).share
            has_p = share[:, 0] >= LEAST_SHARE
            beats, with_p = beats + len(has_p), with_p + int(has_p.sum())
            stated += bool(len(has_p)) and float(has_p.mean()) >= LEAST_SHARE
    return PresenceFigures(len(rows), beats, with_p / beats if beats else float("nan"), int(stated))
