"""P (and T) where there are some, and none where there are none: records by statement, and synthetic ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from beatssl.beats.decoding.wave_decoding import find_waves
from beatssl.features.wave_intervals import measure_waves
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.segmenter import EcgSegmenter, slots
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.results import Number
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import resample_rows
from beatssl.store.store import Store

TEST_FOLD = 9
RATES = ((100, 110), (110, 120), (120, 130), (130, 150))
LEAD_SETS = {"12 leads": LEADS, "II, V5": ("II", "V5"), "II": ("II",)}

_LEAST_SHARE = 0.5  # of the leads, and of a record's beats for PR to be stated
_NO_SINUS = ("AFIB", "AFLT", "PSVT", "SVTAC", "SVARR", "PACE")
_MOST_ORDINARY = 300
_AT_ONCE = 16
_EDGE_S = 0.6
_MADE_OF_A_KIND = 5
_FS_HZ = 500.0


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
class MadeFigures:
    """Over synthetic records of one kind."""

    beats: int
    qrs: Number
    """Share of the beats in which half of the leads show a QRS; so are `p` and `t`."""
    p: Number
    t: Number


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
        name: {kind: _of_made(network, leads, **values) for kind, values in MADE.items()}
        for name, leads in LEAD_SETS.items()
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
            has_p = share[:, 0] >= _LEAST_SHARE
            beats, with_p = beats + len(has_p), with_p + int(has_p.sum())
            stated += bool(len(has_p)) and float(has_p.mean()) >= _LEAST_SHARE
    return PresenceFigures(len(rows), beats, with_p / beats if beats else float("nan"), int(stated))


MADE: Mapping[str, Mapping[str, float]] = (
    {f"no P, {rate}/min": {"rate": rate, "p_ratio": 0.0} for rate in (60, 80, 100)}
    | {"no P, irregular": {"rate": 90, "p_ratio": 0.0, "irregular": 0.2}}
    | {f"no T, {rate}/min": {"rate": rate, "t_ratio": 0.0} for rate in (60, 80, 100)}
    | {f"all waves, {rate}/min": {"rate": rate} for rate in (20, 30, 60, 100, 120, 140, 150, 170, 200, 240, 270, 300)}
)
"""Synthetic records by name, and what each is made of."""


def _of_made(
    segmenter: EcgSegmenter,
    leads: Sequence[str],
    rate: float,
    irregular: float = 0.0,
    p_ratio: float = 0.12,
    t_ratio: float = 0.3,
) -> MadeFigures:
    fs_hz, seconds = segmenter.preparation.fs_hz, 10.0 if rate >= 60 else 30.0
    counts, beats = np.zeros(3), 0
    for seed in range(_MADE_OF_A_KIND):
        rng = np.random.default_rng(seed)
        r_s = regular(rate, seconds)
        r_s = r_s + np.clip(irregular * rng.standard_normal(len(r_s)), -0.3, 0.3) * 60 / rate
        r_mv = rng.uniform(0.5, 1.3, len(leads)) * rng.choice([1, 1, 1, 1, -1], len(leads))
        recorded_mv = drawn_ecg(
            r_s, seconds, r_mv.tolist(), p_ratio=p_ratio, t_ratio=t_ratio, noise_mv=0.02, to_hz=_FS_HZ, seed=seed
        )
        ecg_mv = segmenter.takes.filtered(recorded_mv, _FS_HZ)
        probability = segmenter.of_prepared(ecg_mv, leads, segmenter.takes)
        found = measure_waves(find_waves(probability, fs_hz, ecg_mv), beats_s=r_s)
        counts += (found.share[found.r_s > _EDGE_S] >= _LEAST_SHARE).sum(axis=0)
        beats += int((r_s > _EDGE_S).sum())
    p, qrs, t = (counts / beats).tolist()
    return MadeFigures(beats, qrs, p, t)
